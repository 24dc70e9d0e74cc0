"""The sum of an event's YES prices, updated as books change; an input for layouts. Pure.

For an event whose markets exclude each other the sum should be near one dollar.
"""

from __future__ import annotations


class EventSum:
    """One event: the sum of best bid + best ask of its markets, halved when read, so that nothing is rounded before."""

    __slots__ = ("_bid_plus_ask_cc", "_is_whole", "_members", "_missing", "_stale_since_us", "_total")

    def __init__(self) -> None:
        self._bid_plus_ask_cc: dict[str, int | None] = {}
        self._stale_since_us: dict[str, int] = {}
        self._members: frozenset[str] = frozenset()
        self._is_whole = True
        """Whether every market of the event is followed."""
        self._total = 0
        self._missing = 0

    def set_members(self, members: frozenset[str]) -> None:
        """Set all markets of the event, followed or not: the sum needs every one of them."""
        self._members = members
        self._is_whole = members <= self._bid_plus_ask_cc.keys()

    def add(self, ticker: str) -> None:
        """Add a followed market, which has no price yet."""
        if ticker not in self._bid_plus_ask_cc:
            self._bid_plus_ask_cc[ticker] = None
            self._missing += 1
            self._is_whole = self._members <= self._bid_plus_ask_cc.keys()

    def remove(self, ticker: str) -> None:
        if ticker in self._bid_plus_ask_cc:
            self.set_price(ticker, None)
            del self._bid_plus_ask_cc[ticker]
            self._missing -= 1
            self._is_whole = self._members <= self._bid_plus_ask_cc.keys()
            self._stale_since_us.pop(ticker, None)

    def set_price(self, ticker: str, bid_plus_ask_cc: int | None) -> None:
        """Set a followed market's bid + ask; None if a side is empty."""
        old = self._bid_plus_ask_cc[ticker]
        self._total += (bid_plus_ask_cc or 0) - (old or 0)
        self._missing += (bid_plus_ask_cc is None) - (old is None)
        self._bid_plus_ask_cc[ticker] = bid_plus_ask_cc

    def mark_stale(self, ticker: str, since_us: int) -> None:
        """Note that a market's price is as of ``since_us``."""
        self._stale_since_us.setdefault(ticker, since_us)

    def mark_fresh(self, ticker: str) -> None:
        self._stale_since_us.pop(ticker, None)

    @property
    def is_empty(self) -> bool:
        return not self._bid_plus_ask_cc

    def read(self, now_us: int, confirmed_us: int) -> tuple[int | None, int | None]:
        """Return (sum_cc, age_us), both None while a market of the event has no two-sided book here.

        The age is that of the oldest price in the sum; prices of fresh books are as of ``confirmed_us``.
        """
        if self._missing or not self._is_whole or not self._bid_plus_ask_cc:
            return None, None
        if self._stale_since_us:
            confirmed_us = min(confirmed_us, *self._stale_since_us.values())
        return self._total // 2, max(0, now_us - confirmed_us)
