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
    """Points of the equity, thinned, and the state they end in."""

    def __init__(self) -> None:
        self.points: Thinned[AccountPoint] = Thinned(MAX_POINTS, POINT_EVERY_US)
        self.state: AccountState | None = None
        self._peak_micros: int | None = None

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
        if not self.points.add(point):
            return False
        profit_micros = profit_of(point)
        if profit_micros is not None:
            peak_micros = self._peak_micros
            self._peak_micros = profit_micros if peak_micros is None else max(profit_micros, peak_micros)
        return True


def profit_of(point: AccountPoint) -> int | None:
    """Return equity less deposits, which no transfer changes; None without a known equity."""
    return None if point.equity_micros is None else point.equity_micros - point.deposits_micros


class SavedHistory(msgspec.Struct, frozen=True):
    """The history as a file."""

    points: tuple[AccountPoint, ...]
    v: int = 1
