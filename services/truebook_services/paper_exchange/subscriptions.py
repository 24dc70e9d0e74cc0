"""What one WebSocket connection has subscribed to: ids, sequence numbers, filters. No frames are written here."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final


class Channel(StrEnum):
    ORDERBOOK = "orderbook_delta"
    TICKER = "ticker"
    TRADE = "trade"
    FILL = "fill"
    USER_ORDERS = "user_orders"
    MARKET_POSITIONS = "market_positions"
    LIFECYCLE = "market_lifecycle_v2"
    ORDER_GROUPS = "order_group_updates"


SEQUENCED: Final = frozenset({Channel.ORDERBOOK, Channel.TRADE, Channel.LIFECYCLE, Channel.ORDER_GROUPS})
"""Data frames of these channels carry ``seq``; ``ok`` and ``unsubscribed`` carry one on every channel."""
UNFILTERED: Final = frozenset({Channel.LIFECYCLE, Channel.ORDER_GROUPS})
MARKET_LIMIT: Final = 500_000


class Subscription:
    """One channel of one connection. ``tickers`` none means every market."""

    def __init__(self, sid: int, channel: Channel, tickers: Sequence[str] | None, use_yes_price: bool) -> None:
        self.sid = sid
        self.channel = channel
        self.tickers: dict[str, None] | None = None if tickers is None else dict.fromkeys(tickers)
        self.use_yes_price = use_yes_price
        self.awaiting: dict[str, int] = {}
        """Tickers whose first snapshot is still to come, with the steady time from which it may: no delta before it."""
        self._seq = 0

    def next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def wants(self, ticker: str) -> bool:
        if ticker in self.awaiting:
            return False
        return self.tickers is None or ticker in self.tickers

    def add(self, tickers: Sequence[str] | None) -> list[str]:
        """Widen the filter; answers the tickers that are new."""
        if tickers is None:
            self.tickers = None
        if self.tickers is None or tickers is None:
            return []
        new = [ticker for ticker in dict.fromkeys(tickers) if ticker not in self.tickers]
        self.tickers.update(dict.fromkeys(new))
        return new

    def remove(self, tickers: Sequence[str]) -> None:
        for ticker in tickers:
            self.awaiting.pop(ticker, None)
            if self.tickers is not None:
                self.tickers.pop(ticker, None)

    def listed(self) -> list[str]:
        """List the markets of the filter, sorted as the exchange lists them."""
        return sorted(self.tickers or ())


class Subscriptions:
    """The subscriptions of one connection, one per channel at most."""

    def __init__(self) -> None:
        self._by_channel: dict[Channel, Subscription] = {}
        self._last_sid = 0

    def of(self, channel: Channel) -> Subscription | None:
        return self._by_channel.get(channel)

    def by_sid(self, sid: int) -> Subscription | None:
        return next((one for one in self._by_channel.values() if one.sid == sid), None)

    def all(self) -> list[Subscription]:
        return list(self._by_channel.values())

    def open(self, channel: Channel, tickers: Sequence[str] | None, use_yes_price: bool) -> Subscription:
        self._last_sid += 1
        subscription = Subscription(self._last_sid, channel, tickers, use_yes_price)
        self._by_channel[channel] = subscription
        return subscription

    def end(self, subscription: Subscription) -> None:
        self._by_channel.pop(subscription.channel, None)
