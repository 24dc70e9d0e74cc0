"""Rate limits: the capacity and refill of each tier's buckets."""

from __future__ import annotations

import pytest

from truebook.venue.rate_tiers import Tier
from truebook_services.paper_exchange.errors import WireError
from truebook_services.paper_exchange.rest.rate_limits import Access, RateLimits

NOW_US = 1_764_000_000_000_000
SECOND_US = 1_000_000


def takes(limits: RateLimits, access: Access, cost: int, now_us: int) -> int:
    """Count how often ``cost`` can be taken at one time."""
    count = 0
    while True:
        try:
            limits.take("a", access, cost, now_us)
        except WireError as error:
            assert (error.status, error.body) == (429, {"error": "too many requests"})
            return count
        count += 1


@pytest.mark.parametrize(
    ("tier", "reads", "writes"),
    [("basic", 60, 10), ("advanced", 90, 90), ("expert", 60, 180), ("prestige", 1200, 2880)],
)
def test_a_full_bucket_has_the_tiers_burst(tier: Tier, reads: int, writes: int) -> None:
    limits = RateLimits(tier)
    assert takes(limits, "read", 10, NOW_US) == reads
    assert takes(limits, "write", 10, NOW_US) == writes


def test_an_empty_bucket_refills_by_the_microsecond() -> None:
    limits = RateLimits("basic")
    takes(limits, "write", 2, NOW_US)
    assert takes(limits, "write", 2, NOW_US + 19_999) == 0
    assert takes(limits, "write", 2, NOW_US + 20_000) == 1


def test_a_bucket_is_capped_and_ignores_time_that_goes_back() -> None:
    limits = RateLimits("basic")
    takes(limits, "write", 10, NOW_US)
    assert takes(limits, "write", 10, NOW_US + 3_600 * SECOND_US) == 10
    assert takes(limits, "write", 10, NOW_US) == 0


def test_a_batch_takes_all_its_tokens_or_none() -> None:
    limits = RateLimits("basic")
    with pytest.raises(WireError):
        limits.take("a", "write", 110, NOW_US)
    limits.take("a", "write", 100, NOW_US)


def test_buckets_are_per_account_and_balance_has_its_own() -> None:
    limits = RateLimits("basic")
    takes(limits, "read", 10, NOW_US)
    limits.take("b", "read", 10, NOW_US)
    limits.take("a", "balance", 1, NOW_US)
    with pytest.raises(WireError):
        limits.take("a", "balance", 1, NOW_US)
    limits.take("a", "balance", 1, NOW_US + SECOND_US)


def test_wire_limits_are_those_of_the_tier() -> None:
    assert RateLimits("basic").wire_limits() == {
        "usage_tier": "basic",
        "read": {"bucket_capacity": 600, "refill_rate": 200},
        "write": {"bucket_capacity": 100, "refill_rate": 100},
        "grants": [],
    }
