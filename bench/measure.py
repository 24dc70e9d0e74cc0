"""How things are measured, and what a measurement is.

Paths that compute are timed in CPU time of the thread, so that a busy machine disturbs them less; paths that wait are
timed by the wall clock. Ours and the floor take turns within one run, and each repetition gives one ratio: what is
told is the median of the ratios, since machines are never quiet and two halves of one second resemble each other.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

Action = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table; ``path`` is its key."""

    path: str
    ours: str
    floor: str
    ratio: str
    target: str
    reached: bool | None
    """Null where there is no target."""

    def cells(self) -> tuple[str, ...]:
        reached = {True: "yes", False: "**no**", None: "–"}[self.reached]
        return self.path, self.ours, self.floor, self.ratio, self.target, reached


@dataclass(frozen=True)
class Pair:
    """Seconds per unit of ours and of the floor, and how many times as long ours takes."""

    ours_s: float
    floor_s: float
    ratio: float


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep the garbage collector out of a measurement."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def cpu_s(action: Action, units: int, repeats: int = 15) -> float:
    """Median CPU seconds per unit of an action that does ``units`` of them; the first run warms up."""
    action()
    return statistics.median(list(_cpu_times(action, units, repeats)))


def cpu_pair(ours: Action, floor: Action, units: int, repeats: int = 15) -> Pair:
    """Ours and the floor in turns."""
    ours(), floor()
    times = [(next(_cpu_times(ours, units, 1)), next(_cpu_times(floor, units, 1))) for _ in range(repeats)]
    return pair_of(times)


def pair_of(times: Sequence[tuple[float, float]]) -> Pair:
    """Medians of repetitions (ours, floor)."""
    return Pair(
        statistics.median(ours for ours, _ in times),
        statistics.median(floor for _, floor in times),
        statistics.median(ours / floor for ours, floor in times),
    )


def _cpu_times(action: Action, units: int, repeats: int) -> Iterator[float]:
    for _ in range(repeats):
        with no_collection():
            started = time.thread_time()
            action()
            yield (time.thread_time() - started) / units


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of all lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def micros(seconds: float) -> str:
    """Write a short time for people."""
    return f"{seconds * 1e6:.1f} µs"


def millis(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"
