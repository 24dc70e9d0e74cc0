"""The sum of an event's YES prices, kept up to date as books change.

For events whose markets exclude each other the sum should be near one dollar; a layout may use what it is. Pure.
"""

from __future__ import annotations


class EventSum:
    """One event: twice the mid price (bid + ask) of each member, so that nothing is rounded until it is read."""

    __slots__ = ("_doubled_mids", "_is_whole", "_members", "_missing", "_stale_since_us", "_total")

    def __init__(self) -> None:
        self._doubled_mids: dict[str, int | None] = {}
        self._stale_since_us: dict[str, int] = {}
        self._members: frozenset[str] = frozenset()
        self._is_whole = True
        """Every market of the event is followed."""
        self._total = 0
        self._missing = 0

    def know(self, members: frozenset[str]) -> None:
        """State all markets of the event, followed or not: the sum needs every one of them."""
        self._members = members
        self._is_whole = members <= self._doubled_mids.keys()

    def add(self, ticker: str) -> None:
        """Follow a market; it has no price yet."""
        if ticker not in self._doubled_mids:
            self._doubled_mids[ticker] = None
            self._missing += 1
            self._is_whole = self._members <= self._doubled_mids.keys()

    def remove(self, ticker: str) -> None:
        if ticker in self._doubled_mids:
            self.price(ticker, None)
            del self._doubled_mids[ticker]
            self._missing -= 1
            self._is_whole = self._members <= self._doubled_mids.keys()
            self._stale_since_us.pop(ticker, None)

    def price(self, ticker: str, doubled_mid_cc: int | None) -> None:
        """Take a followed market's bid + ask, or null where a side is empty."""
        old = self._doubled_mids[ticker]
        self._total += (doubled_mid_cc or 0) - (old or 0)
        self._missing += (doubled_mid_cc is None) - (old is None)
        self._doubled_mids[ticker] = doubled_mid_cc

    def stale(self, ticker: str, since_us: int) -> None:
        """Note that a market's price is of ``since_us`` and no newer one is known."""
        self._stale_since_us.setdefault(ticker, since_us)

    def fresh(self, ticker: str) -> None:
        self._stale_since_us.pop(ticker, None)

    @property
    def is_empty(self) -> bool:
        return not self._doubled_mids

    def read(self, now_us: int, confirmed_us: int) -> tuple[int | None, int | None]:
        """Answer (sum_cc, age_us), both null while a market of the event has no two-sided book here.

        The age is that of the oldest price in the sum; the prices of fresh books are all of ``confirmed_us``.
        """
        if self._missing or not self._is_whole or not self._doubled_mids:
            return None, None
        if self._stale_since_us:
            confirmed_us = min(confirmed_us, *self._stale_since_us.values())
        return self._total // 2, max(0, now_us - confirmed_us)
