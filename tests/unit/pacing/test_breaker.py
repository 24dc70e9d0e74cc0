"""The circuit breaker: opens, cools down, probes, closes with a new count."""

from __future__ import annotations

import pytest

from truebook.pacing.breaker import Breaker

WINDOW_US, COOLDOWN_US = 100, 1_000


def breaker(errors: int = 3, slows: int = 0) -> Breaker:
    return Breaker(errors, WINDOW_US, COOLDOWN_US, slows)


def opened(at: int = 0) -> Breaker:
    guard = breaker()
    for _ in range(3):
        guard.failed("a", at)
    return guard


def test_it_opens_at_the_limit_and_only_for_that_key() -> None:
    guard = breaker()
    assert [guard.failed("a", at) for at in (0, 50, 99)] == [False, False, True]
    assert not guard.allows("a", 100)
    assert guard.allows("b", 100)
    assert guard.not_closed == 1


def test_failures_that_left_the_window_do_not_count() -> None:
    guard = breaker()
    assert [guard.failed("a", at) for at in (0, 50, 100, 149)] == [False, False, False, True]


def test_a_success_does_not_clear_the_count_of_a_closed_breaker() -> None:
    guard = breaker()
    guard.failed("a", 0)
    guard.failed("a", 1)
    guard.succeeded("a")
    assert guard.failed("a", 2)


def test_after_the_cooldown_one_probe_passes() -> None:
    guard = opened()
    assert not guard.allows("a", COOLDOWN_US - 1)
    assert [guard.allows("a", COOLDOWN_US), guard.allows("a", COOLDOWN_US)] == [True, False]
    assert guard.not_closed == 1


def test_a_successful_probe_restarts_the_count() -> None:
    """With the old count the first error would stop the key again."""
    guard = opened()
    guard.allows("a", COOLDOWN_US)
    guard.succeeded("a")
    assert guard.not_closed == 0
    assert [guard.failed("a", COOLDOWN_US + at) for at in (1, 2, 3)] == [False, False, True]


def test_a_failed_probe_opens_it_for_another_cooldown() -> None:
    guard = opened()
    guard.allows("a", COOLDOWN_US)
    assert guard.failed("a", COOLDOWN_US + 5)
    assert not guard.allows("a", 2 * COOLDOWN_US + 4)
    assert guard.allows("a", 2 * COOLDOWN_US + 5)


def test_an_unreported_probe_closes_after_a_quiet_window() -> None:
    guard = opened()
    guard.allows("a", COOLDOWN_US)
    assert not guard.allows("a", COOLDOWN_US + WINDOW_US - 1)
    assert guard.allows("a", COOLDOWN_US + WINDOW_US)
    assert guard.not_closed == 0


def test_failures_while_open_do_not_count() -> None:
    guard = opened()
    assert not guard.failed("a", COOLDOWN_US - 1)
    assert guard.allows("a", COOLDOWN_US)


def test_slow_passes_count_only_with_a_limit() -> None:
    guard = breaker(slows=2)
    assert [guard.slow("a", at) for at in (0, 1)] == [False, True]
    without_limit = breaker()
    assert not any(without_limit.slow("a", at) for at in range(50))
    assert without_limit.allows("a", 51)


def test_errors_and_slow_passes_are_counted_separately() -> None:
    guard = breaker(errors=2, slows=2)
    assert not guard.failed("a", 0)
    assert not guard.slow("a", 0)
    assert guard.allows("a", 1)


def test_a_reset_closes_it() -> None:
    guard = opened()
    guard.reset("a")
    assert guard.allows("a", 1)


@pytest.mark.parametrize("numbers", [(0, 1, 1, 0), (1, 0, 1, 0), (1, 1, 0, 0), (1, 1, 1, -1)])
def test_invalid_numbers_are_refused(numbers: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        Breaker(*numbers)
