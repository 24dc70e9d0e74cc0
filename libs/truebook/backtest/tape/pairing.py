"""Pairs each recorded trade with the change of the book that it caused.

A trade is recorded twice: by its own frame, and by a decrease of the maker's level. The two have the same market, time
stamp of the exchange (milliseconds), price and size, and the level is of the side opposite to the taker's. They are
paired by these values and never by their order: in recorded sessions of Kalshi's production one trade in twenty is
received before its delta. Equal trades at one time stamp are paired in their order, which makes no difference: each row
with the earliest of those received before it, and within ``PARTNER_WITHIN_US``, that have no partner yet.

Block trades change no book and are not paired. Rows without a time stamp of the exchange can't be paired.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from truebook.capture.columns import Columns, Kind
from truebook.simulation.recorded.pairing import MILLISECOND_US, PAIRED_WITHIN_US

__all__ = ["PARTNER_WITHIN_US", "Pairs", "TradePairing"]

Ints = NDArray[np.int64]

PARTNER_WITHIN_US = PAIRED_WITHIN_US
"""A trade whose delta is received later than this, or earlier, remains without one."""
_KEY = 5
"""Columns that must be equal: market, millisecond, maker's side, price, size. Then follow receipt and row."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Paired rows: numbers of the trades and of their deltas, counted over all chunks."""

    trades: Ints
    deltas: Ints

    def __len__(self) -> int:
        return len(self.trades)


class TradePairing:
    """Pairs the trades of consecutive chunks; a partner may be in a later chunk."""

    def __init__(self) -> None:
        self.trades = 0
        self.paired = 0
        self.delta_first = 0
        """Pairs whose delta was received before the trade."""
        self._rows = 0
        self._trades: Ints = np.empty((0, _KEY + 2), np.int64)
        self._deltas: Ints = np.empty((0, _KEY + 2), np.int64)
        """Not paired yet."""

    def add(self, rows: Columns) -> Pairs:
        """Return the pairs that are complete with these rows, in the order of their trades."""
        is_trade, is_timed = rows.kind == Kind.TRADE, rows.exchange_us > 0
        trades = np.concatenate([self._trades, _candidates(rows, is_trade & is_timed, -1, self._rows)])
        is_decrease = (rows.kind == Kind.DELTA) & (rows.size_centi < 0) & is_timed
        deltas = np.concatenate([self._deltas, _candidates(rows, is_decrease, 1, self._rows)])
        from_trade, from_delta = _match(trades, deltas)
        pairs = Pairs(trades[from_trade, -1], deltas[from_delta, -1])
        self.trades += int(is_trade.sum())
        self.paired += len(pairs)
        self.delta_first += int((pairs.deltas < pairs.trades).sum())
        self._rows += len(rows)
        since_us = int(rows.at_us[-1]) - PARTNER_WITHIN_US if len(rows) else 0
        self._trades, self._deltas = _left(trades, from_trade, since_us), _left(deltas, from_delta, since_us)
        return pairs


def _candidates(rows: Columns, chosen: NDArray[np.bool_], maker_sign: int, first_row: int) -> Ints:
    """Return (market, millisecond, maker's side, price, absolute size, receipt, row number) of the chosen rows."""
    index = np.flatnonzero(chosen)
    columns = (
        rows.market[index], rows.exchange_us[index] // MILLISECOND_US, maker_sign * rows.side[index].astype(np.int64),
        rows.price_cc[index], np.abs(rows.size_centi[index]), rows.at_us[index], index + first_row,
    )  # fmt: skip
    return np.stack(columns, axis=1).astype(np.int64)


def _match(trades: Ints, deltas: Ints) -> tuple[Ints, Ints]:
    """Return the indices of paired trades and deltas, in the order of the trades."""
    possible = np.flatnonzero(np.isin(deltas[:, 1], trades[:, 1]))
    both = np.concatenate([trades, deltas[possible]])
    is_delta = np.arange(len(both)) >= len(trades)
    order = np.lexsort((both[:, -1], is_delta, *both[:, :_KEY].T))
    is_new = np.ones(len(order), np.bool_)
    is_new[1:] = (both[order[1:], :_KEY] != both[order[:-1], :_KEY]).any(axis=1)
    group = np.cumsum(is_new) - 1
    starts = np.flatnonzero(is_new)
    ends = np.append(starts[1:], len(order))
    in_group = np.arange(len(order)) - starts[group]
    trades_in_group = np.bincount(group, weights=~is_delta[order], minlength=len(starts)).astype(np.int64)
    deltas_in_group = ends - starts - trades_in_group
    is_paired = (in_group < trades_in_group[group]) & (in_group < deltas_in_group[group])
    is_long = _are_long(both[order, -2], starts)
    paired = np.flatnonzero(is_paired & ~is_long[group])
    partner = paired + trades_in_group[group[paired]]
    from_trade, from_delta = [order[paired]], [order[partner]]
    for number in np.flatnonzero(is_long):
        members = order[starts[number] : ends[number]]
        one, other = _match_long(both[members, -2:], is_delta[members])
        from_trade.append(members[one])
        from_delta.append(members[other])
    at_trade = np.concatenate(from_trade)
    by_row = np.argsort(trades[at_trade, -1])
    return at_trade[by_row], possible[np.concatenate(from_delta) - len(trades)][by_row]


def _are_long(at_us: Ints, starts: Ints) -> NDArray[np.bool_]:
    """Return which groups of equal rows were received over more than ``PARTNER_WITHIN_US``."""
    if not len(starts):
        return np.empty(0, np.bool_)
    lasts_us: Ints = np.maximum.reduceat(at_us, starts) - np.minimum.reduceat(at_us, starts)
    return lasts_us > PARTNER_WITHIN_US


def _match_long(received: Ints, is_delta: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
    """Pair equal rows (receipt, row number) one after the other; returns places of trades and of their deltas."""
    waiting: deque[int] = deque()
    from_trade, from_delta = [], []
    for place in np.argsort(received[:, 1]).tolist():
        while waiting and received[waiting[0], 0] < received[place, 0] - PARTNER_WITHIN_US:
            waiting.popleft()
        if waiting and is_delta[waiting[0]] != is_delta[place]:
            other = waiting.popleft()
            from_trade.append(other if is_delta[place] else place)
            from_delta.append(place if is_delta[place] else other)
        else:
            waiting.append(place)
    return from_trade, from_delta


def _left(candidates: Ints, paired: Ints, since_us: int) -> Ints:
    """Return what is not paired and received recently."""
    is_left = candidates[:, -2] >= since_us
    is_left[paired] = False
    return candidates[is_left]
