"""What the points of the equity curve show: drawdown, exposure, and profit by blocks of time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np

from truebook.backtest.analysis.bootstrap import Ints
from truebook.backtest.result import EquityPoint

BLOCKS: Final = 30
MIN_BLOCKS: Final = 12
MIN_BLOCK_US: Final = 60_000_000
"""Shorter blocks would share the same quotes and the same move of the price."""


class Drawdown(msgspec.Struct, frozen=True, kw_only=True):
    """The largest fall of the equity below an earlier peak."""

    fall_micros: int
    peak_micros: int
    """Equity at that peak; the fall's share is ``fall_micros / peak_micros``."""
    peak_us: int
    trough_us: int
    longest_us: int
    """The longest time below a peak, whichever it was; up to the end where the equity has not come back to it."""


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """The cost of the open positions and the cash reserved for open orders, over time."""

    max_micros: int
    mean_micros: int
    """Weighted by time, rounded down."""
    max_reserved_micros: int


def drawdown_of(points: Sequence[EquityPoint]) -> Drawdown | None:
    """Return the largest drawdown; points without a known equity are left out. None without any other."""
    known = [(point.at_us, point.equity_micros) for point in points if point.equity_micros is not None]
    if not known:
        return None
    peak_us, peak = known[0]
    worst = (0, peak, peak_us, peak_us)
    longest_us, is_below = 0, False
    for at_us, equity in known:
        was_below, is_below = is_below, equity < peak
        if was_below or is_below:
            longest_us = max(longest_us, at_us - peak_us)
        if not is_below:
            peak_us, peak = at_us, equity
        elif peak - equity > worst[0]:
            worst = (peak - equity, peak, peak_us, at_us)
    return Drawdown(
        fall_micros=worst[0], peak_micros=worst[1], peak_us=worst[2], trough_us=worst[3], longest_us=longest_us
    )


def exposure_of(points: Sequence[EquityPoint]) -> Exposure:
    """Return the exposure; a point holds until the next one."""
    weighted = sum(now.exposure_micros * (later.at_us - now.at_us) for now, later in pairwise(points))
    span_us = points[-1].at_us - points[0].at_us if points else 0
    return Exposure(
        max_micros=max((point.exposure_micros for point in points), default=0),
        mean_micros=weighted // span_us if span_us else 0,
        max_reserved_micros=max((point.reserved_micros for point in points), default=0),
    )


def profit_by_block(points: Sequence[EquityPoint], from_us: int, to_us: int) -> Ints | None:
    """Return the change of the equity in equal blocks of time, oldest first; None if the span is too short.

    A block's equity is that of the last known point before its end, in the last block of the last one of all, which is
    after the data: what was on its way then has arrived. The blocks add up to the change over the curve.
    """
    known = [point for point in points if point.equity_micros is not None]
    count = min(BLOCKS, (to_us - from_us) // MIN_BLOCK_US)
    if count < MIN_BLOCKS or not known:
        return None
    at_us = np.array([point.at_us for point in known], dtype=np.int64)
    equity = np.array([point.equity_micros for point in known], dtype=np.int64)
    ends_us = from_us + (to_us - from_us) * np.arange(1, count + 1, dtype=np.int64) // count
    index = np.maximum(np.searchsorted(at_us, ends_us, side="right") - 1, 0)
    index[-1] = len(known) - 1
    changes: Ints = np.diff(equity[index], prepend=equity[0])
    return changes
