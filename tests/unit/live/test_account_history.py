"""The equity curve of a day: bounded, from its first to its last point, with the largest fall from a peak."""

from __future__ import annotations

import msgspec
import pytest

from support.samples import samples
from truebook.live.account import MAX_POINTS, AccountHistory, profit_of
from truebook.live.system_views import AccountPoint

EVERY_US = 10_000_000
POINTS = 86_400_000_000 // EVERY_US
REPORT = samples()["account.account_reported"]


def fall_of(points: list[AccountPoint]) -> int:
    peak_micros = largest_micros = 0
    for point in points:
        profit_micros = profit_of(point)
        assert profit_micros is not None
        peak_micros = max(peak_micros, profit_micros)
        largest_micros = max(largest_micros, peak_micros - profit_micros)
    return largest_micros


@pytest.mark.parametrize("at", [1, 4_321, 4_322, POINTS - 3])
def test_a_day_of_points_keeps_its_ends_and_its_largest_fall(at: int) -> None:
    """The peak and the lowest last one report each."""
    history, restored, every = AccountHistory(), AccountHistory(), []
    for number in range(POINTS):
        equity_micros = 1_000_000 + number % 7 + (5_000 if number == at else -9_000 if number == at + 1 else 0)
        report = msgspec.structs.replace(
            REPORT, opened=True, produced_us=(number + 1) * EVERY_US, equity_micros=equity_micros, deposits_micros=0
        )
        point = history.take(report)
        assert point is not None
        every.append(point)
    restored.restore(history.points)
    for points in (history.points, restored.points):
        assert len(points) <= MAX_POINTS + 3
        assert points == sorted(points, key=lambda point: point.at_us)
        assert (points[0], points[-1]) == (every[0], every[-1])
        assert every[at] in points and every[at + 1] in points
        assert fall_of(points) == fall_of(every)
