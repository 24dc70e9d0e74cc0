"""Results against each other: the same data only, paired by event."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from support.backtest_results import MINUTE_US, START_US, fill, market, one_pass, point, result, with_profits
from support.random_backtest import random_result
from truebook.backtest.analysis.comparison import Comparison, Named, Outcome, compare
from truebook.backtest.errors import NotComparable
from truebook.backtest.result import PassResult, Prediction
from truebook.messages.envelope import BookSide
from truebook.simulation.recorded.queue import QueueModel

EVENTS = tuple(f"E{number}-1" for number in range(8))


def profits(*amounts: int) -> dict[str, int]:
    return dict(zip(EVENTS, amounts, strict=False))


def of(*passes: PassResult, **fields: Any) -> Named:
    return Named("candidate", result(*passes, **fields))


def one(baseline: Named, candidate: Named) -> Comparison:
    (found,) = compare(baseline, [candidate])
    return found


NOISY = profits(900_000, -800_000, 500_000, -600_000, 700_000, -400_000, 300_000, -900_000)
BETTER = {event: amount + 50_000 + index * 1_000 for index, (event, amount) in enumerate(NOISY.items())}


def test_pairing_finds_a_small_edge_in_large_noise() -> None:
    found = one(of(with_profits(NOISY)), of(with_profits(BETTER)))
    (realistic,) = found.passes
    assert found.outcome is Outcome.BETTER
    assert (realistic.baseline_micros, realistic.difference_micros) == (-300_000, 8 * 50_000 + 28_000)
    assert (realistic.better_events, realistic.worse_events, realistic.left_out_events) == (8, 0, 0)
    assert one(of(with_profits(BETTER)), of(with_profits(NOISY))).outcome is Outcome.WORSE


def test_one_queue_model_alone_does_not_decide() -> None:
    baseline = of(with_profits(NOISY), with_profits(NOISY, QueueModel.OPTIMISTIC))
    candidate = of(with_profits(BETTER), with_profits(NOISY, QueueModel.OPTIMISTIC))
    assert one(baseline, candidate).outcome is Outcome.NOT_DISTINGUISHABLE


def test_a_result_does_not_differ_from_itself() -> None:
    same = random_result(8)
    found = one(Named("a", same), Named("b", same))
    assert found.outcome is Outcome.NOT_DISTINGUISHABLE
    assert [each.difference_micros for each in found.passes] == [0, 0, 0]
    assert found.brier is not None
    assert found.brier.difference == 0


def test_an_event_that_only_one_traded_counts() -> None:
    found = one(of(with_profits(profits(100_000))), of(with_profits({"E7-1": -40_000})))
    assert (found.passes[0].difference_micros, found.passes[0].worse_events) == (-140_000, 2)
    assert found.outcome is Outcome.TOO_FEW


def test_an_event_of_unknown_value_is_left_out_of_both() -> None:
    unknown = market("E0-1", outcome_cc=None, position_centi=100, unrealized_micros=None, fills=1)
    candidate = one_pass(
        markets=(unknown, *with_profits(BETTER).markets[1:]),
        fills=(fill("E0-1", BookSide.BID, 4_000, 100), *with_profits(BETTER).fills[1:]),
    )
    (found,) = one(of(with_profits(NOISY)), of(candidate)).passes
    assert (found.left_out_events, found.baseline_micros) == (1, -300_000 - 900_000)


def test_one_market_is_compared_by_blocks_of_time() -> None:
    def steady(gain_micros: int) -> PassResult:
        points = tuple(
            point(minute * MINUTE_US, 10**9 + minute * gain_micros + minute**2 % (gain_micros // 100))
            for minute in range(61)
        )
        return one_pass(equity=points, markets=with_profits({"A-1": 60 * gain_micros}).markets)

    found = one(of(steady(1_000)), of(steady(3_000)))
    assert (found.passes[0].significance.unit, found.passes[0].significance.units) == ("time block", 30)
    assert found.outcome is Outcome.BETTER


def with_curve(one: PassResult, gain_micros: int) -> PassResult:
    points = tuple(point(minute * MINUTE_US, 10**9 + minute * gain_micros + minute % 3) for minute in range(61))
    return msgspec.structs.replace(one, equity=points)


def test_many_equal_differences_are_not_compared_by_blocks() -> None:
    better = {event: amount + 1_000_000 for event, amount in NOISY.items()}
    found = one(of(with_curve(with_profits(NOISY), 1)), of(with_curve(with_profits(better), 9_000)))
    assert (found.passes[0].significance.unit, found.passes[0].significance.units) == ("event", 8)
    assert found.outcome is Outcome.TOO_FEW


@pytest.mark.parametrize("side", [0, 1])
def test_blocks_do_not_compare_with_a_position_of_unknown_value(side: int) -> None:
    unknown = market("Z-1", outcome_cc=None, position_centi=100, unrealized_micros=None, fills=1)
    passes = [with_curve(with_profits({"A-1": gain}), gain // 100) for gain in (100_000, 900_000)]
    passes[side] = msgspec.structs.replace(passes[side], markets=(*passes[side].markets, unknown))
    found = one(of(passes[0]), of(passes[1]))
    assert (found.passes[0].significance.unit, found.outcome) == ("event", Outcome.TOO_FEW)


def test_more_candidates_than_the_resamples_resolve_are_refused() -> None:
    baseline, candidate = of(with_profits(NOISY)), of(with_profits(BETTER))
    assert len(compare(baseline, [candidate] * 100)) == 100
    with pytest.raises(NotComparable, match="101 candidates are more than the 100"):
        compare(baseline, [candidate] * 101)


def test_more_candidates_widen_each_interval() -> None:
    baseline, candidate = of(with_profits(NOISY)), of(with_profits(BETTER))
    alone = one(baseline, candidate).passes[0].significance
    among = compare(baseline, [candidate] * 5)[0].passes[0].significance
    assert alone.interval is not None
    assert among.interval is not None
    assert (alone.confidence, among.confidence) == (0.95, 0.99)
    assert among.interval.low_micros < alone.interval.low_micros


def predicting(*predictions: tuple[str, int, int], queue: QueueModel = QueueModel.REALISTIC) -> PassResult:
    """A pass with predictions (ticker, seconds, probability in percent) of two markets that settled at YES."""
    return one_pass(
        queue,
        markets=(market("A-1", outcome_cc=10_000), market("B-1", outcome_cc=10_000)),
        predictions=tuple(
            Prediction(
                at_us=START_US + at_s, ticker=ticker, probability_ppm=percent * 10_000, mid_half_cc=10_000,
                outcome_cc=10_000,
            )
            for ticker, at_s, percent in predictions
        ),
    )  # fmt: skip


def test_brier_scores_are_of_the_predictions_that_both_made() -> None:
    # In common: A at 1 s (0.25 and 0.16) and B at 2 s (0.09 and 0.01); the other predictions have no partner.
    baseline = predicting(("A-1", 1, 50), ("A-1", 9, 0), ("B-1", 2, 70))
    candidate = predicting(("A-1", 1, 60), ("A-1", 5, 100), ("B-1", 2, 90), ("B-1", 3, 0))
    found = one(of(baseline), of(candidate)).brier
    assert found is not None
    assert (found.events, found.pairs, found.interval) == (2, 2, None)
    assert (found.baseline, found.candidate) == (pytest.approx(0.17), pytest.approx(0.085))
    assert one(of(baseline), of(predicting(("A-1", 2, 50)))).brier is None, "no prediction at the same time"


def test_brier_scores_are_of_a_common_queue_model() -> None:
    other = predicting(("A-1", 1, 0), queue=QueueModel.PESSIMISTIC)
    found = one(of(other, predicting(("A-1", 1, 60))), of(predicting(("A-1", 1, 60))))
    assert found.brier is not None
    assert found.brier.difference == 0
    assert found.other_differences == ("queue models: pessimistic, realistic / realistic",)


def test_other_settings_are_listed() -> None:
    found = one(of(with_profits(NOISY)), of(with_profits(BETTER), settings={"order_latency_us": 6_000}))
    assert found.other_differences == ("order_latency_us: 100000 / 6000",)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"data": {"sha256": "a" * 64}}, "other data than base .recording, sha256 aaaaaaaaaaaa, not recording, dddd"),
        ({"data": {"from_us": START_US + 1}}, "another window or other markets than base"),
        ({"data": {"markets": ("B-1",)}}, "another window or other markets than base"),
        ({"partial": True}, "candidate: the backtest was interrupted"),
        ({"passes": (one_pass(QueueModel.OPTIMISTIC),)}, "no queue model in common with base"),
    ],
)
def test_results_of_other_data_are_refused(fields: dict[str, Any], problem: str) -> None:
    baseline = Named("base", result(with_profits(NOISY)))
    with pytest.raises(NotComparable, match=problem):
        compare(baseline, [of(with_profits(BETTER), **fields)])
