"""Paces the reads of long lists: half of what the exchange's lowest tier allows; the rest is for other reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from truebook.clock import Clock
from truebook.kalshi.port import RateLimited
from truebook.pacing.tokens import TokenBucket
from truebook.venue.rate_tiers import DEFAULT_COST, TIER_LIMITS

SHARE: Final = 2
"""The part of the budget: one half."""
ATTEMPTS: Final = 5
WAIT_S: Final = 0.05

T = TypeVar("T")


class ReadPace:
    """Shared by all lists of a client; every account has at least the lowest tier."""

    def __init__(self, clock: Clock) -> None:
        limits = TIER_LIMITS["basic"].read
        self._clock = clock
        self._bucket = TokenBucket(limits.capacity // SHARE, limits.refill_per_s // SHARE)

    async def read(self, read: Callable[[], Awaitable[T]]) -> T:
        """Call ``read`` when its tokens are there; again if others have used up the account's (429)."""
        for _ in range(ATTEMPTS - 1):
            await self._take()
            try:
                return await read()
            except RateLimited:
                self._bucket.drain(self._clock.now_us())
        await self._take()
        return await read()

    async def _take(self) -> None:
        while not self._bucket.take(DEFAULT_COST, self._clock.now_us()):
            await self._clock.sleep(WAIT_S)
