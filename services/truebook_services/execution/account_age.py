"""The trading hold ``account_stale``: nothing is sent while the account at the exchange can't be followed.

The reconciler's rounds and the fill listener's sweeps state in the ledger when they last were complete, so that this
also holds when one of these services is gone. The hold is released when both are recent again.
"""

from __future__ import annotations

from truebook.clock import MICROS
from truebook.ledger.exchange_reports import RECONCILED, SWEPT, persist
from truebook.ledger.port import LedgerStore
from truebook.ledger.trading_holds import ACCOUNT_STALE
from truebook.runtime.context import Context


class AccountAge:
    """Places and releases the hold. ``max_age_us`` is in time of the exchange."""

    def __init__(self, context: Context, ledger: LedgerStore, max_age_us: int) -> None:
        self._context = context
        self._ledger = ledger
        self._max_age_us = max_age_us

    async def check(self) -> None:
        """Compare both times with the clock. One that was never set is the concern of the hold ``reconciliation``."""
        done_us = {name: await self._ledger.watermark(name) for name in (RECONCILED, SWEPT)}
        now_us = self._context.clock.now_us()
        ages_us = {name: now_us - at_us for name, at_us in done_us.items() if at_us}
        late = {f"{name}_ago_s": age_us // MICROS for name, age_us in ages_us.items() if age_us > self._max_age_us}
        is_held = any(hold.name == ACCOUNT_STALE.name for hold in (await self._ledger.view(())).account.holds)
        if late and not is_held:
            self._context.log.error("trading held: the account at the exchange is not followed", **late)
            await persist(self._context.clock, lambda: self._ledger.apply(ACCOUNT_STALE.place()))
        elif is_held and not late:
            await self._ledger.apply(ACCOUNT_STALE.release())
            self._context.log.info("the account at the exchange is followed again")
