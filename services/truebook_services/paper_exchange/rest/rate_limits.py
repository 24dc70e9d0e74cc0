"""The exchange's rate limits: a read, a write and a balance bucket per account, and a cost per endpoint.

Time is exchange time, so that a replayed capture refills at its own speed.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from truebook.pacing.tokens import TokenBucket
from truebook.venue.rate_tiers import CANCEL_COST, DEFAULT_COST, TIER_LIMITS, BucketLimits, Tier
from truebook_services.paper_exchange.errors import too_many_requests

Access = Literal["read", "write", "balance"]

_CANCEL_COST_ENDPOINTS: Final = (
    ("DELETE", "/portfolio/events/orders/:order_id"),
    ("DELETE", "/portfolio/events/orders/batched"),
    ("GET", "/portfolio/orders/:order_id"),
)


class RateLimits:
    """The buckets of every account, all of one tier."""

    def __init__(self, tier: Tier) -> None:
        self._tier = tier
        self._limits = TIER_LIMITS[tier]
        self._buckets: dict[tuple[str, Access], TokenBucket] = {}

    def take(self, account: str, access: Access, cost: int, now_us: int) -> None:
        """Take all ``cost`` tokens or none; raises ``WireError`` (429) if there are not enough."""
        bucket = self._buckets.get((account, access))
        if bucket is None:
            limits: BucketLimits = getattr(self._limits, access)
            bucket = self._buckets[account, access] = TokenBucket(limits.capacity, limits.refill_per_s)
        if not bucket.take(cost, now_us):
            raise too_many_requests()

    def wire_limits(self) -> dict[str, Any]:
        """Write the body of ``GET /account/limits``."""
        return {
            "usage_tier": self._tier,
            "read": _wire_bucket(self._limits.read),
            "write": _wire_bucket(self._limits.write),
            "grants": [],
        }


def _wire_bucket(limits: BucketLimits) -> dict[str, int]:
    return {"bucket_capacity": limits.capacity, "refill_rate": limits.refill_per_s}


WIRE_COSTS: Final = {
    "default_cost": DEFAULT_COST,
    "endpoint_costs": [
        {"cost": CANCEL_COST, "method": method, "path": f"/trade-api/v2{path}"}
        for method, path in _CANCEL_COST_ENDPOINTS
    ],
}
"""The body of ``GET /account/endpoint_costs``."""
