"""The limits of a model in use: failures, latency, drawdown."""

from __future__ import annotations

import pytest

from truebook.models.guard import Breach, BreachKind, Drawdown, GuardRules, ModelGuard, percentile_us
from truebook.models.history import ModelVersion

SECOND_US = 1_000_000
MINE = ModelVersion("mine", "aa")
OFF = GuardRules(
    max_failures=None, failure_window_us=60 * SECOND_US, max_p99_us=None, latency_window_us=60 * SECOND_US
)  # fmt: skip
FAILURES = GuardRules(
    max_failures=3, failure_window_us=10 * SECOND_US, max_p99_us=None, latency_window_us=60 * SECOND_US
)  # fmt: skip
LATENCY = GuardRules(
    max_failures=None, failure_window_us=60 * SECOND_US, max_p99_us=5_000, latency_window_us=10 * SECOND_US
)  # fmt: skip


def decide(guard: ModelGuard, until_us: int, took_us: int, *, is_failed: bool = False) -> list[Breach]:
    """Decide a batch each 50 ms; return the breaches."""
    found = [guard.decided(at_us, took_us, is_failed=is_failed) for at_us in range(0, until_us, 50_000)]
    return [each for each in found if each is not None]


@pytest.mark.parametrize(
    ("failed_s", "is_breach"), [((1, 2), False), ((1, 2, 3), True), ((1, 2, 11), False), ((1, 5, 10.9), True)]
)
def test_failures_within_the_window_are_a_breach(failed_s: tuple[float, ...], is_breach: bool) -> None:
    guard = ModelGuard(FAILURES, 0)
    found = [guard.decided(int(second * SECOND_US), 100, is_failed=True) for second in failed_s]
    assert found[:-1] == [None] * (len(failed_s) - 1)
    expected = Breach(BreachKind.FAILURES, "3 failed batches within 10 s")
    assert found[-1] == (expected if is_breach else None)


def test_good_batches_between_failures_reset_nothing() -> None:
    guard = ModelGuard(FAILURES, 0)
    assert [guard.decided(at, 1, is_failed=at % 2 == 0) is not None for at in range(5)] == [False] * 4 + [True]


def test_a_slow_model_breaches_after_a_whole_window() -> None:
    assert decide(ModelGuard(LATENCY, 0), 10 * SECOND_US, 6_000) == []
    [first, *_] = decide(ModelGuard(LATENCY, 0), 12 * SECOND_US, 6_000)
    assert first.kind is BreachKind.LATENCY
    assert first.detail.endswith("batches within 10 s took up to 6 ms, the limit is 5 ms")
    assert decide(ModelGuard(LATENCY, 0), 12 * SECOND_US, 5_000) == []


def test_one_slow_batch_of_a_hundred_is_no_breach() -> None:
    guard = ModelGuard(LATENCY, 0)
    took_us = [9_000 if number % 100 == 0 else 10 for number in range(1_000)]
    found = [guard.decided(number * 50_000, took, is_failed=False) for number, took in enumerate(took_us)]
    assert set(found) == {None}
    assert percentile_us(took_us) == 10


def test_too_few_batches_are_not_judged() -> None:
    guard = ModelGuard(LATENCY, 0)
    assert {guard.decided(second * SECOND_US, 9_000, is_failed=False) for second in range(60)} == {None}


def test_limits_that_are_not_set_breach_nothing() -> None:
    assert decide(ModelGuard(OFF, 0), 120 * SECOND_US, 10**9, is_failed=True) == []


def test_a_drawdown_counts_from_the_peak() -> None:
    state = Drawdown(version=MINE, since_us=0, opened_us=0)
    for profit_micros, drawdown_micros in ((-500, 0), (1_000, 0), (400, 600), (900, 100)):
        state = state.valued(profit_micros, SECOND_US)
        assert state.drawdown_micros == drawdown_micros
    assert state.breach(100) is None
    breach = state.valued(-4_000_000, SECOND_US).breach(4_000_999)
    assert breach is not None
    assert breach.text == (
        "drawdown: the profit fell by $4.001000 since its activation, the limit is $4.000999"
    )  # fmt: skip


def test_an_unknown_profit_breaches_nothing_and_is_visible() -> None:
    state = Drawdown(version=MINE, since_us=0, opened_us=0).valued(0, 1).valued(-900, 2)
    unknown = state.valued(None, 3).valued(None, 4)
    assert (unknown.drawdown_micros, unknown.unvalued_since_us) == (900, 3)
    assert unknown.breach(10) is None
    assert unknown.valued(-900, 5).breach(10) is not None
