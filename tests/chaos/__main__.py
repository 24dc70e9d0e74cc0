"""``make chaos SEEDS=50 FIRST=1``: run many seeds in parallel processes and print the history of each that failed.

Exit code 0 when every seed passed, 1 otherwise.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import islice

from chaos.run import Outcome, run_seed

SEEDS_PER_PROCESS = 40
"""Seeds per worker process before it is replaced, which bounds memory."""
MAX_REPORTED = 5


def main() -> int:
    """Run the requested seeds."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, help="number of seeds")
    parser.add_argument("--first", type=int, default=1, help="first seed")
    parser.add_argument("--jobs", type=int, default=2, help="parallel processes")
    options = parser.parse_args()
    started_s = time.monotonic()
    failed: list[Outcome] = []
    total = Total()
    for outcome in _run_all(range(options.first, options.first + options.seeds), options.jobs):
        total.add(outcome)
        if outcome.failure:
            failed.append(outcome)
            if len(failed) <= MAX_REPORTED:
                print(f"\n{outcome.failure}\n", flush=True)
        _progress(total.seeds, options.seeds, len(failed), time.monotonic() - started_s)
    total.report(time.monotonic() - started_s)
    if failed:
        print("failed:", *sorted(outcome.seed for outcome in failed))
    return 1 if failed else 0


def _run_all(seeds: Iterable[int], jobs: int) -> Iterator[Outcome]:
    if jobs <= 1:
        yield from map(run_seed, seeds)
        return
    context = multiprocessing.get_context("spawn")
    waiting = iter(seeds)
    # A new pool each time: with `max_tasks_per_child` the executor can wait for ever for an exited worker.
    while some := tuple(islice(waiting, jobs * SEEDS_PER_PROCESS)):
        with ProcessPoolExecutor(jobs, mp_context=context) as pool:
            for done in as_completed([pool.submit(run_seed, seed) for seed in some]):
                yield done.result()


def _progress(done: int, seeds: int, failed: int, took_s: float) -> None:
    end = "\r" if sys.stderr.isatty() else "\n"
    if end == "\r" or done % 25 == 0 or done == seeds:
        per_hour = 3600 * done / took_s
        sys.stderr.write(f"{done} of {seeds} seeds, {failed} failed, {per_hour:,.0f} seeds an hour{end}")
        sys.stderr.flush()


class Total:
    """The totals over all seeds."""

    def __init__(self) -> None:
        self.seeds = 0
        self._sums: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()

    def add(self, outcome: Outcome) -> None:
        self.seeds += 1
        self._kinds.update(outcome.kinds)
        for name in ("orders", "fills", "faults", "kills", "seconds"):
            self._sums[name] += getattr(outcome, name)

    def report(self, took_s: float) -> None:
        sums = self._sums
        print(
            f"\n{self.seeds} seeds in {took_s:,.0f} s ({3600 * self.seeds / took_s:,.0f} an hour): "
            f"{sums['seconds'] / 3600:.1f} h of market time, {sums['orders']:,} orders, {sums['fills']:,} fills, "
            f"{sums['faults']:,} faults, {sums['kills']:,} kills of services"
        )
        print("seeds with", ", ".join(f"{kind}: {count}" for kind, count in sorted(self._kinds.items())))


if __name__ == "__main__":
    sys.exit(main())
