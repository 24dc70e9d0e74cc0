"""Rate limits: what each tier's buckets hold and how they refill."""

from __future__ import annotations

import pytest

from truebook_services.paper_exchange.errors import WireError
from truebook_services.paper_exchange.rate_limits import RateLimits

NOW_US = 1_764_000_000_000_000
SECOND_US = 1_000_000


def takes(limits: RateLimits, kind: str, cost: int, now_us: int) -> int:
    """Count how often ``cost`` can be taken at one moment."""
    count = 0
    while True:
        try:
            getattr(limits, kind)("a", now_us, cost)
        except WireError as error:
            assert (error.status, error.body) == (429, {"error": "too many requests"})
            return count
        count += 1


@pytest.mark.parametrize(
    ("tier", "reads", "writes"),
    [("basic", 60, 10), ("advanced", 90, 90), ("expert", 60, 180), ("prestige", 1200, 2880)],
)
def test_a_full_bucket_holds_the_tiers_burst(tier: str, reads: int, writes: int) -> None:
    limits = RateLimits(tier)  # type: ignore[arg-type]
    assert takes(limits, "read", 10, NOW_US) == reads
    assert takes(limits, "write", 10, NOW_US) == writes


def test_an_empty_bucket_refills_by_the_microsecond() -> None:
    limits = RateLimits("basic")
    takes(limits, "write", 2, NOW_US)
    assert takes(limits, "write", 2, NOW_US + 19_999) == 0
    assert takes(limits, "write", 2, NOW_US + 20_000) == 1


def test_a_bucket_never_holds_more_than_its_burst_and_time_never_takes_away() -> None:
    limits = RateLimits("basic")
    takes(limits, "write", 10, NOW_US)
    assert takes(limits, "write", 10, NOW_US + 3_600 * SECOND_US) == 10
    assert takes(limits, "write", 10, NOW_US) == 0


def test_a_batch_fits_whole_or_not_at_all() -> None:
    limits = RateLimits("basic")
    with pytest.raises(WireError):
        limits.write("a", NOW_US, 110)
    limits.write("a", NOW_US, 100)


def test_accounts_do_not_share_buckets_and_the_balance_has_its_own() -> None:
    limits = RateLimits("basic")
    takes(limits, "read", 10, NOW_US)
    limits.read("b", NOW_US)
    limits.balance("a", NOW_US)
    with pytest.raises(WireError):
        limits.balance("a", NOW_US)
    limits.balance("a", NOW_US + SECOND_US)


def test_the_limits_are_told_as_they_are_kept() -> None:
    assert RateLimits("basic").wire_limits() == {
        "usage_tier": "basic",
        "read": {"bucket_capacity": 600, "refill_rate": 200},
        "write": {"bucket_capacity": 100, "refill_rate": 100},
        "grants": [],
    }
