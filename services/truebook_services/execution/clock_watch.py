"""The hold ``clock``: while the exchange's clock has just jumped, no deadline can be judged by it.

Nor can it where the ledger's own clock, which never steps back, was once moved far ahead: then the ledger refuses every
order as too late, and the hold says why.
"""

from __future__ import annotations

from typing import Final

from truebook.clock import ExchangeClock
from truebook.kalshi.port import ExchangeError, RestClient
from truebook.ledger.facts import persist
from truebook.ledger.port import LedgerStore
from truebook.runtime.context import Context

HOLD: Final = "clock"
OWNER: Final = "execution"
LEDGER_AHEAD_US: Final = 60_000_000


class ClockWatch:
    """Measures the exchange's time again and again; a jump of over a second holds trading until it is stable.

    A hold that it finds was put by another execution, which may be gone by now: it ends like one of its own.
    """

    def __init__(
        self, context: Context, clock: ExchangeClock, rest: RestClient, ledger: LedgerStore, stable_checks: int
    ) -> None:
        self._context = context
        self._clock = clock
        self._rest = rest
        self._ledger = ledger
        self._stable_checks = stable_checks
        self._stable = stable_checks - 1
        """One good measurement after the start releases a hold that a former life has left."""

    async def check(self) -> None:
        """Take one measurement and set or release the hold."""
        try:
            exchange_us = await self._rest.exchange_time_us()
        except ExchangeError as error:
            self._context.log.warning("the exchange does not tell its time", error=str(error))
            return
        jumped = self._clock.observe(exchange_us)
        self._context.metrics.gauge("clock_offset_seconds", self._clock.offset_us / 1e6)
        if jumped:
            self._context.log.warning("the exchange's clock has jumped", offset_us=self._clock.offset_us)
            await self._hold()
            return
        account = (await self._ledger.view(())).account
        ahead_us = account.clock_us - self._clock.now_us()
        if ahead_us > LEDGER_AHEAD_US:
            self._context.log.error(
                "the ledger was written by a clock that was ahead: orders are refused until that time has come",
                ahead_s=ahead_us // 1_000_000,
            )
            await self._hold()
            return
        if self._stable >= self._stable_checks:
            if all(hold.name != HOLD for hold in account.holds):
                return
            self._stable = 0
        if self._stable + 1 == self._stable_checks:
            await self._ledger.release(HOLD, OWNER)  # a ledger that can't be reached now is asked again next time
        self._stable += 1

    async def _hold(self) -> None:
        self._stable = 0
        await persist(self._clock, lambda: self._ledger.hold(HOLD, "halted", OWNER))
