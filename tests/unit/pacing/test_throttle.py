"""The throttle: one pass per key and interval; the last change of a burst gets one."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.pacing.throttle import Throttle

INTERVAL_US = 250


def test_a_refusal_does_not_delay_the_next_pass() -> None:
    throttle = Throttle(INTERVAL_US)
    assert [throttle.attempt("a", at) for at in (0, 1, 249, 250, 499, 500)] == [True, False, False, True, False, True]


def test_keys_are_independent_and_a_dropped_key_passes() -> None:
    throttle = Throttle(INTERVAL_US)
    assert throttle.attempt("a", 0)
    assert throttle.attempt("b", 0)
    throttle.drop("a")
    throttle.drop("never seen")
    assert throttle.attempt("a", 1)
    assert not throttle.attempt("b", 1)


def test_a_negative_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="interval_us"):
        Throttle(-1)


@given(st.lists(st.integers(0, 5_000), min_size=1, max_size=60).map(sorted))
def test_the_last_change_of_a_burst_is_seen_in_an_interval(changes: list[int]) -> None:
    """A caller that keeps the newest refused change and returns at ``ready_at`` sees each burst's last change."""
    throttle = Throttle(INTERVAL_US)
    seen: list[tuple[int, int]] = []
    waiting: int | None = None
    for now in range(changes[-1] + INTERVAL_US + 1):
        if now in changes:
            waiting = now
        if waiting is not None and throttle.ready_at("m", now) <= now:
            assert throttle.attempt("m", now)
            seen.append((now, waiting))
            waiting = None
    assert seen[-1][1] == changes[-1]
    assert all(passed - change <= INTERVAL_US for passed, change in seen)
    assert all(later - earlier >= INTERVAL_US for (earlier, _), (later, _) in pairwise(seen))
