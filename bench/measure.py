"""How measurements are made, and their result types.

Computing paths are measured in CPU time of the thread, so that a busy machine disturbs them less; waiting paths in wall
clock time. Ours and the baseline alternate within one run, and each repetition gives one ratio. The median of the
ratios is reported, since load changes over time but affects two consecutive measurements alike.
"""

from __future__ import annotations

import gc
import resource
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
    baseline: str
    ratio: str
    target: str
    reached: bool | None
    """None if there is no target."""

    def cells(self) -> tuple[str, ...]:
        reached = {True: "yes", False: "**no**", None: "–"}[self.reached]
        return self.path, self.ours, self.baseline, self.ratio, self.target, reached


@dataclass(frozen=True)
class Pair:
    """Seconds per unit of ours and of the baseline, and their ratio."""

    ours_s: float
    baseline_s: float
    ratio: float


@contextmanager
def no_collection() -> Iterator[None]:
    """Disable the garbage collector during a measurement."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def peak_mb() -> float:
    """Return the largest memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


def cpu_s(action: Action, units: int, repeats: int = 15) -> float:
    """Return the median CPU seconds per unit of an action that does ``units`` of them; the first run warms up."""
    action()
    return statistics.median(list(_cpu_times(action, units, repeats)))


def cpu_pair(ours: Action, baseline: Action, units: int, repeats: int = 15) -> Pair:
    """Measure ours and the baseline in turns."""
    ours(), baseline()
    times = [(next(_cpu_times(ours, units, 1)), next(_cpu_times(baseline, units, 1))) for _ in range(repeats)]
    return pair_of(times)


def pair_of(times: Sequence[tuple[float, float]]) -> Pair:
    """Return the medians of repetitions (ours, baseline)."""
    return Pair(
        statistics.median(ours for ours, _ in times),
        statistics.median(baseline for _, baseline in times),
        statistics.median(ours / baseline for ours, baseline in times),
    )


def _cpu_times(action: Action, units: int, repeats: int) -> Iterator[float]:
    for _ in range(repeats):
        with no_collection():
            started = time.thread_time()
            action()
            yield (time.thread_time() - started) / units


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` of all lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def micros(seconds: float) -> str:
    """Format a short time."""
    return f"{seconds * 1e6:.1f} µs"


def millis(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"
