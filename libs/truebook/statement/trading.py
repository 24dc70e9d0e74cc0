"""What fills and settlements did, market by market and model by model, computed beside the ledger's own totals.

Each fill is added to a copy of its market from before the entry, and to the sums of its model in that market. The
cash of the lines must add up to the account's: that is the statement's conservation check.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from truebook.ledger.rules.state import LedgerFill, LedgerMarket, LedgerState
from truebook.ledger.rules.views import market_view
from truebook.ledger.valuation import realized_profit
from truebook.ledger.verbs import RESERVED, Acknowledge, Close, OpenAccount, Reserve, SettleFill, SettleMarket, Verb
from truebook.messages.envelope import BookSide
from truebook.money import no_price

BETWEEN_MODELS: Final = "between models"


class Change(NamedTuple):
    """What one fill or settlement changed."""

    cost_micros: int
    returned_micros: int
    realized_micros: int


class AppliedFill(NamedTuple):
    """A fill that an entry applied; the times and ids are of the fill, not of the entry."""

    exchange_order_id: str
    trade_id: str
    fill: LedgerFill
    exchange_us: int


class Before(NamedTuple):
    """What an entry may change, as it was before."""

    market: LedgerMarket | None
    parked: Mapping[str, LedgerFill]
    """By trade id: parked fills of the entry's order."""


def add_fill(market: LedgerMarket, fill: LedgerFill) -> Change:
    """Add a fill to a market's sums, and return what that changed."""
    price_cc = fill.price_cc if fill.book_side is BookSide.BID else no_price(fill.price_cc)
    cost_micros = fill.size_centi * price_cc
    returned, realized = market.pairs_micros + market.payout_micros, _realized(market)
    if fill.book_side is BookSide.BID:
        market.yes_bought_centi += fill.size_centi
        market.yes_cost_micros += cost_micros
    else:
        market.no_bought_centi += fill.size_centi
        market.no_cost_micros += cost_micros
    market.fees_micros += fill.fee_micros
    return Change(
        cost_micros, market.pairs_micros + market.payout_micros - returned, _realized(market) - realized
    )  # fmt: skip


def settle(market: LedgerMarket, settlement_cc: int) -> Change:
    """Settle a market's sums, and return what that changed."""
    realized = _realized(market)
    market.settlement_cc = settlement_cc
    return Change(0, market.payout_micros, _realized(market) - realized)


def before(state: LedgerState, verb: Verb[object]) -> Before:
    """Return copies of what a verb may change; call it before the verb is applied."""
    if isinstance(verb, SettleMarket):
        return Before(_copied(state, verb.ticker), {})
    if isinstance(verb, SettleFill):
        order = state.orders.get(state.exchange_ids.get(verb.order_id, ""))
        return Before(_copied(state, verb.ticker if order is None else order.ticker), {})
    if isinstance(verb, Acknowledge | Close) and verb.exchange_order_id:
        fills = state.fills.get(verb.exchange_order_id, {})
        parked = {trade_id: fill for trade_id, fill in fills.items() if fill.parked}
        if parked:
            order = state.orders.get(verb.order_id)
            ticker = next(iter(parked.values())).ticker if order is None else order.ticker
            return Before(_copied(state, ticker), parked)
    return Before(None, {})


class Attribution:
    """Which model each order is of, and the sums of each model in each market."""

    def __init__(self, state: LedgerState) -> None:
        self._models: dict[str, str] = {}
        """By order id."""
        self._sums: dict[str, dict[str | None, LedgerMarket]] = {}
        """By ticker and model; None: what was there before the first entry, and orders of other programs."""
        self._parked_us: dict[tuple[str, str], int] = {}
        self._add_unknown(state)

    def note(self, verb: Verb[object], result: str, state: LedgerState) -> None:
        """Note what later entries refer to; call it after the verb was applied."""
        if isinstance(verb, Reserve) and result == str(RESERVED) and verb.model:
            self._models[verb.order_id] = verb.model
        elif isinstance(verb, SettleFill) and verb.exchange_us and result == "parked":
            self._parked_us[verb.order_id, verb.trade_id] = verb.exchange_us
        elif isinstance(verb, OpenAccount):
            self._add_unknown(state)

    def model_of(self, order_id: str) -> str | None:
        return self._models.get(order_id)

    def applied(self, verb: Verb[object], result: str, earlier: Before, state: LedgerState) -> Iterator[AppliedFill]:
        """List the fills that an entry applied: its own, or parked ones of the order that it reported."""
        if isinstance(verb, SettleFill) and result == "applied":
            fill = LedgerFill(
                ticker=verb.ticker, book_side=verb.book_side, price_cc=verb.price_cc, size_centi=verb.size_centi,
                fee_micros=verb.fee_micros, exchange_index=verb.exchange_index,
            )  # fmt: skip
            yield AppliedFill(verb.order_id, verb.trade_id, fill, verb.exchange_us)
        elif isinstance(verb, Acknowledge | Close) and verb.exchange_order_id:
            now = state.fills.get(verb.exchange_order_id, {})
            for trade_id, fill in earlier.parked.items():
                if trade_id in now and not now[trade_id].parked:
                    exchange_us = self._parked_us.pop((verb.exchange_order_id, trade_id), 0)
                    yield AppliedFill(verb.exchange_order_id, trade_id, fill, exchange_us)

    def fill(self, ticker: str, model: str | None, fill: LedgerFill, settlement_cc: int | None) -> Change:
        """Add a fill to the sums of its model; return its profit there."""
        sums = self._sums.setdefault(ticker, {})
        if model not in sums:
            sums[model] = LedgerMarket(ticker=ticker, event=ticker, settlement_cc=settlement_cc)
        return add_fill(sums[model], fill)

    def settle(self, ticker: str, settlement_cc: int) -> dict[str | None, Change]:
        """Settle the sums of each model in a market; return the profit of each."""
        return {model: settle(market, settlement_cc) for model, market in self._sums.get(ticker, {}).items()}

    def _add_unknown(self, state: LedgerState) -> None:
        for ticker, market in state.markets.items():
            if market.costs_micros or market.fills:
                self._sums.setdefault(ticker, {}).setdefault(None, msgspec.structs.replace(market))


class Profits:
    """Adds up profit lines by name."""

    def __init__(self) -> None:
        self._lines: dict[str | None, ProfitSums] = {}

    def add(self, name: str | None, realized_micros: int, fill: LedgerFill | None = None, settled: int = 0) -> None:
        line = self._lines.setdefault(name, ProfitSums())
        line.realized_micros += realized_micros
        line.settlements += settled
        if fill is not None:
            line.fills += 1
            line.size_centi += fill.size_centi
            line.fees_micros += fill.fee_micros

    def items(self) -> list[tuple[str | None, ProfitSums]]:
        """List the sums by name, the unknown one last."""
        return sorted(self._lines.items(), key=lambda item: (item[0] is None, item[0] or ""))

    @property
    def realized_micros(self) -> int:
        return sum(line.realized_micros for line in self._lines.values())


class ProfitSums(msgspec.Struct):
    fills: int = 0
    settlements: int = 0
    size_centi: int = 0
    realized_micros: int = 0
    fees_micros: int = 0


def _copied(state: LedgerState, ticker: str) -> LedgerMarket:
    market = state.markets.get(ticker)
    return LedgerMarket(ticker=ticker, event=ticker) if market is None else msgspec.structs.replace(market)


def _realized(market: LedgerMarket) -> int:
    return realized_profit(market_view(market, ()))
