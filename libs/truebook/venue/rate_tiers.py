"""The exchange's rate limits per usage tier, in tokens. Source: Kalshi API, "Rate limits and tiers"."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

DEFAULT_COST: Final = 10
"""Tokens of a request whose endpoint has no cost of its own."""
CANCEL_COST: Final = 2
"""Tokens of a cancel (each order of a batch), and of reading one order."""

AutoRouteCharge = Literal["unscoped", "all_shards"]
"""What a write is charged to that names no exchange shard: the unscoped bucket, or also that of each further shard."""

Tier = Literal["basic", "advanced", "expert", "premier", "paragon", "prime", "prestige"]


class BucketLimits(msgspec.Struct, frozen=True):
    """The token bucket of one kind of request."""

    refill_per_s: int
    capacity: int


class TierLimits(msgspec.Struct, frozen=True):
    """The buckets of an account."""

    read: BucketLimits
    write: BucketLimits
    balance: BucketLimits
    """``GET /portfolio/balance`` has its own bucket and takes one token of it."""


TIER_LIMITS: Final[dict[Tier, TierLimits]] = {
    "basic": TierLimits(BucketLimits(200, 600), BucketLimits(100, 100), BucketLimits(1, 1)),
    "advanced": TierLimits(BucketLimits(300, 900), BucketLimits(300, 900), BucketLimits(1, 1)),
    "expert": TierLimits(BucketLimits(600, 600), BucketLimits(600, 1_800), BucketLimits(5, 5)),
    "premier": TierLimits(BucketLimits(1_200, 1_200), BucketLimits(1_200, 3_600), BucketLimits(5, 5)),
    "paragon": TierLimits(BucketLimits(2_400, 2_400), BucketLimits(2_400, 7_200), BucketLimits(5, 5)),
    "prime": TierLimits(BucketLimits(4_800, 4_800), BucketLimits(4_800, 14_400), BucketLimits(5, 5)),
    "prestige": TierLimits(BucketLimits(12_000, 12_000), BucketLimits(9_600, 28_800), BucketLimits(5, 5)),
}
