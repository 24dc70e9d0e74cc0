"""Simple strategies on synthetic markets: none earns on those fitted to recordings; joining earns on easy ones."""

from __future__ import annotations

import os

import pytest

from truebook.backtest.simple_strategies.strategies import RESTING, TAKING
from truebook.backtest.simple_strategies.table import StrategyRow, mean, summarize
from truebook.backtest.simple_strategies.trial import TrialResult, run_trial
from truebook.simulation.synthetic.presets import Preset

LONG = bool(os.environ.get("TRUEBOOK_TEST_LONG"))
SEEDS = 120 if LONG else 8
SECONDS = 60 if LONG else 25


def rows_of(preset: Preset, seeds: int, seconds: int) -> dict[str, StrategyRow]:
    results = [
        result
        for kind in (TAKING, RESTING)
        for seed in range(1, seeds + 1)
        for result in run_trial(kind, preset, seed, seconds)
    ]
    return {row.strategy: row for row in summarize(results)}


def test_no_strategy_earns_on_fitted_markets() -> None:
    """Few seeds find a gross error only, more (TRUEBOOK_TEST_LONG=1) a small one; 500 are in docs/synthetic.md."""
    rows = rows_of(Preset.GOLD15M, SEEDS, SECONDS)
    assert set(rows) == {*TAKING, *RESTING}
    for row in rows.values():
        assert row.traded_centi > 0 or not LONG
        # With few seeds some of fifteen intervals would exclude zero by chance: four standard errors instead of two.
        reach = row.edge.interval.high_micros - row.edge.mean_micros
        assert row.edge.mean_micros < (reach if LONG else 2 * reach + 10_000), row
    assert sum(row.edge.mean_micros for row in rows.values()) < 0, "together they pay spreads and fees"


def test_joining_earns_on_easy_markets() -> None:
    joining = rows_of(Preset.EASY, 12, 60)["join"]
    assert joining.earns
    assert 5_000 < joining.edge.mean_micros * 100 // joining.traded_centi < 20_000, "about a cent per contract"


def test_a_trial_is_the_same_for_a_seed() -> None:
    first = run_trial(RESTING, Preset.GOLD15M, 3, 20)
    assert first == run_trial(RESTING, Preset.GOLD15M, 3, 20)
    assert first != run_trial(RESTING, Preset.GOLD15M, 4, 20)


def test_a_settled_trial_is_valued_at_its_settlement() -> None:
    results = run_trial(TAKING, Preset.GOLD15M, 2, 60)
    assert all(one.settled for one in results)
    held = next(one for one in results if one.strategy == "buy YES and hold")
    assert held.pnl_micros % 100 == 0 and held.traded_centi > 0


def test_an_interval_contains_its_mean_and_needs_two_trials() -> None:
    found = mean([1, 2, 3, 6])
    assert found.interval.low_micros < found.mean_micros == 3 < found.interval.high_micros
    with pytest.raises(ValueError, match="two trials"):
        mean([1])


def test_rows_keep_strategies_apart() -> None:
    results = [
        TrialResult(
            strategy=name, seed=seed, pnl_micros=value, edge_micros=value, fees_micros=0, traded_centi=100,
            settled=False,
        )
        for name, value in (("a", 10), ("b", -10))
        for seed in (1, 2)
    ]  # fmt: skip
    found = summarize(results)
    assert [(row.strategy, row.edge.mean_micros, row.earns) for row in found] == [("a", 10, True), ("b", -10, False)]
