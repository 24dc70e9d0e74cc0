"""Draws when virtual orders join, and follows them while a recording is read once, within bounded memory."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

from truebook.backtest.calibration.market_rows import MarketRows, by_market, concatenated
from truebook.backtest.calibration.order import (
    HORIZONS_S,
    MICROS_PER_S,
    Join,
    JoinedOrder,
    NotCounted,
    follow,
)
from truebook.backtest.tape.pairing import PARTNER_WITHIN_US
from truebook.backtest.tape.tops import Ints, TopTracker
from truebook.capture.columns import Columns, Kind
from truebook.messages.envelope import BookSide

Span = tuple[int, int]
"""Times of the first snapshot and of the last book change or trade of a market."""
_TOGETHER_US: Final = 600 * MICROS_PER_S
"""Orders of so much time are followed at once."""


def spans_of(chunks: Iterable[Columns]) -> dict[int, Span]:
    """Return the time that the book of each market was recorded."""
    spans: dict[int, Span] = {}
    for rows in chunks:
        is_snapshot = rows.kind == Kind.SNAPSHOT
        is_event = is_snapshot | (rows.kind == Kind.DELTA) | (rows.kind == Kind.TRADE)
        begins_us = _first_times(rows.market[is_snapshot], rows.at_us[is_snapshot])
        ends_us = _first_times(rows.market[is_event][::-1], rows.at_us[is_event][::-1])
        for market, end_us in ends_us.items():
            if market in spans or market in begins_us:
                begin_us = spans[market][0] if market in spans else begins_us[market]
                spans[market] = (begin_us, end_us)
    return spans


def _first_times(market: NDArray[np.int32], at_us: Ints) -> dict[int, int]:
    """Return the time of the first row of each market."""
    markets, rows = np.unique(market, return_index=True)
    return dict(zip(markets.tolist(), at_us[rows].tolist(), strict=True))


def draw(spans: dict[int, Span], samples: int, for_us: int, seed: int) -> list[Join]:
    """Draw times, evenly over the recorded time of all markets; at each an order joins on both sides.

    A market is used until ``for_us`` before its end. Returns no order if no market was recorded for longer.
    """
    usable = {market: max(0, last_us - first_us - for_us) for market, (first_us, last_us) in sorted(spans.items())}
    markets, ends_us = list(usable), list(accumulate(usable.values()))
    if not ends_us or not ends_us[-1]:
        return []
    generator = random.Random(seed)
    joins = []
    for _ in range(samples):
        offset_us = generator.randrange(ends_us[-1])
        index = bisect_right(ends_us, offset_us)
        market = markets[index]
        at_us = spans[market][1] - for_us - (ends_us[index] - offset_us)
        joins += [Join(market, at_us, side) for side in BookSide]
    return sorted(joins)


class OrderFollower:
    """Follows the drawn orders; ``add`` takes the chunks in recorded order, ``finish`` follows the remaining ones."""

    def __init__(self, joins: Iterable[Join], size_centi: int, for_us: int) -> None:
        self.not_counted: Counter[NotCounted] = Counter()
        self._size_centi = size_centi
        self._for_us = for_us
        self._tracker = TopTracker()
        self._pending: dict[int, deque[Join]] = {}
        self._pieces: dict[int, list[MarketRows]] = {}
        for join in joins:
            self._pending.setdefault(join.market, deque()).append(join)

    def add(self, rows: Columns) -> Iterator[JoinedOrder]:
        """Iterate over the orders whose result is known with these rows."""
        for market, piece in by_market(rows, self._tracker.add(rows)):
            pending = self._pending.get(market)
            if not pending:
                continue
            pieces = self._pieces.setdefault(market, [])
            pieces.append(piece)
            while len(pieces) > 1 and pieces[1].at_us[0] < pending[0].at_us - PARTNER_WITHIN_US:
                del pieces[0]
            complete_us = int(piece.at_us[-1]) - self._for_us - HORIZONS_S[-1] * MICROS_PER_S
            if pending[0].at_us + _TOGETHER_US < complete_us:
                yield from self._follow(market, complete_us)

    def finish(self) -> Iterator[JoinedOrder]:
        """Iterate over the remaining orders, after the last rows."""
        for market, pending in self._pending.items():
            if pending:
                yield from self._follow(market, pending[-1].at_us + 1)

    def _follow(self, market: int, before_us: int) -> Iterator[JoinedOrder]:
        pending, rows = self._pending[market], concatenated(self._pieces[market])
        frames = rows.trade_frames()
        while pending and pending[0].at_us < before_us:
            result = follow(rows, frames, pending.popleft(), self._size_centi, self._for_us)
            if isinstance(result, NotCounted):
                self.not_counted[result] += 1
            else:
                yield result
        kept = rows.since(pending[0].at_us - PARTNER_WITHIN_US) if pending else None
        self._pieces[market] = [] if kept is None else [kept]
