"""The account's newest report, and the history of its equity."""

from __future__ import annotations

from typing import Final

import msgspec

from truebook.live.system_views import AccountPoint, AccountState
from truebook.live.thinning import Thinned
from truebook.messages.accounts import AccountReported

MAX_POINTS: Final = 2_000
POINT_EVERY_US: Final = 10_000_000
_SHARED: Final = tuple(name for name in AccountState.__struct_fields__ if name in AccountReported.__struct_fields__)


class AccountHistory:
    """Points of the equity, thinned, and the state they end in.

    Thinning would drop a short fall: the ends of the largest one and the highest point are kept besides.
    """

    def __init__(self) -> None:
        self.state: AccountState | None = None
        self._thinned: Thinned[AccountPoint] = Thinned(MAX_POINTS, POINT_EVERY_US)
        self._peak: AccountPoint | None = None
        self._peak_micros: int | None = None
        self._fall_micros = 0
        self._fall: tuple[AccountPoint, ...] = ()
        """The ends of the largest fall from a peak; none before one."""

    @property
    def points(self) -> list[AccountPoint]:
        """Return the points in the order of time."""
        kept = {point.at_us: point for point in (*self._thinned, *self._fall)}
        if self._peak is not None:
            kept[self._peak.at_us] = self._peak
        return sorted(kept.values(), key=lambda point: point.at_us)

    def restore(self, points: list[AccountPoint]) -> None:
        """Begin with the points of an earlier process."""
        for point in points:
            self._add(point)

    def take(self, report: AccountReported) -> AccountPoint | None:
        """Use a report; return its point, None if the report is older than the newest one."""
        if not report.opened:
            return None
        point = AccountPoint(
            report.produced_us, report.equity_micros, report.deposits_micros, report.cash_micros,
            report.position_cost_micros, report.fees_micros,
        )  # fmt: skip
        if not self._add(point):
            return None
        profit_micros = profit_of(point)
        is_known = profit_micros is not None and self._peak_micros is not None
        self.state = AccountState(
            at_us=report.produced_us, peak_micros=self._peak_micros,
            below_peak_micros=self._peak_micros - profit_micros if is_known else None,  # type: ignore[operator]
            **{name: getattr(report, name) for name in _SHARED},
        )  # fmt: skip
        return point

    def _add(self, point: AccountPoint) -> bool:
        if not self._thinned.add(point):
            return False
        profit_micros = profit_of(point)
        if profit_micros is None:
            return True
        if self._peak is None or self._peak_micros is None or profit_micros > self._peak_micros:
            self._peak, self._peak_micros = point, profit_micros
        elif self._peak_micros - profit_micros > self._fall_micros:
            self._fall, self._fall_micros = (self._peak, point), self._peak_micros - profit_micros
        return True


def profit_of(point: AccountPoint) -> int | None:
    """Return equity less deposits, which no transfer changes; None without a known equity."""
    return None if point.equity_micros is None else point.equity_micros - point.deposits_micros


class SavedHistory(msgspec.Struct, frozen=True):
    """The history as a file."""

    points: tuple[AccountPoint, ...]
    v: int = 1
