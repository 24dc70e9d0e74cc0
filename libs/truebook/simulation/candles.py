"""Candles of one market, built from its events: best bid and ask, trades, volume and open interest per period.

A period is named by its end and contains it: (end - length, end]. Days end at midnight in New York, so that two days of
a year have 23 and 25 hours. A quote counts as it is after all changes of its microsecond. Periods without an event are
not stored: a reader gets them with the quotes and the last price carried on.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from typing import Final, Literal

import msgspec

from truebook.messages.envelope import BookSide
from truebook.money import ONE_DOLLAR_CC

Minutes = Literal[1, 60, 1440]
LENGTHS: Final[tuple[Minutes, ...]] = (1, 60, 1440)
MINUTE_S: Final = 60
DAY_S: Final = 86_400
MICROS: Final = 1_000_000
MAX_HOURS: Final = 62 * 24
MAX_DAYS: Final = 800
"""Hours and days kept; older ones are dropped."""
_EPOCH: Final = date(1970, 1, 1)
_MARCH: Final = 3
_NOVEMBER: Final = 11
_NONE: Final = -1

Ohlc = tuple[int, int, int, int]
"""Open, low, high, close, in centi-cents."""


class Candle(msgspec.Struct, frozen=True):
    """One period. Prices are YES prices in centi-cents; ``price`` is None without a trade."""

    end_s: int
    bid: Ohlc
    """Of the best bid; 0 without one."""
    ask: Ohlc
    """Of the best ask; 10,000 without one."""
    price: Ohlc | None
    mean_cc: int | None
    """Average price of the trades, weighted by size, rounded half up."""
    previous_cc: int | None
    """Close of the last period before with a trade."""
    volume_centi: int
    open_interest_centi: int

    def carried(self, end_s: int) -> Candle:
        """Return a later period without an event."""
        return Candle(
            end_s, (self.bid[3],) * 4, (self.ask[3],) * 4, None, None, self.last_cc, 0, self.open_interest_centi
        )

    @property
    def last_cc(self) -> int | None:
        """The last price up to the period's end; None before the first trade."""
        return self.previous_cc if self.price is None else self.price[3]


def period_end_s(at_us: int, minutes: Minutes) -> int:
    """Return the end (unix seconds) of the period that contains a time in microseconds."""
    at_s = -(-at_us // MICROS)
    if minutes == 1440:
        return _midnight_from_s(at_s)
    length_s = minutes * MINUTE_S
    return -(-at_s // length_s) * length_s


def next_end_s(end_s: int, minutes: Minutes) -> int:
    """Return the end of the period that follows the one with the end ``end_s``."""
    return period_end_s((end_s + 1) * MICROS, minutes)


def _midnight_from_s(at_s: int) -> int:
    """Return the first New York midnight that is not before a time."""
    day = (at_s - 5 * 3_600) // DAY_S
    while (midnight_s := _midnight_s(day)) < at_s:
        day += 1
    return midnight_s


@lru_cache(maxsize=2_048)
def _midnight_s(day: int) -> int:
    """Return the unix time of midnight at the beginning of a New York day (days since 1970).

    Daylight saving begins on the second Sunday of March and ends on the first Sunday of November, both at 2 o'clock.
    """
    local = _EPOCH + timedelta(days=day)
    is_summer = _sunday(local.year, _MARCH, 2) < local <= _sunday(local.year, _NOVEMBER, 1)
    return day * DAY_S + (4 if is_summer else 5) * 3_600


def _sunday(year: int, month: int, number: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (number - 1))


class _Side:
    """The levels of one side of the book, and the best price."""

    __slots__ = ("_is_bid", "best_cc", "levels")

    def __init__(self, side: BookSide) -> None:
        self._is_bid = side is BookSide.BID
        self.levels: dict[int, int] = {}
        self.best_cc = self.empty_cc

    @property
    def empty_cc(self) -> int:
        return 0 if self._is_bid else ONE_DOLLAR_CC

    def change(self, price_cc: int, delta_centi: int) -> None:
        size_centi = self.levels.get(price_cc, 0) + delta_centi
        if size_centi > 0:
            self.levels[price_cc] = size_centi
            if price_cc > self.best_cc if self._is_bid else price_cc < self.best_cc:
                self.best_cc = price_cc
        else:
            self.levels.pop(price_cc, None)
            if price_cc == self.best_cc:
                self._find_best()

    def replace(self, levels: Iterable[tuple[int, int]]) -> None:
        self.levels = dict(levels)
        self._find_best()

    def _find_best(self) -> None:
        best = max(self.levels, default=None) if self._is_bid else min(self.levels, default=None)
        self.best_cc = self.empty_cc if best is None else best


class _Running:
    """The candles of one length: the current period, and those before it in a compact form."""

    _FORM: Final = struct.Struct("<q13hqqq")
    __slots__ = ("_ends", "_max_kept", "_packed", "candle", "is_cut", "minutes", "notional")

    def __init__(self, minutes: Minutes, max_kept: int) -> None:
        self.minutes = minutes
        self.candle: Candle | None = None
        self.notional = 0
        """Sum of price and size of the current period's trades."""
        self.is_cut = False
        """Whether older periods were dropped."""
        self._max_kept = max_kept
        self._ends: list[int] = []
        self._packed: list[bytes] = []

    def at(self, at_us: int, start: Candle) -> Candle:
        """Return the period of a time; a new one begins with ``start``'s quotes and interest."""
        if self.candle is not None and at_us <= self.candle.end_s * MICROS:
            return self.candle
        end_s = period_end_s(at_us, self.minutes)
        if self.candle is None:
            self.candle = msgspec.structs.replace(start, end_s=end_s)
        else:
            self._keep(self.candle)
            self.candle = self.candle.carried(end_s)
        self.notional = 0
        return self.candle

    def _keep(self, candle: Candle) -> None:
        self._ends.append(candle.end_s)
        price = candle.price or (_NONE,) * 4
        previous = _NONE if candle.previous_cc is None else candle.previous_cc
        self._packed.append(
            self._FORM.pack(
                candle.end_s, *candle.bid, *candle.ask, *price, previous, candle.volume_centi,
                candle.open_interest_centi, self.notional,
            )
        )  # fmt: skip
        if len(self._ends) > self._max_kept + self._max_kept // 8:
            del self._ends[: -self._max_kept], self._packed[: -self._max_kept]
            self.is_cut = True

    def _unpacked(self, index: int) -> Candle:
        end_s, *prices, volume, interest, notional = self._FORM.unpack(self._packed[index])
        bid, ask, price = (tuple(prices[start : start + 4]) for start in (0, 4, 8))
        return Candle(
            end_s, bid, ask, None if price[0] == _NONE else price, _mean_cc(notional, volume),
            None if prices[12] == _NONE else prices[12], volume, interest,
        )  # fmt: skip

    def stored(self, from_s: int) -> tuple[Candle | None, list[Candle]]:
        """Return the last period before ``from_s``, and all from there on; the current period included."""
        first = bisect_left(self._ends, from_s)
        later = [self._unpacked(index) for index in range(first, len(self._ends))]
        before = self._unpacked(first - 1) if first else None
        if self.candle is not None:
            current = msgspec.structs.replace(self.candle, mean_cc=_mean_cc(self.notional, self.candle.volume_centi))
            if current.end_s < from_s:
                before = current
            else:
                later.append(current)
        return before, later

    def first_end_s(self) -> int | None:
        if self._ends:
            return self._ends[0]
        return None if self.candle is None else self.candle.end_s


def _mean_cc(notional: int, volume_centi: int) -> int | None:
    return (2 * notional + volume_centi) // (2 * volume_centi) if volume_centi else None


class MarketCandles:
    """The candles of one market, of a minute, an hour and a day; ``max_minutes`` bounds those of a minute."""

    __slots__ = ("_at_us", "_quote", "_running", "_sides")

    def __init__(self, max_minutes: int) -> None:
        self._running = tuple(
            _Running(minutes, kept) for minutes, kept in zip(LENGTHS, (max_minutes, MAX_HOURS, MAX_DAYS), strict=True)
        )
        self._sides = {side: _Side(side) for side in BookSide}
        self._quote = (0, ONE_DOLLAR_CC)
        self._at_us = 0

    def level(self, side: BookSide, price_cc: int, delta_centi: int, at_us: int) -> None:
        """Apply a change of one level."""
        if at_us > self._at_us:
            self._close_quote(at_us)
        self._sides[side].change(price_cc, delta_centi)

    def book(self, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]], at_us: int) -> None:
        """Replace the book by (price_cc, size_centi) levels."""
        if at_us > self._at_us:
            self._close_quote(at_us)
        self._sides[BookSide.BID].replace(bids)
        self._sides[BookSide.ASK].replace(asks)

    def trade(self, price_cc: int, size_centi: int, open_interest_centi: int, at_us: int) -> None:
        """Apply a trade; the open interest is the one after it."""
        if at_us > self._at_us:
            self._close_quote(at_us)
        for running in self._running:
            candle = running.at(max(at_us, 1), self._start())
            before = candle.price
            price = (price_cc,) * 4 if before is None else _extended(before, price_cc)
            running.notional += price_cc * size_centi
            running.candle = msgspec.structs.replace(
                candle, price=price, volume_centi=candle.volume_centi + size_centi,
                open_interest_centi=open_interest_centi,
            )  # fmt: skip

    def _close_quote(self, at_us: int) -> None:
        """Apply the quotes that held at the end of the last microsecond with a change, before time goes on."""
        quote = self._sides[BookSide.BID].best_cc, self._sides[BookSide.ASK].best_cc
        if quote != self._quote:
            self._quote = quote
            start = self._start()  # a market's first quotes are the open of its first period
            for running in self._running:
                candle = running.at(max(self._at_us, 1), start)
                running.candle = msgspec.structs.replace(
                    candle, bid=_extended(candle.bid, quote[0]), ask=_extended(candle.ask, quote[1])
                )
        self._at_us = at_us

    def _start(self) -> Candle:
        bid_cc, ask_cc = self._quote
        return Candle(0, (bid_cc,) * 4, (ask_cc,) * 4, None, None, None, 0, 0)

    def between(
        self, minutes: Minutes, start_s: int, end_s: int, *, opened_us: int | None, until_s: int
    ) -> tuple[Candle | None, list[Candle]]:
        """Return all periods with an end in [start_s, end_s] that ended by ``until_s``, and the one before them.

        The first period is the one that runs after ``opened_us``, or the oldest with an event that is kept; the latter
        also where the opening is not known. Every later one is there, with an event or without.
        """
        self._close_quote(self._at_us)
        running = self._running[LENGTHS.index(minutes)]
        first_s = running.first_end_s()
        if opened_us is None and first_s is None:
            return None, []
        opened_s = period_end_s((opened_us or 0) + 1, minutes)
        if first_s is not None and (opened_us is None or running.is_cut or first_s < opened_s):
            opened_s = first_s
        before, stored = running.stored(start_s)
        period_s = opened_s if opened_s >= start_s else period_end_s(start_s * MICROS, minutes)
        if before is None and opened_s < start_s:
            before = self._unquoted(opened_s)
        found: list[Candle] = []
        last, index = before, 0
        while period_s <= min(end_s, until_s):
            if index < len(stored) and stored[index].end_s == period_s:
                last, index = stored[index], index + 1
            else:
                last = (last or self._unquoted(period_s)).carried(period_s)
            found.append(last)
            period_s = next_end_s(period_s, minutes)
        return before, found

    def _unquoted(self, end_s: int) -> Candle:
        return Candle(end_s, (0,) * 4, (ONE_DOLLAR_CC,) * 4, None, None, None, 0, 0)


def _extended(ohlc: Ohlc, price_cc: int) -> Ohlc:
    return (ohlc[0], min(ohlc[1], price_cc), max(ohlc[2], price_cc), price_cc)
