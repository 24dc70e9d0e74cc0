"""Close positions by immediate, reduce-only orders within a price bound, sent by execution as any other order.

The operator never sends an order itself: it places the trading hold ``flatten``, under which execution cancels what may
open a position and refuses everything but reduce-only orders, and publishes one action per market and round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from truebook.clock import MICROS
from truebook.kalshi.port import RestClient
from truebook.ledger.outcomes import HoldOutcome
from truebook.ledger.port import LedgerStore, LedgerView, MarketView
from truebook.ledger.trading_holds import FLATTEN
from truebook.ledger.valuation import Books, Levels
from truebook.ledger.verbs import Mode
from truebook.messages.actions import Action, OmittedSides, Target
from truebook.messages.codec import encode
from truebook.messages.envelope import BookSide, Source, TimeInForce
from truebook.messages.ids import action_id
from truebook.messages.market_metadata import MarketMetadata
from truebook_services.operator.port import HoldRefused, RequestRefused
from truebook_services.operator.requests import Flatten, FlattenReport, OpenPosition

ROUND_S: Final = 1.5
"""Longer than execution's throttle: each round's order is judged on its own."""
WITHIN_S: Final = 12.0
VALID_US: Final = 2 * MICROS
NO_LEVEL: Final = "no level within the price bound"
NOT_FILLED: Final = "not filled in time: repeat the request, or allow a wider bound"

Publish = Callable[[Sequence[tuple[str, bytes]]], Awaitable[None]]
ReadBooks = Callable[[LedgerView], Awaitable[Books | None]]


@dataclass(frozen=True, kw_only=True)
class ActionSender:
    """Publishes actions as policy does; the exchange's metadata complete them."""

    account: str
    strategy: str
    source: Source
    now_us: Callable[[], int]
    publish: Publish
    round_s: float = ROUND_S
    within_s: float = WITHIN_S


async def flatten(
    request: Flatten, ledger: LedgerStore, rest: RestClient, read_books: ReadBooks, sender: ActionSender
) -> FlattenReport:
    """Hold the account, then close the named positions (all if none is named); report what stays open."""
    if (await ledger.view(())).account.mode is Mode.HALTED:
        raise RequestRefused("trading is halted: no order can close a position", "`truebook resume`, then repeat this")
    if await ledger.apply(FLATTEN.place()) is not HoldOutcome.HELD:
        raise HoldRefused("the trading hold was not placed", "`truebook status` lists the holds")
    deadline = asyncio.get_running_loop().time() + sender.within_s
    at_first = {market.ticker for market in _held(await ledger.live_view(), request.tickers)}
    while True:
        view = await ledger.live_view()
        held = _held(view, request.tickers)
        if not held or asyncio.get_running_loop().time() >= deadline:
            break
        books = await read_books(view) or {}
        targets = [(market, _target(market, books.get(market.ticker), request.max_slip_cc)) for market in held]
        actions = [
            _action(target, books[market.ticker], await rest.market(market.ticker), sender)
            for market, target in targets
            if target is not None
        ]
        if not actions:
            break
        await sender.publish([(action.ticker, encode(action)) for action in actions])
        await asyncio.sleep(sender.round_s)
    books = await read_books(view) or {}
    left = tuple(_left(market, books, request.max_slip_cc) for market in held)
    return FlattenReport(
        closed=tuple(sorted(at_first - {market.ticker for market in held})), remaining=left, hold=FLATTEN.name
    )


def _held(view: LedgerView, tickers: Sequence[str]) -> list[MarketView]:
    return [
        market
        for market in view.markets
        if market.position_centi and market.settlement_cc is None and (not tickers or market.ticker in tickers)
    ]


def _target(market: MarketView, book: tuple[Levels, Levels] | None, max_slip_cc: int) -> Target | None:
    """Return an immediate order at the worst level needed, at most ``max_slip_cc`` from the best; None without one."""
    is_long = market.position_centi > 0
    levels = () if book is None else book[0] if is_long else book[1]
    left, price_cc = abs(market.position_centi), None
    for level_cc, size_centi in levels:
        if left <= 0 or abs(level_cc - levels[0][0]) > max_slip_cc:
            break
        left, price_cc = left - size_centi, level_cc
    if price_cc is None:
        return None
    return Target(
        book_side=BookSide.ASK if is_long else BookSide.BID, price_cc=price_cc, size_centi=abs(market.position_centi),
        time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL, reduce_only=True,
    )  # fmt: skip


def _action(target: Target, book: tuple[Levels, Levels], metadata: MarketMetadata, sender: ActionSender) -> Action:
    now_us, ticker = sender.now_us(), metadata.ticker
    best_bid_cc, best_ask_cc = (levels[0][0] if levels else None for levels in book)
    observation = f"{FLATTEN.name}-{ticker}-{now_us}"
    return Action(
        id=action_id(sender.account, sender.strategy, observation), cause_id=observation, account=sender.account,
        strategy=sender.strategy, ticker=ticker, source=sender.source, exchange_us=now_us, produced_us=now_us,
        observation_id=observation, model=FLATTEN.name, targets=(target,), omitted_sides=OmittedSides.CANCEL,
        deadline_us=now_us + VALID_US, confirmed_us=now_us, frame_us=0, reference_cc=target.price_cc,
        best_bid_cc=best_bid_cc, best_ask_cc=best_ask_cc, edge_cc=0, event=metadata.event,
        exclusive=metadata.exclusive, fee_rate_ppm=0,
    )  # fmt: skip


def _left(market: MarketView, books: Books, max_slip_cc: int) -> OpenPosition:
    has_level = _target(market, books.get(market.ticker), max_slip_cc) is not None
    return OpenPosition(
        ticker=market.ticker, position_centi=market.position_centi, cause=NOT_FILLED if has_level else NO_LEVEL
    )
