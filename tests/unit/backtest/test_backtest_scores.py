"""Intervals, scores of probabilities, and walk-forward splits, against values computed by hand."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.backtest.analysis.bootstrap import (
    MIN_UNITS,
    MoneyInterval,
    mean_interval,
    min_units,
    ratio_interval,
    resampled_counts,
    total_interval,
)
from truebook.backtest.analysis.scores import MIN_PROBABILITY, Predictions, brier, calibration, log_loss, scores_of
from truebook.backtest.analysis.splits import (
    MarketSpan,
    Split,
    Window,
    market_spans,
    markets_within,
    walk_forward,
)
from truebook.backtest.errors import SplitError
from truebook.capture.columns import Columns


def test_few_units_have_no_interval() -> None:
    values = np.arange(MIN_UNITS - 1, dtype=np.int64)
    assert total_interval(values) is None
    assert mean_interval(values.astype(np.float64)) is None
    assert ratio_interval(np.ones(9), np.array([1.0] * 5 + [0.0] * 4)) is None


@pytest.mark.parametrize(("confidence", "units"), [(0.5, 6), (0.95, 6), (0.975, 7), (0.99, 8), (0.9995, 12)])
def test_a_higher_confidence_needs_more_units(confidence: float, units: int) -> None:
    """Units of one sign occur by chance with 2 / 2**units: 6 are enough for 5 %, 7 for 2.5 %, 8 for 1 %."""
    values = np.arange(100, 112, dtype=np.int64)
    assert min_units(confidence) == units
    assert total_interval(values[: units - 1], confidence) is None
    assert total_interval(values[:units], confidence) is not None


@pytest.mark.parametrize(
    ("values", "is_known"),
    [
        ([0] * 9, True), ([-250] * 9, False), ([1, 1, 1, 1, 1, 1, 1, 1, 9], False), ([0] * 13 + [5, 6, 7], False),
        ([0] * 4 + [5, 6, 7, 8, 9, 10], True),
    ],
)  # fmt: skip
def test_units_that_hardly_differ_have_no_interval(values: list[int], is_known: bool) -> None:
    found = total_interval(np.array(values, dtype=np.int64))
    assert (found is not None) is is_known
    if not any(values):
        assert found == MoneyInterval(0, 0)


def test_a_bound_below_zero_has_a_sign() -> None:
    assert [MoneyInterval(*bounds).sign for bounds in ((-9, -2), (-9, 2), (1, 2))] == [-1, 0, 1]


def test_a_resample_draws_as_many_units_as_there_are() -> None:
    counts = np.concatenate(list(resampled_counts(7)))
    assert counts.shape == (4_000, 7)
    assert (counts.sum(axis=1) == 7).all()
    assert abs(counts.mean() - 1) < 1e-9


def test_the_interval_of_a_clear_profit_excludes_zero() -> None:
    values = np.array([900, 1_100, 1_000, 950, 1_050, 1_020, 980, 1_000], dtype=np.int64)
    found = total_interval(values)
    assert found is not None
    assert 7_000 < found.low_micros < 8_000 < found.high_micros < 9_000
    assert found.sign == 1
    assert total_interval(values) == found, "the same data have the same interval"


def test_the_interval_of_a_coin_contains_zero() -> None:
    found = total_interval(np.array([1_000, -1_000] * 8, dtype=np.int64))
    assert found is not None
    assert found.sign == 0


def test_the_interval_contains_the_mean_as_often_as_stated() -> None:
    """Of 200 samples of ten normal values, 95 % are expected; fewer than 88 % have a probability below 1e-4."""
    generator = np.random.default_rng(3)
    found = [mean_interval(generator.normal(0.0, 1.0, 10)) for _ in range(200)]
    assert sum(each is not None and each.low <= 0 <= each.high for each in found) >= 176


def test_a_higher_confidence_widens_the_interval() -> None:
    values = np.array([3.0, -1.0, 2.0, 5.0, -2.0, 4.0, 1.0, 0.5])
    narrow, wide = mean_interval(values, 0.9), mean_interval(values, 0.99)
    assert narrow is not None
    assert wide is not None
    assert wide.low < narrow.low < narrow.high < wide.high


def test_the_ratio_weights_units_by_their_denominator() -> None:
    found = ratio_interval(np.array([2.0] * 6), np.array([4.0] * 6))
    assert found is not None
    assert (found.low, found.high) == (0.5, 0.5)


def test_brier_and_log_loss() -> None:
    probability, outcome = np.array([0.8, 0.3, 1.0]), np.array([1.0, 1.0, 0.0])
    assert brier(probability, outcome) == pytest.approx([0.04, 0.49, 1.0])
    assert log_loss(probability, outcome) == pytest.approx([-math.log(0.8), -math.log(0.3), -math.log(MIN_PROBABILITY)])


def test_each_event_counts_once() -> None:
    # Event 0 has three predictions and event 1 one: (0.04 + 0.36) / 2, not their mean over four rows.
    predictions = Predictions(
        event=np.array([0, 0, 0, 1], dtype=np.int64),
        model=np.array([0.8, 0.8, 0.8, 0.6]),
        price=np.array([0.5, 0.5, 0.5, 0.5]),
        outcome=np.array([1.0, 1.0, 1.0, 0.0]),
    )
    found = scores_of(predictions)
    assert found is not None
    assert (found.predictions, found.events) == (4, 2)
    assert found.brier.model == pytest.approx(0.2)
    assert found.brier.market == pytest.approx(0.25)
    assert found.brier.difference == pytest.approx(-0.05)
    assert found.brier.difference_interval is None


def test_no_predictions_have_no_scores() -> None:
    empty = np.array([], dtype=np.float64)
    assert scores_of(Predictions(empty.astype(np.int64), empty, empty, empty)) is None


def test_calibration_counts_in_bins_of_a_tenth() -> None:
    event = np.array([0, 0, 1, 1, 1], dtype=np.int64)
    probability, outcome = np.array([0.1, 0.19, 0.95, 1.0, 0.9]), np.array([0.0, 1.0, 1.0, 1.0, 0.0])
    low, high = calibration(event, probability, outcome)
    assert (low.low, low.predictions, low.events, low.observed) == (0.1, 2, 1, 0.5)
    assert low.mean_predicted == pytest.approx(0.145)
    assert (high.low, high.high, high.predictions) == (0.9, 1.0, 3)
    assert high.observed == pytest.approx(2 / 3)
    assert high.observed_interval is None


def test_an_informed_model_beats_the_market_beyond_chance() -> None:
    generator = np.random.default_rng(5)
    truth = generator.uniform(0.1, 0.9, 200)
    outcome = (generator.random(200) < truth).astype(np.float64)
    price = np.clip(truth + generator.normal(0, 0.25, 200), 0.01, 0.99)
    found = scores_of(Predictions(np.arange(200), truth, price, outcome))
    assert found is not None
    assert found.brier.difference_interval is not None
    assert found.brier.difference_interval.sign == -1


def test_a_walk_forward_trains_before_it_tests() -> None:
    assert walk_forward(Window(0, 100), train_us=40, test_us=20, embargo_us=5) == (
        Split(Window(0, 40), Window(45, 65)), Split(Window(20, 60), Window(65, 85)),
    )  # fmt: skip


def test_an_expanding_walk_trains_from_the_start() -> None:
    assert [split.train for split in walk_forward(Window(10, 110), train_us=40, test_us=30, is_expanding=True)] == [
        Window(10, 50), Window(10, 80),
    ]  # fmt: skip


def columns(at_us: list[int], market: list[int]) -> Columns:
    zeros = np.zeros(len(at_us), dtype=np.int64)
    return Columns(
        at_us=np.array(at_us, dtype=np.int64), exchange_us=zeros, market=np.array(market, dtype=np.int32),
        kind=zeros.astype(np.int8), side=zeros.astype(np.int8), price_cc=zeros.astype(np.int32), size_centi=zeros,
    )  # fmt: skip


def test_the_span_of_a_market_is_that_of_its_events() -> None:
    chunks = [columns([5, 6, 7], [0, -1, 2]), columns([8, 9], [2, 0])]
    assert market_spans(("A", "B", "C"), chunks) == (MarketSpan("A", 5, 9), MarketSpan("C", 7, 8))


@pytest.mark.parametrize(
    ("lengths", "problem"),
    [
        ({"train_us": 80, "test_us": 21}, "one split needs 101 us"),
        ({"train_us": 0, "test_us": 20}, "must be positive"),
        ({"train_us": 10, "test_us": 20, "embargo_us": -1}, "at least 0"),
    ],
)
def test_impossible_lengths_are_refused(lengths: dict[str, int], problem: str) -> None:
    with pytest.raises(SplitError, match=problem):
        walk_forward(Window(0, 100), **lengths)  # type: ignore[arg-type]


def test_a_market_across_a_border_is_in_neither_window() -> None:
    markets = (
        MarketSpan("B", 10, 39), MarketSpan("A", 0, 39), MarketSpan("C", 30, 60), MarketSpan("D", 45, 64),
        MarketSpan("E", 20, 40), MarketSpan("F", 50, 65),
    )  # fmt: skip
    (split, *_) = walk_forward(Window(0, 100), train_us=40, test_us=20, embargo_us=5)
    assert markets_within(markets, split.train) == ["A", "B"]
    assert markets_within(markets, split.test) == ["D"]


@given(
    st.integers(0, 1_000), st.integers(1, 200), st.integers(1, 200), st.integers(0, 50), st.booleans()
)  # fmt: skip
def test_splits_never_look_ahead(span: int, train: int, test: int, embargo: int, is_expanding: bool) -> None:
    try:
        splits = walk_forward(
            Window(0, span), train_us=train, test_us=test, embargo_us=embargo, is_expanding=is_expanding
        )
    except SplitError:
        assert span < train + embargo + test
        return
    for split in splits:
        assert split.train.to_us + embargo == split.test.from_us
        assert split.train.to_us - split.train.from_us >= train
        assert split.test.to_us <= span
    tests = [split.test for split in splits]
    assert all(before.to_us == after.from_us for before, after in pairwise(tests))
    assert span - tests[-1].to_us < test
