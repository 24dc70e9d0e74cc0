"""What the engine's events look like on the WebSocket: the channel, the type and the ``msg`` of each.

A message's bytes are made when the first subscriber wants them and shared by all. Only an ``orderbook_delta`` differs
between readers: it names the order to its owner, and NO levels are priced on the leg that the reader asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from truebook.book.order_book import OrderBook
from truebook.kalshi.times import to_rfc3339
from truebook.messages.envelope import BookSide
from truebook.messages.facts import MarketFacts
from truebook.money import ONE_DOLLAR_CC, format_price, format_size, no_price
from truebook.simulation.events import BookReplaced, LevelChanged, MarketChanged, Traded
from truebook_services.paper_exchange.market_stats import MarketStats
from truebook_services.paper_exchange.subscriptions import Channel
from truebook_services.paper_exchange.wire_text import market_id, outcome_side, price_ranges, price_structure

_LIFECYCLE_TYPES: Final = frozenset(
    {"created", "activated", "deactivated", "close_date_updated", "determined", "settled"}
)
"""The close itself is not announced by the exchange."""


class Outgoing:
    """One message for all who want it. ``account`` none is public."""

    __slots__ = ("_bodies", "_build", "account", "channel", "kind", "owner", "ticker")

    def __init__(
        self,
        channel: Channel,
        kind: str,
        ticker: str,
        build: Callable[[bool, bool], dict[str, Any]],
        *,
        account: str | None = None,
        owner: str | None = None,
    ) -> None:
        self.channel = channel
        self.kind = kind
        self.ticker = ticker
        self.account = account
        self.owner = owner
        self._build = build
        self._bodies: dict[tuple[bool, bool], bytes] = {}

    def body(self, account: str, use_yes_price: bool) -> bytes:
        """Give the ``msg`` as JSON for a reader of this account."""
        key = (self.owner == account, use_yes_price and self.channel is Channel.ORDERBOOK)
        if key not in self._bodies:
            self._bodies[key] = msgspec.json.encode(self._build(*key))
        return self._bodies[key]


def snapshot_body(ticker: str, book: OrderBook, clock: int, *, use_yes_price: bool, both_sides: bool) -> dict[str, Any]:
    """Write a whole book: bids of both legs, ascending; an empty side is left out, as the exchange does."""
    body: dict[str, Any] = {"market_ticker": ticker, "market_id": market_id(ticker), "clock": clock}
    yes = [[format_price(price), format_size(size)] for price, size in reversed(book.levels(BookSide.BID))]
    asks = book.levels(BookSide.ASK)
    if use_yes_price:
        no = [[format_price(price), format_size(size)] for price, size in asks]
    else:
        no = [[format_price(no_price(price)), format_size(size)] for price, size in reversed(asks)]
    if yes or both_sides:
        body["yes_dollars_fp"] = yes
    if no or both_sides:
        body["no_dollars_fp"] = no
    return body


def snapshot(event: BookReplaced, *, both_sides: bool) -> Outgoing:
    """Write a recorded book as it was shown, whatever has changed since."""
    book = OrderBook(event.bids, event.asks)

    def build(_: bool, use_yes_price: bool) -> dict[str, Any]:
        return snapshot_body(event.ticker, book, event.clock, use_yes_price=use_yes_price, both_sides=both_sides)

    return Outgoing(Channel.ORDERBOOK, "orderbook_snapshot", event.ticker, build)


def delta(event: LevelChanged) -> Outgoing:
    """Write one level's change, as its owner and as everybody else sees it."""

    def build(own: bool, use_yes_price: bool) -> dict[str, Any]:
        is_yes = event.book_side is BookSide.BID
        body: dict[str, Any] = {
            "market_ticker": event.ticker,
            "market_id": market_id(event.ticker),
            "clock": event.clock,
            "price_dollars": format_price(event.price_cc if is_yes or use_yes_price else no_price(event.price_cc)),
            "delta_fp": format_size(event.delta_centi),
            "side": "yes" if is_yes else "no",
            "ts": to_rfc3339(event.at_us),
            "ts_ms": event.at_us // 1000,
        }
        if own and event.client_order_id:
            body |= {"client_order_id": event.client_order_id, "subaccount": 0}
        return body

    return Outgoing(Channel.ORDERBOOK, "orderbook_delta", event.ticker, build, owner=event.account)


def trade(event: Traded) -> Outgoing:
    """Write a public trade."""
    side = outcome_side(event.taker_side)
    body = {
        "trade_id": event.trade_id,
        "market_ticker": event.ticker,
        "yes_price_dollars": format_price(event.price_cc),
        "no_price_dollars": format_price(no_price(event.price_cc)),
        "count_fp": format_size(event.size_centi),
        "taker_side": side,
        "taker_outcome_side": side,
        "taker_book_side": event.taker_side.value,
        "is_block_trade": event.block,
        "ts": event.at_us // 1_000_000,
        "ts_ms": event.at_us // 1000,
    }
    return Outgoing(Channel.TRADE, "trade", event.ticker, lambda _own, _yes: body)


def ticker_update(facts: MarketFacts, stats: MarketStats, book: OrderBook, at_us: int) -> Outgoing:
    """Write a market's top of book and totals."""
    bid, ask = book.best(BookSide.BID), book.best(BookSide.ASK)

    def build(_own: bool, _yes: bool) -> dict[str, Any]:
        return {
            "market_id": market_id(facts.ticker),
            "market_ticker": facts.ticker,
            "price_dollars": format_price(stats.last_price_cc),
            "yes_bid_dollars": format_price(bid[0] if bid else 0),
            "yes_ask_dollars": format_price(ask[0] if ask else ONE_DOLLAR_CC),
            "volume_fp": format_size(facts.volume_centi),
            "open_interest_fp": format_size(stats.open_interest_centi),
            "dollar_volume": facts.volume_centi // 200,
            "dollar_open_interest": stats.open_interest_centi // 200,
            "yes_bid_size_fp": format_size(bid[1] if bid else 0),
            "yes_ask_size_fp": format_size(ask[1] if ask else 0),
            "last_trade_size_fp": format_size(stats.last_size_centi),
            "ts": at_us // 1_000_000,
            "ts_ms": at_us // 1000,
            "time": to_rfc3339(at_us),
        }

    return Outgoing(Channel.TICKER, "ticker", facts.ticker, build)


def lifecycle(event: MarketChanged) -> Outgoing | None:
    """Write a step of a market's life; none for a step that the exchange does not announce."""
    if event.event_type not in _LIFECYCLE_TYPES:
        return None
    facts, seconds = event.facts, event.at_us // 1_000_000
    body: dict[str, Any] = {"market_ticker": facts.ticker, "exchange_index": 0, "event_type": event.event_type}
    match event.event_type:
        case "created":
            body |= {
                "open_ts": facts.open_us // 1_000_000,
                "close_ts": facts.close_us // 1_000_000,
                "price_level_structure": price_structure(facts.price_ranges),
                "price_ranges": price_ranges(facts.price_ranges),
                "additional_metadata": {
                    "name": facts.ticker,
                    "title": facts.ticker,
                    "event_ticker": facts.event,
                    "yes_sub_title": facts.ticker,
                    "no_sub_title": facts.ticker,
                    "rules_primary": "",
                    "rules_secondary": "",
                    "can_close_early": True,
                },
            }
        case "close_date_updated":
            body["close_ts"] = facts.close_us // 1_000_000
        case "activated" | "deactivated":
            body["is_deactivated"] = event.event_type == "deactivated"
        case "determined":
            body |= {
                "result": market_result(facts),
                "determination_ts": seconds,
                "settlement_value": format_price(facts.settlement_cc or 0),
            }
        case _:
            body["settled_ts"] = seconds
    return Outgoing(Channel.LIFECYCLE, "market_lifecycle_v2", facts.ticker, lambda _own, _yes: body)


def market_result(facts: MarketFacts) -> str:
    """Name a market's outcome: yes, no, scalar, or nothing before it is determined."""
    match facts.settlement_cc:
        case None:
            return ""
        case 10_000:
            return "yes"
        case 0:
            return "no"
        case _:
            return "scalar"
