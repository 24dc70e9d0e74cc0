"""Simple strategies on synthetic markets over many seeds: `make strategies COUNT=500` writes docs/synthetic.md's table.

Each trial is one market for a minute or two; see ``truebook.backtest.simple_strategies``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bench.page import replace_between
from truebook.backtest.simple_strategies.strategies import RESTING, TAKING
from truebook.backtest.simple_strategies.table import MeanMicros, StrategyRow, summarize
from truebook.backtest.simple_strategies.trial import TrialResult, run_trial
from truebook.simulation.synthetic.presets import Preset

KINDS = {"taking": TAKING, "resting": RESTING}
PAGE = Path(__file__).parent.parent / "docs" / "synthetic.md"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", type=Preset, default=Preset.GOLD15M, choices=list(Preset))
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="write the table into docs/synthetic.md")
    options = parser.parse_args()
    with ProcessPoolExecutor(options.jobs) as pool:
        results = [one for kind in KINDS for one in _trials(pool, kind, options)]
    rows = summarize(results)
    for row in rows:
        print(" | ".join(cells(row)), flush=True)
    if options.write:
        head = ["strategy", "P&L, $", "95 %", "edge, $", "95 %", "edge per contract", "contracts", "earns"]
        lines = ["| " + " | ".join(one) + " |" for one in (head, ["---"] * len(head), *map(cells, rows))]
        note = f"{options.seeds} seeds, {options.seconds} s each; dollars per trial, after fees."
        replace_between(PAGE, f"strategies {options.preset}", "\n".join([*lines, "", note]))
    return 1 if options.preset is not Preset.EASY and any(row.earns for row in rows) else 0


def _trials(pool: ProcessPoolExecutor, kind: str, options: argparse.Namespace) -> Iterator[TrialResult]:
    seeds = range(1, options.seeds + 1)
    count = len(seeds)
    found = pool.map(trial_of, [kind] * count, [options.preset] * count, seeds, [options.seconds] * count, chunksize=10)
    return (result for results in found for result in results)


def trial_of(kind: str, preset: Preset, seed: int, seconds: int) -> list[TrialResult]:
    """Run all strategies of a kind on one seed, in a process of its own."""
    return run_trial(KINDS[kind], preset, seed, seconds)


def cells(row: StrategyRow) -> list[str]:
    per_contract = "–"
    if row.traded_centi:
        per_contract = f"{row.edge.mean_micros / row.traded_centi / 100:+.2f} ¢"
    return [
        row.strategy, _dollars(row.pnl.mean_micros), _interval(row.pnl), _dollars(row.edge.mean_micros),
        _interval(row.edge), per_contract, f"{row.traded_centi / 100:.0f}", "**yes**" if row.earns else "no",
    ]  # fmt: skip


def _dollars(micros: int) -> str:
    return f"{micros / 1_000_000:+.2f}"


def _interval(mean: MeanMicros) -> str:
    return f"{_dollars(mean.interval.low_micros)} to {_dollars(mean.interval.high_micros)}"


if __name__ == "__main__":
    raise SystemExit(main())
