"""The subscriptions of one session: ids, sequence numbers, filters. Frames are written by the session."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final


class StreamChannel(StrEnum):
    ORDERBOOK = "orderbook_delta"
    TICKER = "ticker"
    TRADE = "trade"
    FILL = "fill"
    USER_ORDERS = "user_orders"
    MARKET_POSITIONS = "market_positions"
    LIFECYCLE = "market_lifecycle_v2"
    ORDER_GROUPS = "order_group_updates"
    COMBINATIONS = "multivariate_market_lifecycle"
    """Quiet: there are no markets of combinations."""
    COMMUNICATIONS = "communications"
    """Quiet: no requests for quotes exist."""


SEQUENCED: Final = frozenset(
    {
        StreamChannel.ORDERBOOK, StreamChannel.TRADE, StreamChannel.LIFECYCLE, StreamChannel.ORDER_GROUPS,
        StreamChannel.COMBINATIONS, StreamChannel.COMMUNICATIONS,
    }
)  # fmt: skip
"""Data frames of these channels have ``seq``; ``ok`` and ``unsubscribed`` have it on every channel."""
UNFILTERED: Final = frozenset(
    {
        StreamChannel.LIFECYCLE, StreamChannel.ORDER_GROUPS, StreamChannel.COMBINATIONS, StreamChannel.COMMUNICATIONS,
    }
)  # fmt: skip
MARKET_LIMIT: Final = 500_000


class ChannelSubscription:
    """One channel of one session. ``tickers`` None means every market."""

    def __init__(self, sid: int, channel: StreamChannel, tickers: Sequence[str] | None, use_yes_price: bool) -> None:
        self.sid = sid
        self.channel = channel
        self.tickers: dict[str, None] | None = None if tickers is None else dict.fromkeys(tickers)
        self.use_yes_price = use_yes_price
        self.first_data_due_us: dict[str, int] = {}
        """Tickers whose first data is still to be sent, with its due time (monotonic): no other frame precedes it."""
        self._seq = 0
        self._starts: dict[str, bytes] = {}

    def start_of(self, kind: str) -> bytes:
        """Return how this subscription's frames of a type begin."""
        start = self._starts.get(kind)
        if start is None:
            start = self._starts[kind] = b'{"type":"%b","sid":%d' % (kind.encode(), self.sid)
        return start

    def next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def restart_seq(self) -> None:
        """Begin at 1 again: an injected fault."""
        self._seq = 0

    def matches(self, ticker: str) -> bool:
        if ticker in self.first_data_due_us:
            return False
        return self.tickers is None or ticker in self.tickers

    def add(self, tickers: Sequence[str] | None) -> list[str]:
        """Widen the filter; returns the new tickers."""
        if tickers is None:
            self.tickers = None
        if self.tickers is None or tickers is None:
            return []
        new = [ticker for ticker in dict.fromkeys(tickers) if ticker not in self.tickers]
        self.tickers.update(dict.fromkeys(new))
        return new

    def remove(self, tickers: Sequence[str]) -> None:
        for ticker in tickers:
            self.first_data_due_us.pop(ticker, None)
            if self.tickers is not None:
                self.tickers.pop(ticker, None)

    def listed(self) -> list[str]:
        """List the tickers of the filter, sorted as at the exchange."""
        return sorted(self.tickers or ())


class Subscriptions:
    """The subscriptions of one session, at most one per channel."""

    def __init__(self) -> None:
        self._by_channel: dict[StreamChannel, ChannelSubscription] = {}
        self._last_sid = 0

    def of(self, channel: StreamChannel) -> ChannelSubscription | None:
        return self._by_channel.get(channel)

    def by_sid(self, sid: int) -> ChannelSubscription | None:
        return next((one for one in self._by_channel.values() if one.sid == sid), None)

    def all(self) -> list[ChannelSubscription]:
        return list(self._by_channel.values())

    def open(self, channel: StreamChannel, tickers: Sequence[str] | None, use_yes_price: bool) -> ChannelSubscription:
        self._last_sid += 1
        subscription = ChannelSubscription(self._last_sid, channel, tickers, use_yes_price)
        self._by_channel[channel] = subscription
        return subscription

    def end(self, subscription: ChannelSubscription) -> None:
        self._by_channel.pop(subscription.channel, None)
