"""The exchange's rate limits: two token buckets per account, a price per endpoint, and one bucket for the balance.

Numbers: kalshi-api, section 1.4. Time is exchange time, so that a replayed capture refills at its own speed.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from truebook_services.paper_exchange.errors import too_many_requests
from truebook_services.paper_exchange.settings import Tier

DEFAULT_COST: Final = 10
CANCEL_COST: Final = 2
_PREFIX: Final = "/trade-api/v2"
_CHEAP: Final = (
    ("DELETE", "/portfolio/events/orders/:order_id"),
    ("DELETE", "/portfolio/events/orders/batched"),
    ("GET", "/portfolio/orders/:order_id"),
)


class _Tier(msgspec.Struct, frozen=True):
    read: int
    write: int
    read_burst_s: int
    write_burst_s: int
    balance: int


_TIERS: Final[dict[str, _Tier]] = {
    "basic": _Tier(200, 100, 3, 1, 1),
    "advanced": _Tier(300, 300, 3, 3, 1),
    "expert": _Tier(600, 600, 1, 3, 5),
    "premier": _Tier(1200, 1200, 1, 3, 5),
    "paragon": _Tier(2400, 2400, 1, 3, 5),
    "prime": _Tier(4800, 4800, 1, 3, 5),
    "prestige": _Tier(12000, 9600, 1, 3, 5),
}


class _Bucket:
    """Counts in millionths of a token, so that refills of a microsecond are not lost to rounding."""

    def __init__(self, capacity: int, refill_per_s: int, now_us: int) -> None:
        self._capacity = capacity * 1_000_000
        self._refill = refill_per_s
        self._level = self._capacity
        self._at_us = now_us

    def take(self, cost: int, now_us: int) -> bool:
        self._level = min(self._capacity, self._level + max(0, now_us - self._at_us) * self._refill)
        self._at_us = max(self._at_us, now_us)
        if self._level < cost * 1_000_000:
            return False
        self._level -= cost * 1_000_000
        return True


class RateLimits:
    """The buckets of every account, all of one tier."""

    def __init__(self, tier: Tier) -> None:
        self._name = tier
        self._tier = _TIERS[tier]
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def read(self, account: str, now_us: int, cost: int = DEFAULT_COST) -> None:
        """Take tokens for a read; raises ``WireError`` (429) when there are not enough."""
        capacity = self._tier.read * self._tier.read_burst_s
        self._take(account, "read", cost, now_us, capacity=capacity, refill=self._tier.read)

    def write(self, account: str, now_us: int, cost: int = DEFAULT_COST) -> None:
        """Take tokens for a write; a batch takes all of its items' tokens at once or none."""
        capacity = self._tier.write * self._tier.write_burst_s
        self._take(account, "write", cost, now_us, capacity=capacity, refill=self._tier.write)

    def balance(self, account: str, now_us: int) -> None:
        """Take one token of the balance's own bucket."""
        self._take(account, "balance", 1, now_us, capacity=self._tier.balance, refill=self._tier.balance)

    def _take(self, account: str, kind: str, cost: int, now_us: int, *, capacity: int, refill: int) -> None:
        bucket = self._buckets.get((account, kind))
        if bucket is None:
            bucket = self._buckets[account, kind] = _Bucket(capacity, refill, now_us)
        if not bucket.take(cost, now_us):
            raise too_many_requests()

    def wire_limits(self) -> dict[str, Any]:
        """The body of ``GET /account/limits``."""
        tier = self._tier
        return {
            "usage_tier": self._name,
            "read": {"bucket_capacity": tier.read * tier.read_burst_s, "refill_rate": tier.read},
            "write": {"bucket_capacity": tier.write * tier.write_burst_s, "refill_rate": tier.write},
            "grants": [],
        }


def wire_costs() -> dict[str, Any]:
    """The body of ``GET /account/endpoint_costs``."""
    costs = [{"cost": CANCEL_COST, "method": method, "path": _PREFIX + path} for method, path in _CHEAP]
    return {"default_cost": DEFAULT_COST, "endpoint_costs": costs}
