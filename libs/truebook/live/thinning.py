"""A series of points over time in bounded memory: the longer it is, the further apart its older points are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    @property
    def at_us(self) -> int: ...


PointT = TypeVar("PointT", bound=Timed)


class Thinned(Generic[PointT]):
    """At most ``max_points`` points, at first ``every_us`` apart; when full, every second one is dropped.

    The newest point is always kept. One that is not later than it is ignored.
    """

    def __init__(self, max_points: int, every_us: int) -> None:
        self._max_points = max_points
        self._every_us = every_us
        self._points: list[PointT] = []
        self._is_last_provisional = False

    def add(self, point: PointT) -> bool:
        """Add a point; return False if it was ignored."""
        points = self._points
        if points and point.at_us <= points[-1].at_us:
            return False
        if self._is_last_provisional:
            points.pop()
        self._is_last_provisional = bool(points) and point.at_us - points[-1].at_us < self._every_us
        points.append(point)
        if len(points) > self._max_points:
            last = points[-1]
            del points[1::2]
            if points[-1] is not last:
                points.append(last)
            self._every_us *= 2
        return True

    @property
    def last(self) -> PointT | None:
        return self._points[-1] if self._points else None

    def __iter__(self) -> Iterator[PointT]:
        return iter(self._points)

    def __len__(self) -> int:
        return len(self._points)
