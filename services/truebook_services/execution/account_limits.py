"""Reads the account's write limit at the exchange, and lowers the configured tier's to it."""

from __future__ import annotations

from typing import Final

from truebook.execution.guards import Limiters
from truebook.kalshi.port import ExchangeError, RestClient
from truebook.runtime.context import Context
from truebook.venue.rate_tiers import TIER_LIMITS, BucketLimits
from truebook_services.execution.settings import ExecutionSettings

EVERY_S: Final = 60.0
"""A tier changes with the account's volume."""


class AccountLimits:
    """Keeps the limiters at the lower of both limits; the share that cancels may use stays the same."""

    def __init__(self, context: Context, rest: RestClient, settings: ExecutionSettings, limiters: Limiters) -> None:
        self._context = context
        self._rest = rest
        self._settings = settings
        self._limiters = limiters
        self._used = TIER_LIMITS[settings.tier].write

    async def read(self) -> None:
        """Read the limit once; without a response the last known one stays."""
        try:
            granted = await self._rest.write_limits()
        except ExchangeError as error:
            self._context.log.info("could not read the account's limits", error=str(error))
            return
        ours = TIER_LIMITS[self._settings.tier].write
        limits = BucketLimits(
            refill_per_s=min(ours.refill_per_s, granted.refill_per_s), capacity=min(ours.capacity, granted.capacity)
        )
        if limits == self._used:
            return
        self._used = limits
        self._limiters.tokens.change(limits.capacity, limits.refill_per_s, self._context.clock.now_us())
        self._limiters.rate_reserve = int(limits.capacity * self._settings.rate_reserve_share)
        self._context.log.warning(
            "the account's write limit differs from the configured tier's: the lower one is used",
            tier=self._settings.tier, capacity=limits.capacity, refill_per_s=limits.refill_per_s,
        )  # fmt: skip
