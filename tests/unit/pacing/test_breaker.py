"""The circuit breaker: opens, rests, probes, closes with a clean count."""

from __future__ import annotations

import pytest

from truebook.pacing.breaker import Breaker

WINDOW_US, REST_US = 100, 1_000


def breaker(errors: int = 3, slows: int = 0) -> Breaker:
    return Breaker(errors, WINDOW_US, REST_US, slows)


def opened(at: int = 0) -> Breaker:
    guard = breaker()
    for _ in range(3):
        guard.failed("a", at)
    return guard


def test_it_opens_at_the_limit_within_the_window_and_only_for_that_key() -> None:
    guard = breaker()
    assert [guard.failed("a", at) for at in (0, 50, 99)] == [False, False, True]
    assert not guard.allows("a", 100)
    assert guard.allows("b", 100)
    assert (guard.state("a"), guard.state("b")) == ("open", "closed")


def test_failures_that_left_the_window_do_not_count() -> None:
    guard = breaker()
    assert [guard.failed("a", at) for at in (0, 50, 100, 149)] == [False, False, False, True]


def test_a_success_does_not_clear_the_count_of_a_closed_breaker() -> None:
    guard = breaker()
    guard.failed("a", 0)
    guard.failed("a", 1)
    guard.succeeded("a")
    assert guard.failed("a", 2)


def test_after_the_rest_one_probe_goes_and_the_others_wait_for_it() -> None:
    guard = opened()
    assert not guard.allows("a", REST_US - 1)
    assert [guard.allows("a", REST_US), guard.allows("a", REST_US)] == [True, False]
    assert guard.state("a") == "half_open"


def test_a_good_probe_closes_with_a_clean_count() -> None:
    """The predecessor kept the old count: the first error after re-enabling disabled the market again."""
    guard = opened()
    guard.allows("a", REST_US)
    guard.succeeded("a")
    assert guard.state("a") == "closed"
    assert [guard.failed("a", REST_US + at) for at in (1, 2, 3)] == [False, False, True]


def test_a_failed_probe_opens_it_again_for_a_whole_rest() -> None:
    guard = opened()
    guard.allows("a", REST_US)
    assert guard.failed("a", REST_US + 5)
    assert not guard.allows("a", 2 * REST_US + 4)
    assert guard.allows("a", 2 * REST_US + 5)


def test_a_probe_that_nobody_reports_on_counts_as_good_after_a_window_without_failure() -> None:
    guard = opened()
    guard.allows("a", REST_US)
    assert not guard.allows("a", REST_US + WINDOW_US - 1)
    assert guard.allows("a", REST_US + WINDOW_US)
    assert guard.state("a") == "closed"


def test_failures_that_arrive_while_it_is_open_neither_lengthen_the_rest_nor_count_later() -> None:
    guard = opened()
    assert not guard.failed("a", REST_US - 1)
    assert guard.allows("a", REST_US)


def test_slow_passes_open_it_only_where_a_limit_for_them_was_given() -> None:
    guard = breaker(slows=2)
    assert [guard.slow("a", at) for at in (0, 1)] == [False, True]
    indifferent = breaker()
    assert not any(indifferent.slow("a", at) for at in range(50))
    assert indifferent.allows("a", 51)


def test_errors_and_slow_passes_are_counted_apart() -> None:
    guard = breaker(errors=2, slows=2)
    assert not guard.failed("a", 0)
    assert not guard.slow("a", 0)
    assert guard.allows("a", 1)


def test_a_reset_closes_it_by_hand() -> None:
    guard = opened()
    guard.reset("a")
    assert guard.allows("a", 1)


@pytest.mark.parametrize("numbers", [(0, 1, 1, 0), (1, 0, 1, 0), (1, 1, 0, 0), (1, 1, 1, -1)])
def test_numbers_that_make_no_breaker_are_refused(numbers: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        Breaker(*numbers)
