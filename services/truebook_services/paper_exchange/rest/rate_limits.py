"""The exchange's rate limits: a read, a write and a balance bucket per account, and a cost per endpoint.

Time is exchange time, so that a replayed capture refills at its own speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from truebook.decoding import UNREADABLE
from truebook.pacing.tokens import TokenBucket
from truebook.venue.rate_tiers import CANCEL_COST, DEFAULT_COST, TIER_LIMITS, AutoRouteCharge, BucketLimits, Tier
from truebook.venue.shards import AUTOMATIC, DEFAULT_SHARD, MAX_SHARD
from truebook_services.paper_exchange.errors import too_many_requests
from truebook_services.paper_exchange.rest.paging import Query

Access = Literal["read", "write", "balance"]
Routing = Literal["none", "order", "decrease", "body", "cancel", "query"]
"""Where a request names its shard: in the body (an order is found by its ticker, a decrease by ``market_ticker``), or
in the query (a cancel is found by ``market_ticker``); without both it is the default one."""

_CANCEL_COST_ENDPOINTS: Final = (
    ("DELETE", "/portfolio/events/orders"),
    ("DELETE", "/portfolio/events/orders/:order_id"),
    ("DELETE", "/portfolio/events/orders/batched"),
    ("GET", "/portfolio/orders/:order_id"),
)


def charged_shard(routing: Routing, query: Query, body: bytes) -> int | None:
    """Return the shard that a single write names; None if the exchange has to find it."""
    if routing == "none":
        return DEFAULT_SHARD
    if routing in ("cancel", "query"):
        index = query.number("exchange_index", AUTOMATIC, MAX_SHARD)
        has_market = routing == "cancel" and query.text("market_ticker") is not None
    else:
        # Most orders name no shard: their body is decoded once only, by their handler.
        index = _index_in(body) if b'"exchange_index"' in body else None
        has_market = routing == "order" or (routing == "decrease" and b'"market_ticker"' in body)
    if index is None:
        return None if has_market else DEFAULT_SHARD
    return None if index == AUTOMATIC else index


class _Indexed(msgspec.Struct):
    exchange_index: int | None = None


def _index_in(body: bytes) -> int | None:
    try:
        return msgspec.json.decode(body, type=_Indexed).exchange_index
    except UNREADABLE:
        return DEFAULT_SHARD  # the handler refuses it


class RateLimits:
    """The buckets of every account, all of one tier: one of each access, and one for writes to each further shard.

    ``auto_route`` states what a write without a shard is charged to: the unscoped bucket, or that and every shard's.
    """

    def __init__(
        self, tier: Tier, shards: Sequence[int] = (DEFAULT_SHARD,), auto_route: AutoRouteCharge = "all_shards"
    ) -> None:
        self.shards = tuple(shards)
        self._tier = tier
        self._limits = TIER_LIMITS[tier]
        self._auto_route = auto_route
        self._buckets: dict[tuple[str, Access, int], TokenBucket] = {}

    def take(self, account: str, access: Access, cost: int, now_us: int, shard: int | None = DEFAULT_SHARD) -> None:
        """Take all ``cost`` tokens or none; raises ``WireError`` (429) if there are not enough.

        ``shard`` is the one that a single write names; None if it is routed automatically.
        """
        charged = [self._bucket(account, access, index) for index in self._charged(shard)]
        if len(charged) > 1 and any(bucket.available(now_us) < cost for bucket in charged):
            raise too_many_requests()
        for bucket in charged:
            if not bucket.take(cost, now_us):
                raise too_many_requests()

    def _charged(self, shard: int | None) -> Sequence[int]:
        if shard is None:
            return self.shards if self._auto_route == "all_shards" else (DEFAULT_SHARD,)
        return (shard if shard in self.shards else DEFAULT_SHARD,)

    def _bucket(self, account: str, access: Access, shard: int) -> TokenBucket:
        bucket = self._buckets.get((account, access, shard))
        if bucket is None:
            limits: BucketLimits = getattr(self._limits, access)
            bucket = self._buckets[account, access, shard] = TokenBucket(limits.capacity, limits.refill_per_s)
        return bucket

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
