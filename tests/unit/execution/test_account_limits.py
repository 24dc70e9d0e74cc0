"""The exchange's write limit of the account against the configured tier's."""

from __future__ import annotations

from support.services import make_context
from truebook.bus.memory.bus import MemoryBus
from truebook.clock import ManualClock
from truebook.execution.guards import Limiters
from truebook.kalshi.port import OutcomeUnknown
from truebook.pacing.breaker import Breaker
from truebook.pacing.throttle import Throttle
from truebook.pacing.tokens import TokenBucket
from truebook.venue.rate_tiers import TIER_LIMITS, BucketLimits, Tier
from truebook_services.execution.account_limits import AccountLimits
from truebook_services.execution.settings import ExecutionSettings


class Granting:
    """The exchange: it grants a tier, or does not respond."""

    def __init__(self, tier: Tier | None) -> None:
        self.tier = tier

    async def write_limits(self) -> BucketLimits:
        if self.tier is None:
            raise OutcomeUnknown("GET /account/limits: no response")
        return TIER_LIMITS[self.tier].write


def limiters_of(tier: Tier) -> Limiters:
    write = TIER_LIMITS[tier].write
    return Limiters(
        breaker=Breaker(1, 1, 1), throttle=Throttle(0), tokens=TokenBucket(write.capacity, write.refill_per_s),
        rate_reserve=write.capacity // 5,
    )  # fmt: skip


async def test_the_lower_of_both_limits_is_used() -> None:
    limiters, rest = limiters_of("premier"), Granting("basic")
    context = make_context("execution", ManualClock(1_000_000), MemoryBus())
    limits = AccountLimits(context, rest, ExecutionSettings(tier="premier"), limiters)  # type: ignore[arg-type]
    await limits.read()
    assert (limiters.tokens.capacity, limiters.rate_reserve) == (100, 20)
    assert limiters.tokens.available(1_000_000) == 100
    assert limiters.tokens.take(100, 1_000_000)
    assert limiters.tokens.available(1_500_000) == 50
    rest.tier = "prestige"
    await limits.read()
    assert (limiters.tokens.capacity, limiters.rate_reserve) == (3_600, 720)


async def test_without_a_response_the_known_limit_stays() -> None:
    limiters, rest = limiters_of("premier"), Granting("advanced")
    context = make_context("execution", ManualClock(1_000_000), MemoryBus())
    limits = AccountLimits(context, rest, ExecutionSettings(tier="premier"), limiters)  # type: ignore[arg-type]
    await limits.read()
    rest.tier = None
    await limits.read()
    assert limiters.tokens.capacity == 900
