"""The trading hold ``clock``: after a jump of the exchange's clock, no deadline can be judged by it.

Nor can it if the ledger's own clock, which never decreases, was once far ahead: the ledger then refuses every order as
too late, and the hold makes that visible.
"""

from __future__ import annotations

from typing import Final

from truebook.clock import MICROS, ExchangeClock
from truebook.kalshi.port import ExchangeError, RestClient
from truebook.ledger.exchange_reports import persist
from truebook.ledger.port import LedgerStore
from truebook.ledger.trading_holds import CLOCK
from truebook.runtime.context import Context

MAX_LEDGER_AHEAD_US: Final = 60 * MICROS


class ClockWatch:
    """Measures the exchange's time periodically; a jump of over a second holds trading until it is stable.

    A hold that another execution placed, which may have ended since, is released like one of its own.
    """

    def __init__(
        self, context: Context, clock: ExchangeClock, rest: RestClient, ledger: LedgerStore, stable_checks: int
    ) -> None:
        self._context = context
        self._clock = clock
        self._rest = rest
        self._ledger = ledger
        self._required = stable_checks
        self._stable = stable_checks - 1
        """One good measurement after the start releases a hold of an earlier instance."""

    async def check(self) -> None:
        """Take one measurement and place or release the hold."""
        try:
            exchange_us = await self._rest.exchange_time_us()
        except ExchangeError as error:
            self._context.log.warning("could not read the exchange clock", error=str(error))
            return
        jumped = self._clock.observe(exchange_us)
        self._context.metrics.gauge("clock_offset_seconds", self._clock.offset_us / MICROS)
        if jumped:
            self._context.log.warning("exchange clock jumped", offset_us=self._clock.offset_us)
            await self._hold()
            return
        account = (await self._ledger.view(())).account
        ahead_us = account.clock_us - self._clock.now_us()
        if ahead_us > MAX_LEDGER_AHEAD_US:
            self._context.log.error(
                "ledger clock ahead: it was written by a machine whose clock was wrong; orders are refused until then",
                ahead_s=ahead_us // MICROS,
            )
            await self._hold()
            return
        if self._stable >= self._required:
            if all(hold.name != CLOCK.name for hold in account.holds):
                return
            self._stable = 0
        if self._stable + 1 == self._required:
            await self._ledger.apply(CLOCK.release())  # if the ledger can't be reached, the next check releases
        self._stable += 1

    async def _hold(self) -> None:
        self._stable = 0
        await persist(self._clock, lambda: self._ledger.apply(CLOCK.place()))
