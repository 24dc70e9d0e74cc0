"""Compares results on the same data: the difference of their profits, event by event, with an interval. Pure.

Both models met the same prices, so the difference within an event has far less noise than the two profits. With several
candidates each interval is wider (Bonferroni), so that all of them together hold with the stated confidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec
import numpy as np

from truebook.backtest.analysis.attribution import net_by_event, unvalued_events
from truebook.backtest.analysis.bootstrap import CONFIDENCE, MAX_COMPARISONS, RESAMPLES, Interval, Ints, mean_interval
from truebook.backtest.analysis.scores import brier_by_event
from truebook.backtest.analysis.statistics import Significance, blocks_of, common_sign, predictions_of, significance
from truebook.backtest.errors import NotComparable
from truebook.backtest.result import BacktestResult, PassResult
from truebook.simulation.recorded.queue import QueueModel

_NO_DATA: Final = "backtest both on the same recording and window"


class Named(NamedTuple):
    """A result and the name that people gave it: its folder."""

    name: str
    result: BacktestResult


class Outcome(StrEnum):
    """What a comparison shows. It is ``better`` or ``worse`` only if it is so under every common queue model."""

    BETTER = "better"
    WORSE = "worse"
    NOT_DISTINGUISHABLE = "not_distinguishable"
    TOO_FEW = "too_few"
    """There are too few independent events or blocks of time for an interval, or too few that differ."""


class PassComparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two profits under one queue model. Events with a position of unknown value on either side are left out."""

    queue: QueueModel
    baseline_micros: int
    candidate_micros: int
    difference_micros: int
    """Candidate less baseline."""
    significance: Significance
    """Of the difference."""
    better_events: int
    worse_events: int
    left_out_events: int


class BrierComparison(msgspec.Struct, frozen=True, kw_only=True):
    """Brier scores of two models on what both predicted; a negative difference: the candidate is better."""

    events: int
    pairs: int
    """Predictions of both for the same market at the same time; others do not count."""
    baseline: float
    candidate: float
    difference: float
    interval: Interval | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate against the baseline."""

    baseline: str
    candidate: str
    outcome: Outcome
    passes: tuple[PassComparison, ...]
    brier: BrierComparison | None
    """Null where no market with an outcome was predicted by both at the same time."""
    other_differences: tuple[str, ...]
    """What else differs beside the model: settings and queue models, as text."""


def check_same_data(baseline: Named, other: Named) -> None:
    """Raise ``NotComparable`` unless both are complete results of the same data and window."""
    for each in (baseline, other):
        if each.result.partial:
            raise NotComparable(f"{each.name}: the backtest was interrupted: run it to the end of its data")
    one, two = baseline.result.data, other.result.data
    if one.sha256 != two.sha256:
        raise NotComparable(
            f"{other.name}: other data than {baseline.name} ({two.name}, sha256 {two.sha256[:12]}, not {one.name},"
            f" {one.sha256[:12]}): {_NO_DATA}"
        )
    if (one.from_us, one.to_us, one.markets) != (two.from_us, two.to_us, two.markets):
        raise NotComparable(f"{other.name}: another window or other markets than {baseline.name}: {_NO_DATA}")


def compare(baseline: Named, candidates: Sequence[Named]) -> tuple[Comparison, ...]:
    """Compare each candidate with the baseline; raises ``NotComparable``."""
    if len(candidates) > MAX_COMPARISONS:
        raise NotComparable(
            f"{len(candidates)} candidates are more than the {MAX_COMPARISONS} whose intervals {RESAMPLES:,} resamples"
            " resolve: compare fewer, chosen on other data"
        )
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(candidates))
    return tuple(_comparison(baseline, each, confidence) for each in candidates)


def _comparison(baseline: Named, candidate: Named, confidence: float) -> Comparison:
    check_same_data(baseline, candidate)
    pairs = [(one, other) for one in baseline.result.passes if (other := candidate.result.of(one.queue)) is not None]
    if not pairs:
        raise NotComparable(f"{candidate.name}: no queue model in common with {baseline.name}: use `--queue all`")
    passes = tuple(_compare_passes(baseline.result, pair, confidence) for pair in pairs)
    return Comparison(
        baseline=baseline.name,
        candidate=candidate.name,
        outcome=_OUTCOMES[common_sign([each.significance for each in passes])],
        passes=passes,
        brier=_compare_brier(pairs[0], confidence),
        other_differences=_other_differences(baseline.result, candidate.result),
    )


_OUTCOMES: Final = {1: Outcome.BETTER, -1: Outcome.WORSE, 0: Outcome.NOT_DISTINGUISHABLE, None: Outcome.TOO_FEW}


def _compare_passes(whole: BacktestResult, pair: tuple[PassResult, PassResult], confidence: float) -> PassComparison:
    unvalued = unvalued_events(pair[0].markets) | unvalued_events(pair[1].markets)
    baseline, candidate = (net_by_event(each.markets) for each in pair)
    events = sorted((set(baseline) | set(candidate)) - unvalued)
    differences: Ints = np.array(
        [candidate.get(event, 0) - baseline.get(event, 0) for event in events], dtype=np.int64
    )  # fmt: skip
    blocks = [blocks_of(whole, each) for each in pair]
    by_block = None if blocks[0] is None or blocks[1] is None else blocks[1] - blocks[0]
    return PassComparison(
        queue=pair[0].queue,
        baseline_micros=sum(baseline.get(event, 0) for event in events),
        candidate_micros=sum(candidate.get(event, 0) for event in events),
        difference_micros=int(differences.sum()),
        significance=significance(differences, by_block, confidence),
        better_events=int((differences > 0).sum()),
        worse_events=int((differences < 0).sum()),
        left_out_events=len(unvalued),
    )


def _compare_brier(passes: tuple[PassResult, PassResult], confidence: float) -> BrierComparison | None:
    """Compare the models' probabilities under one queue model, on which they hardly depend, pair by pair."""
    by_key = [
        {(each.ticker, each.at_us): each for each in one.predictions if each.outcome_cc is not None} for one in passes
    ]
    common = sorted(set.intersection(*map(set, by_key)))
    if not common:
        return None
    one, two = (
        brier_by_event(predictions_of(msgspec.structs.replace(each, predictions=tuple(own[key] for key in common))))
        for each, own in zip(passes, by_key, strict=True)
    )
    events = sorted(one)
    losses = np.array([(one[event], two[event]) for event in events])
    differences = losses[:, 1] - losses[:, 0]
    return BrierComparison(
        events=len(events),
        pairs=len(common),
        baseline=float(losses[:, 0].mean()),
        candidate=float(losses[:, 1].mean()),
        difference=float(differences.mean()),
        interval=mean_interval(differences, confidence),
    )


def _other_differences(baseline: BacktestResult, candidate: BacktestResult) -> tuple[str, ...]:
    one, two = msgspec.structs.asdict(baseline.settings), msgspec.structs.asdict(candidate.settings)
    one["queue models"], two["queue models"] = (
        ", ".join(each.queue for each in result.passes) for result in (baseline, candidate)
    )
    return tuple(f"{name}: {one[name]} / {two[name]}" for name in one if one[name] != two[name])
