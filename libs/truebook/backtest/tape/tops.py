"""Both best prices after each row of a recording, computed for a whole chunk of columns at once.

They are those of ``OrderBook`` after each event (a test compares them), without a book per market. A book is valid from
its snapshot to the next gap, or to the first change that ``OrderBook`` refuses: a size below zero, a price off the grid
of 1/100 cent, a snapshot whose sides cross. Within the rows of a snapshot the book has the levels read so far.

Method: the rows are sorted by market, side and price. The running sum of a level's changes is its size, so a level is a
few intervals of rows in which it is not empty, and the best price of a row is the highest price of the intervals around
it. An interval is the union of two whose length is a power of two, so one array per power, from the longest to the
shortest, needs time in proportion to rows x log(rows), whatever the number of levels. Asks are bids on the NO leg here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from truebook.capture.columns import Columns, Kind, Side
from truebook.money import MAX_PRICE_CC, MIN_PRICE_CC, ONE_DOLLAR_CC

__all__ = ["TopTracker", "Tops", "replay_tops"]

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Prices = NDArray[np.int16]
Codes = NDArray[np.uint16]
"""A level: its price on its own leg, and for an ask 10,000 more."""

_CODES = 2 * ONE_DOLLAR_CC


@dataclass(frozen=True, slots=True)
class Tops:
    """The best prices (YES leg, 1/100 cent) after each row of a chunk; arrays as long as the chunk."""

    bid_cc: Prices
    """0 where there is no bid or the book is not valid."""
    ask_cc: Prices
    """10,000 where there is no ask or the book is not valid."""
    is_valid: Bools
    _rows: Ints
    """The position of each row on the axis."""
    _axis: _Axis
    _levels: _Levels

    @property
    def is_two_sided(self) -> Bools:
        """Rows with a bid below an ask."""
        return (self.bid_cc > 0) & (self.ask_cc < ONE_DOLLAR_CC) & (self.bid_cc < self.ask_cc)

    def best_sizes(self) -> tuple[Ints, Ints]:
        """Return the sizes at the best bid and at the best ask (1/100 contract), 0 where there is none."""
        bid_code, ask_code = self.bid_cc.astype(np.int64), _CODES - self.ask_cc.astype(np.int64)
        return self._sizes(bid_code, self.bid_cc > 0), self._sizes(ask_code, self.ask_cc < ONE_DOLLAR_CC)

    def _sizes(self, code: Ints, exists: Bools) -> Ints:
        length, levels = len(self._axis.segment), self._levels
        sizes = np.zeros(len(code), np.int64)
        rows = self._rows[exists]
        keys = (levels.segment * _CODES + levels.code) * length + levels.position
        wanted = (self._axis.segment[rows] * _CODES + code[exists]) * length + rows
        sizes[exists] = levels.size_centi[np.searchsorted(keys, wanted, side="right") - 1]
        return sizes


class TopTracker:
    """The books of all markets between chunks; ``add`` takes the chunks in recorded order."""

    def __init__(self) -> None:
        self._market = np.empty(0, np.int64)
        self._code: Codes = np.empty(0, np.uint16)
        self._size_centi = np.empty(0, np.int64)
        """The levels that are not empty."""
        self._is_valid = np.zeros(1, np.bool_)
        """By market + 1; the first entry belongs to rows without a market."""

    def add(self, rows: Columns) -> Tops:
        """Return the best prices after each of the rows."""
        market = rows.market.astype(np.int64) + 1
        missing = int(market.max(initial=0)) + 1 - len(self._is_valid)
        if missing > 0:
            self._is_valid = np.append(self._is_valid, np.zeros(missing, np.bool_))
        present = np.zeros(len(self._is_valid), np.bool_)
        present[market] = True
        carried = present[self._market]
        axis = self._make_axis(rows, market, carried)
        levels = _sorted_levels(axis)
        bid_cc, ask_cc = _best_prices(axis, levels)
        is_valid = _valid_rows(axis, levels, bid_cc >= ask_cc)
        self._carry(axis, levels, carried, is_valid)
        position = axis.position[len(axis.position) - len(rows) :]
        is_valid = is_valid[position]
        return Tops(
            bid_cc=np.where(is_valid, bid_cc[position], np.int16(0)),
            ask_cc=np.where(is_valid, ask_cc[position], np.int16(ONE_DOLLAR_CC)),
            is_valid=is_valid, _rows=position, _axis=axis, _levels=levels,
        )  # fmt: skip

    def _make_axis(self, rows: Columns, row_market: Ints, carried: Bools) -> _Axis:
        """Put the carried levels of the markets, as changes of an empty book, before the rows; sort all by market."""
        count = int(carried.sum())
        off_grid = (rows.price_cc < MIN_PRICE_CC) | (rows.price_cc > MAX_PRICE_CC)
        price_cc = np.where(off_grid, 0, rows.price_cc)
        row_code = np.where(rows.side == Side.BID, price_cc, _CODES - price_cc)
        market = np.concatenate([self._market[carried], row_market])
        order = _stable_order(market)
        kind = np.concatenate([np.full(count, Kind.DELTA, np.int8), rows.kind])[order]
        market = market[order]
        is_first = np.ones(len(market), np.bool_)
        is_first[1:] = market[1:] != market[:-1]
        is_new = is_first | (kind == Kind.SNAPSHOT) | (kind == Kind.GAP)
        starts = np.flatnonzero(is_new)
        position = np.empty(len(order), np.int64)
        position[order] = np.arange(len(order))
        begin_kind = kind[starts]
        known = self._is_valid[market[starts]] & is_first[starts] & (begin_kind != Kind.GAP)
        return _Axis(
            market=market, kind=kind,
            code=np.concatenate([self._code[carried], row_code.astype(np.uint16)])[order],
            size_centi=np.concatenate([self._size_centi[carried], rows.size_centi])[order],
            off_grid=np.concatenate([np.zeros(count, np.bool_), off_grid])[order],
            position=position, segment=np.cumsum(is_new) - 1, ends=np.append(starts[1:], len(market)),
            begins_valid=known | (begin_kind == Kind.SNAPSHOT),
        )  # fmt: skip

    def _carry(self, axis: _Axis, levels: _Levels, carried: Bools, is_valid: Bools) -> None:
        """Keep each market's levels after its last row."""
        is_last = np.append(axis.market[1:] != axis.market[:-1], True)
        last = np.flatnonzero(is_last[: len(axis.market)])
        self._is_valid[axis.market[last]] = is_valid[last]
        kept_segments = np.zeros(len(axis.ends), np.bool_)
        kept_segments[axis.segment[last]] = is_valid[last]
        final = levels.is_last & (levels.size_centi > 0) & kept_segments[levels.segment]
        self._market = np.concatenate([self._market[~carried], axis.market[levels.position[final]]])
        self._code = np.concatenate([self._code[~carried], levels.code[final]])
        self._size_centi = np.concatenate([self._size_centi[~carried], levels.size_centi[final]])


def replay_tops(chunks: Iterable[Columns], strategy: Callable[[int, int, int, int], object]) -> int:
    """Call ``strategy(at_us, market, bid_cc, ask_cc)`` after each delta and snapshot of valid books; count calls."""
    tracker, calls = TopTracker(), 0
    for rows in chunks:
        tops = tracker.add(rows)
        is_level = rows.kind == Kind.LEVEL
        is_last = np.append(~is_level[1:], True)[: len(rows)] & (is_level | (rows.kind == Kind.SNAPSHOT))
        seen = tops.is_valid & ((rows.kind == Kind.DELTA) | is_last)
        columns = (rows.at_us[seen], rows.market[seen], tops.bid_cc[seen], tops.ask_cc[seen])
        for at_us, market, bid_cc, ask_cc in zip(*(column.tolist() for column in columns), strict=True):
            strategy(at_us, market, bid_cc, ask_cc)
        calls += int(seen.sum())
    return calls


@dataclass(frozen=True, slots=True)
class _Axis:
    """Rows sorted by market, in recorded order within one. A segment is a part of them with one beginning of a book."""

    market: Ints
    kind: NDArray[np.int8]
    code: Codes
    size_centi: Ints
    off_grid: Bools
    position: Ints
    """Of each carried level and row, before sorting."""
    segment: Ints
    ends: Ints
    """By segment: the position after its last row."""
    begins_valid: Bools
    """By segment: whether the book is valid at its first row."""


@dataclass(frozen=True, slots=True)
class _Levels:
    """Changes of levels, sorted by segment, level and position."""

    position: Ints
    segment: Ints
    code: Codes
    size_centi: Ints
    """The level's size after the change."""
    is_first: Bools
    """The first change of its level in the segment."""

    @property
    def is_last(self) -> Bools:
        """The last change of its level in the segment."""
        return np.append(self.is_first[1:], True)[: len(self.is_first)]


def _sorted_levels(axis: _Axis) -> _Levels:
    changes = (axis.kind == Kind.LEVEL) | (axis.kind == Kind.DELTA)
    rows = np.flatnonzero(changes & axis.begins_valid[axis.segment] & ~axis.off_grid)
    rows = rows[_stable_order(axis.code[rows])]
    if len(axis.ends) > 1:
        rows = rows[_stable_order(axis.segment[rows])]
    segment, code, change = axis.segment[rows], axis.code[rows], axis.size_centi[rows]
    is_first = np.ones(len(rows), np.bool_)
    is_first[1:] = (code[1:] != code[:-1]) | (segment[1:] != segment[:-1])
    is_level = axis.kind[rows] == Kind.LEVEL
    repeated = np.flatnonzero(is_level[1:] & is_level[:-1] & ~is_first[1:]) + 1  # the last one of a snapshot applies
    change[repeated] -= axis.size_centi[rows[repeated - 1]]
    total = np.cumsum(change)
    starts = np.flatnonzero(is_first)
    before = (total - change)[starts]
    size_centi = total - np.repeat(before, np.diff(np.append(starts, len(rows))))
    return _Levels(position=rows, segment=segment, code=code, size_centi=size_centi, is_first=is_first)


def _best_prices(axis: _Axis, levels: _Levels) -> tuple[Prices, Prices]:
    """Return the best bid and ask at each position, whether or not the book is valid there."""
    occupied = levels.size_centi > 0
    was_occupied = np.append(False, occupied[:-1])[: len(occupied)] & ~levels.is_first
    changed = np.flatnonzero(occupied != was_occupied)
    begins = np.flatnonzero(occupied[changed])
    first = changed[begins]
    following = changed[np.minimum(begins + 1, len(changed) - 1)]
    ends_inside = (following > first) & ~occupied[following]
    end = np.where(ends_inside, levels.position[following], axis.ends[levels.segment[first]])
    length, code = len(axis.market), levels.code[first].astype(np.int64)
    is_ask = code > ONE_DOLLAR_CC
    offset = is_ask * length
    own_cc = (code - is_ask * ONE_DOLLAR_CC).astype(np.int16)
    best_cc = _highest(levels.position[first] + offset, end + offset, own_cc, 2 * length)
    return best_cc[:length], np.int16(ONE_DOLLAR_CC) - best_cc[length:]


def _valid_rows(axis: _Axis, levels: _Levels, is_crossed: Bools) -> Bools:
    """Return the positions at which the book is valid: before the first refused change of its segment."""
    refused = np.concatenate(
        [
            levels.position[levels.size_centi < 0],
            np.flatnonzero(axis.off_grid & ((axis.kind == Kind.LEVEL) | (axis.kind == Kind.DELTA))),
            np.flatnonzero(is_crossed & (axis.kind == Kind.LEVEL)),
        ]
    )
    ends = axis.ends.copy()
    np.minimum.at(ends, axis.segment[refused], refused)
    valid: Bools = axis.begins_valid[axis.segment] & (np.arange(len(axis.market)) < ends[axis.segment])
    return valid


def _highest(begin: Ints, end: Ints, value: Prices, length: int) -> Prices:
    """Return, for each position below ``length``, the highest value of the intervals [begin, end) around it, else 0."""
    exponent = np.frexp((end - begin).astype(np.float64))[1] - 1
    order = np.argsort(exponent.astype(np.uint8), kind="stable")
    highest_exponent = int(exponent.max(initial=0))
    bounds = np.searchsorted(exponent[order], np.arange(highest_exponent + 2))
    table = np.zeros(length, np.int16)
    for power in range(highest_exponent, -1, -1):
        width = 1 << power
        chosen = order[bounds[power] : bounds[power + 1]]
        np.maximum.at(table, begin[chosen], value[chosen])
        np.maximum.at(table, end[chosen] - width, value[chosen])
        if power:  # a block of this width is two of half of it
            halves = table.copy()
            np.maximum(table[width // 2 :], table[: -(width // 2)], out=halves[width // 2 :])
            table = halves
    return table


def _stable_order(values: NDArray[np.integer]) -> NDArray[np.intp]:
    """Return the stable sorting order of values from 0; in linear time for those below 65,536."""
    small = int(values.max(initial=0)) < 65_536
    return np.argsort(values.astype(np.uint16) if small else values, kind="stable")
