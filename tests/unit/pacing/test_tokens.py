"""The token bucket: exact, never waits, can keep tokens for other callers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.pacing.tokens import TokenBucket


def test_it_starts_full_and_refuses_when_empty() -> None:
    bucket = TokenBucket(3, 1)
    assert [bucket.take(1, 0) for _ in range(4)] == [True, True, True, False]


def test_kept_tokens_remain_for_callers_that_keep_none() -> None:
    bucket = TokenBucket(10, 0)
    assert [bucket.take(4, 0, keep=2), bucket.take(4, 0, keep=2), bucket.take(1, 0, keep=2)] == [True, True, False]
    assert [bucket.take(2, 0), bucket.take(1, 0)] == [True, False]


def test_it_refills_up_to_capacity_and_never_goes_back() -> None:
    bucket = TokenBucket(2, 1)
    assert bucket.take(2, 1_000_000)
    assert not bucket.take(1, 500_000)
    assert not bucket.take(1, 1_999_999)
    assert bucket.take(1, 2_000_000)
    assert bucket.available(60_000_000) == 2


def test_a_drained_bucket_is_empty() -> None:
    bucket = TokenBucket(5, 5)
    bucket.drain(0)
    assert bucket.available(199_999) == 0
    assert bucket.available(200_000) == 1


@pytest.mark.parametrize(("capacity", "refill"), [(0, 1), (1, -1)])
def test_invalid_sizes_are_refused(capacity: int, refill: int) -> None:
    with pytest.raises(ValueError, match="capacity"):
        TokenBucket(capacity, refill)


@pytest.mark.parametrize(("cost", "keep"), [(-1, 0), (1, -1)])
def test_negative_costs_are_refused(cost: int, keep: int) -> None:
    with pytest.raises(ValueError, match="at least 0"):
        TokenBucket(1, 1).take(cost, 0, keep)


@given(
    st.integers(1, 20), st.integers(0, 50), st.lists(st.tuples(st.integers(0, 300_000), st.integers(0, 8)), max_size=80)
)
def test_at_most_capacity_plus_refill_is_taken(capacity: int, refill: int, requests: list[tuple[int, int]]) -> None:
    bucket = TokenBucket(capacity, refill)
    now = taken = 0
    for wait_us, cost in requests:
        now += wait_us
        taken += cost if bucket.take(cost, now) else 0
        first_us = requests[0][0]
        assert taken * 1_000_000 <= capacity * 1_000_000 + (now - first_us) * refill
