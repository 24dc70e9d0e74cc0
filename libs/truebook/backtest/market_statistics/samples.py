"""What is measured in one market: its book once a second, and its changes and trades one by one.

Only *open* rows count, unless stated otherwise: a bid below an ask, and the mid price from 5 to 95 cents. Beyond, a
market is nearly decided and its book is one-sided.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from truebook.backtest.calibration.market_rows import MarketRows, by_market, concatenated
from truebook.backtest.tape.tops import Bools, Ints, TopTracker
from truebook.capture.columns import Columns, Kind, Side

MICROS_PER_S: Final = 1_000_000
MIN_MID_CC: Final = 500
MAX_MID_CC: Final = 9_500
BEHIND_CC: Final = 500
"""Levels within so much of the best price are the depth behind it."""
HORIZONS_S: Final = (1, 10, 60)
"""Times over which the mid price's move is measured."""
LATE_S: Final = 120
"""The time before the close whose trades and changes are compared with those of the whole market."""
_BID, _ASK = int(Side.BID), int(Side.ASK)


@dataclass(frozen=True, slots=True)
class MarketSamples:
    """Samples of one market, or of several: arrays of different length."""

    spread_cc: Ints
    """Once a second, as the following four; sides are samples of their own."""
    best_centi: Ints
    behind_centi: Ints
    """Size within ``BEHIND_CC`` of the best price, without the best level."""
    levels: Ints
    updates: Ints
    """Changes in each second."""
    gaps_us: Ints
    """Time from each change to the next, while open."""
    changes_centi: Ints
    """Signed."""
    is_at_best: Bools
    """By change: at the best price of its side before it, or better."""
    left_best_centi: Ints
    """Size that left a best level by each such change, trades included."""
    trades_centi: Ints
    moves: tuple[Ints, ...]
    """Absolute moves of the mid price over ``HORIZONS_S``, 1/200 cent, from each open second."""
    repriced: Ints
    """Per market: increases that follow an equal decrease on the same side in the same millisecond; and all
    increases."""
    open_s: Ints
    """Per market: seconds in which it was open."""
    late: Ints
    """Per market, all rows: trades, changes and seconds of the last ``LATE_S``, then of the whole market."""


def joined(markets: Iterable[MarketSamples]) -> MarketSamples:
    """Return the samples of several markets together; raises ``ValueError`` without one."""
    known = list(markets)
    if not known:
        raise ValueError("no market has a book")
    values: dict[str, Any] = {}
    for one in fields(MarketSamples):
        parts = [getattr(part, one.name) for part in known]
        if one.name == "moves":
            values["moves"] = tuple(np.concatenate(horizon) for horizon in zip(*parts, strict=True))
        else:
            values[one.name] = np.concatenate(parts)
    return MarketSamples(**values)


def samples_by_market(chunks: Iterable[Columns]) -> Iterator[tuple[int, MarketSamples]]:
    """Yield (index, samples) of each market with a book; all rows are kept in memory until the chunks end."""
    tracker = TopTracker()
    pieces: dict[int, list[MarketRows]] = {}
    for rows in chunks:
        for market, piece in by_market(rows, tracker.add(rows)):
            pieces.setdefault(market, []).append(piece)
    for market in sorted(pieces):
        rows_of_market = concatenated(pieces.pop(market))
        if (rows_of_market.kind == Kind.SNAPSHOT).any():
            yield market, market_samples(rows_of_market)


def market_samples(rows: MarketRows) -> MarketSamples:
    """Measure one market."""
    mid = rows.bid_cc.astype(np.int64) + rows.ask_cc
    is_open = rows.is_two_sided & (mid >= 2 * MIN_MID_CC) & (mid <= 2 * MAX_MID_CC)
    first_us, last_us = int(rows.at_us[0]), int(rows.at_us[-1])
    seconds_us = np.arange(first_us + MICROS_PER_S, last_us, MICROS_PER_S)
    at = np.searchsorted(rows.at_us, seconds_us, side="right") - 1
    open_seconds = is_open[at]
    is_change = rows.kind == Kind.DELTA
    changes = np.flatnonzero(is_change)
    before = changes - 1
    counted = (before >= 0) & is_open[before]
    changes, before = changes[counted], before[counted]
    sizes = rows.size_centi[changes]
    own_best_cc = np.where(rows.side[changes] == _BID, rows.bid_cc[before], rows.ask_cc[before])
    better_cc = (rows.price_cc[changes] - own_best_cc) * rows.side[changes]
    trades = np.flatnonzero(rows.kind == Kind.TRADE)
    all_changes = np.flatnonzero(is_change)
    sampled = at[open_seconds]
    behind, levels = _depth(rows, sampled)
    return MarketSamples(
        spread_cc=(rows.ask_cc[sampled].astype(np.int64) - rows.bid_cc[sampled]),
        best_centi=np.concatenate([rows.bid_centi[sampled], rows.ask_centi[sampled]]),
        behind_centi=behind, levels=levels,
        updates=_per_second(rows.at_us[all_changes], seconds_us)[open_seconds[:-1]],
        gaps_us=np.diff(rows.at_us[changes]),
        changes_centi=sizes, is_at_best=better_cc >= 0,
        left_best_centi=-sizes[(better_cc == 0) & (sizes < 0)],
        trades_centi=rows.size_centi[trades[is_open[np.maximum(trades - 1, 0)]]],
        moves=tuple(_moves(rows, seconds_us, at, is_open, horizon_s) for horizon_s in HORIZONS_S),
        repriced=np.array([_repriced(rows, changes)]),
        open_s=np.array([int(open_seconds.sum())]),
        late=np.array([_late(rows.at_us, trades, all_changes)]),
    )  # fmt: skip


def _per_second(at_us: Ints, seconds_us: Ints) -> Ints:
    """Count the times in each second but the last."""
    return np.diff(np.searchsorted(at_us, seconds_us, side="right"))


def _moves(rows: MarketRows, seconds_us: Ints, at: Ints, is_open: Bools, horizon_s: int) -> Ints:
    """Return the absolute moves of the mid price from each open second that has a two-sided book at its end."""
    if len(seconds_us) <= horizon_s:
        return np.empty(0, np.int64)
    start, end = at[:-horizon_s], at[horizon_s:]
    known = is_open[start] & rows.is_two_sided[end]
    mid = rows.bid_cc.astype(np.int64) + rows.ask_cc
    return np.abs(mid[end] - mid[start])[known]


def _repriced(rows: MarketRows, changes: Ints) -> tuple[int, int]:
    """Count the increases that follow an equal decrease of their side in the same millisecond, and all increases."""
    clock = np.where(rows.exchange_us > 0, rows.exchange_us, rows.at_us) // 1_000
    size, side, when = rows.size_centi[changes], rows.side[changes], clock[changes]
    is_move = (size[1:] == -size[:-1]) & (size[1:] > 0) & (side[1:] == side[:-1]) & (when[1:] == when[:-1])
    return int(is_move.sum()), int((size > 0).sum())


def _late(at_us: Ints, trades: Ints, changes: Ints) -> tuple[int, ...]:
    last_us = int(at_us[-1])
    since_us = last_us - LATE_S * MICROS_PER_S
    return (
        int((at_us[trades] > since_us).sum()), int((at_us[changes] > since_us).sum()), LATE_S,
        len(trades), len(changes), max(1, (last_us - int(at_us[0])) // MICROS_PER_S),
    )  # fmt: skip


def _depth(rows: MarketRows, sampled: Ints) -> tuple[Ints, Ints]:
    """Return size behind the best price and number of levels, of both sides, after each of the sampled rows."""
    books: dict[int, dict[int, int]] = {_BID: {}, _ASK: {}}
    prices: dict[int, list[int]] = {_BID: [], _ASK: []}
    behind, levels = [], []
    start = 0
    for row in sampled.tolist():
        end = row + 1
        kinds, sides = rows.kind[start:end].tolist(), rows.side[start:end].tolist()
        price_ccs, sizes = rows.price_cc[start:end].tolist(), rows.size_centi[start:end].tolist()
        for kind, side, price_cc, size in zip(kinds, sides, price_ccs, sizes, strict=True):
            if kind == Kind.SNAPSHOT:
                for one in (_BID, _ASK):
                    books[one].clear()
                    prices[one].clear()
            elif kind in (Kind.LEVEL, Kind.DELTA):
                _change(books[side], prices[side], price_cc, size)
        start = end
        for side in (_BID, _ASK):
            known = prices[side]
            levels.append(len(known))
            behind.append(_behind_centi(books[side], known, side))
    return np.array(behind, np.int64), np.array(levels, np.int64)


def _change(book: dict[int, int], prices: list[int], price_cc: int, size: int) -> None:
    before = book.get(price_cc, 0)
    after = before + size
    if after > 0:
        if not before:
            insort(prices, price_cc)
        book[price_cc] = after
    elif before:
        del book[price_cc]
        del prices[bisect_left(prices, price_cc)]


def _behind_centi(book: dict[int, int], prices: list[int], side: int) -> int:
    if side == _BID:
        near = prices[bisect_left(prices, prices[-1] - BEHIND_CC) : -1] if prices else []
    else:
        near = prices[1 : bisect_left(prices, prices[0] + BEHIND_CC + 1)] if prices else []
    return sum(book[price_cc] for price_cc in near)
