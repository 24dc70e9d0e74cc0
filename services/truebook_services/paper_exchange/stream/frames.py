"""Encodes public engine events for the WebSocket: the channel, the type and the ``msg`` of each.

A message is encoded for its first subscriber and shared by all. Only an ``orderbook_delta`` differs between
subscribers: its owner gets the client order id, and NO levels are priced on the requested leg.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import msgspec

from truebook.book.order_book import OrderBook
from truebook.kalshi.wire.times import to_rfc3339
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketMetadata
from truebook.money import ONE_DOLLAR_CC, format_price, format_size, no_price
from truebook.simulation.events import BookReplaced, LevelChanged, MarketChanged, Traded
from truebook.simulation.venue.subaccount_names import number_of
from truebook_services.paper_exchange.engine.market_stats import MarketStats
from truebook_services.paper_exchange.stream.subscriptions import StreamChannel
from truebook_services.paper_exchange.wire_fields import (
    market_id,
    market_result,
    price_ranges,
    price_structure,
    trade_fields,
)

_LIFECYCLE_TYPES: Final = frozenset(
    {
        "created", "activated", "deactivated", "close_date_updated", "price_level_structure_updated", "determined",
        "settled",
    }
)  # fmt: skip
"""The exchange does not announce the close itself."""


class Outgoing:
    """One message for all its subscribers; public if ``account`` is None."""

    __slots__ = ("_bodies", "_build", "account", "channel", "kind", "owner", "ticker")

    def __init__(
        self,
        channel: StreamChannel,
        kind: str,
        ticker: str,
        build: Callable[[bool, bool], dict[str, Any] | bytes],
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

    def body(self, is_own: bool, use_yes_price: bool) -> bytes:
        """Return the ``msg`` as JSON for the subscriber who caused it, or for others."""
        key = (is_own, use_yes_price and self.channel is StreamChannel.ORDERBOOK)
        body = self._bodies.get(key)
        if body is None:
            built = self._build(*key)
            body = self._bodies[key] = built if isinstance(built, bytes) else msgspec.json.encode(built)
        return body


def fixed(
    channel: StreamChannel, kind: str, ticker: str, body: dict[str, Any], *, account: str | None = None
) -> Outgoing:
    """Make a message that is the same for all its subscribers."""
    return Outgoing(channel, kind, ticker, lambda _own, _yes: body, account=account)


def snapshot_body(ticker: str, book: OrderBook, clock: int, *, use_yes_price: bool, both_sides: bool) -> dict[str, Any]:
    """Write a whole book: bids of both legs, ascending; an empty side is omitted, as at the exchange."""
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
    """Write a recorded book as of its event."""
    book = OrderBook(event.bids, event.asks)

    def build(_: bool, use_yes_price: bool) -> dict[str, Any]:
        return snapshot_body(event.ticker, book, event.clock, use_yes_price=use_yes_price, both_sides=both_sides)

    return Outgoing(StreamChannel.ORDERBOOK, "orderbook_snapshot", event.ticker, build)


@lru_cache(maxsize=4_096)
def _market_fields(ticker: str) -> str:
    """Return how the body of a market's delta begins."""
    return f'"market_ticker":{msgspec.json.encode(ticker).decode()},"market_id":"{market_id(ticker)}"'


def delta(event: LevelChanged) -> Outgoing:
    """Write one level's change, for its owner and for other accounts."""

    def build(own: bool, use_yes_price: bool) -> bytes:
        is_yes = event.book_side is BookSide.BID
        price_cc = event.price_cc if is_yes or use_yes_price else no_price(event.price_cc)
        # Written out: an exchange sends thousands of these a second. What may need an escape is encoded.
        body = (
            f'{{{_market_fields(event.ticker)},"clock":{event.clock},"price_dollars":"{format_price(price_cc)}",'
            f'"delta_fp":"{format_size(event.delta_centi)}","side":"{"yes" if is_yes else "no"}",'
            f'"ts":"{to_rfc3339(event.at_us)}","ts_ms":{event.at_us // 1000}'
        )
        if own and event.client_order_id:
            own_id = msgspec.json.encode(event.client_order_id).decode()
            body += f',"client_order_id":{own_id},"subaccount":{number_of(event.account or "")}'
        return body.encode() + b"}"

    return Outgoing(StreamChannel.ORDERBOOK, "orderbook_delta", event.ticker, build, owner=event.account)


def trade(event: Traded) -> Outgoing:
    """Write a public trade."""
    times = {"ts": event.at_us // 1_000_000, "ts_ms": event.at_us // 1000}
    body = trade_fields(event) | {"market_ticker": event.ticker} | times
    return fixed(StreamChannel.TRADE, "trade", event.ticker, body)


def ticker_update(metadata: MarketMetadata, stats: MarketStats, book: OrderBook, at_us: int) -> Outgoing:
    """Write a market's top of book and totals."""
    bid, ask = book.best(BookSide.BID), book.best(BookSide.ASK)

    def build(_own: bool, _yes: bool) -> dict[str, Any]:
        return {
            "market_id": market_id(metadata.ticker),
            "market_ticker": metadata.ticker,
            "price_dollars": format_price(stats.last_price_cc),
            "yes_bid_dollars": format_price(bid[0] if bid else 0),
            "yes_ask_dollars": format_price(ask[0] if ask else ONE_DOLLAR_CC),
            "volume_fp": format_size(metadata.volume_centi),
            "open_interest_fp": format_size(stats.open_interest_centi),
            "dollar_volume": metadata.volume_centi // 200,
            "dollar_open_interest": stats.open_interest_centi // 200,
            "yes_bid_size_fp": format_size(bid[1] if bid else 0),
            "yes_ask_size_fp": format_size(ask[1] if ask else 0),
            "last_trade_size_fp": format_size(stats.last_size_centi),
            "ts": at_us // 1_000_000,
            "ts_ms": at_us // 1000,
            "time": to_rfc3339(at_us),
        }

    return Outgoing(StreamChannel.TICKER, "ticker", metadata.ticker, build)


def event_lifecycle(metadata: MarketMetadata) -> Outgoing:
    """Announce the event of its first market, on the same channel."""
    body = {
        "event_ticker": metadata.event,
        "exchange_index": metadata.exchange_index,
        "title": metadata.event,
        "subtitle": "",
        "collateral_return_type": "MECNET" if metadata.exclusive else "",
        "series_ticker": metadata.series,
    }
    return fixed(StreamChannel.LIFECYCLE, "event_lifecycle", metadata.ticker, body)


def lifecycle(event: MarketChanged) -> Outgoing | None:
    """Write a lifecycle event; None for one that the exchange does not announce."""
    if event.event_type not in _LIFECYCLE_TYPES:
        return None
    metadata, seconds = event.metadata, event.at_us // 1_000_000
    body: dict[str, Any] = {
        "market_ticker": metadata.ticker, "exchange_index": metadata.exchange_index, "event_type": event.event_type,
    }  # fmt: skip
    match event.event_type:
        case "created":
            body |= {
                "open_ts": metadata.open_us // 1_000_000,
                "close_ts": metadata.close_us // 1_000_000,
                "price_level_structure": price_structure(metadata.price_ranges),
                "price_ranges": price_ranges(metadata.price_ranges),
                "additional_metadata": {
                    "name": metadata.ticker,
                    "title": metadata.ticker,
                    "event_ticker": metadata.event,
                    "yes_sub_title": metadata.ticker,
                    "no_sub_title": metadata.ticker,
                    "rules_primary": "",
                    "rules_secondary": "",
                    "can_close_early": True,
                },
            }
        case "close_date_updated":
            body["close_ts"] = metadata.close_us // 1_000_000
        case "price_level_structure_updated":
            body |= {
                "price_level_structure": price_structure(metadata.price_ranges),
                "price_ranges": price_ranges(metadata.price_ranges),
            }
        case "activated" | "deactivated":
            body["is_deactivated"] = event.event_type == "deactivated"
        case "determined":
            if metadata.settlement_cc is None:
                raise ValueError(f"{metadata.ticker} is determined without a value")
            body |= {
                "result": market_result(metadata.settlement_cc),
                "determination_ts": seconds,
                "settlement_value": format_price(metadata.settlement_cc),
            }
        case _:
            body["settled_ts"] = seconds
    return fixed(StreamChannel.LIFECYCLE, "market_lifecycle_v2", metadata.ticker, body)
