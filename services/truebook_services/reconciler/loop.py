"""The reconciler's loop: open the account, reconcile completely once, then compare periodically."""

from __future__ import annotations

from functools import partial

from truebook.clock import MICROS
from truebook.kalshi.port import ExchangeError
from truebook.ledger.exchange_reports import RECONCILED, persist
from truebook.ledger.port import LedgerStore
from truebook.ledger.trading_holds import JOURNAL, RECONCILIATION, UNKNOWN_OWN_ORDER
from truebook.ledger.verbs import AdvanceWatermark
from truebook.runtime.context import Context
from truebook_services.reconciler.balance_checker import BalanceChecker
from truebook_services.reconciler.opening import AccountOpener, NotReady
from truebook_services.reconciler.repairer import Repairer
from truebook_services.reconciler.settings import ReconcilerSettings

ATTEMPTS_PER_RUN = 10
STATE_EVERY_US = 5 * MICROS
"""The ledger's journal keeps each statement."""


class ReconcileLoop:
    """Runs periodically; each run does the next necessary step."""

    def __init__(
        self,
        context: Context,
        settings: ReconcilerSettings,
        ledger: LedgerStore,
        *,
        opener: AccountOpener,
        repairer: Repairer,
        balance_checker: BalanceChecker,
    ) -> None:
        self._context = context
        self._settings = settings
        self._ledger = ledger
        self._opener = opener
        self._repairer = repairer
        self._balance_checker = balance_checker
        self._opened = False
        self._reconciled = False
        self._account_due_us = 0
        self._stated_us = 0

    @property
    def reconciled(self) -> bool:
        """Whether both sides have agreed since the start or the last ``invalidate``."""
        return self._reconciled

    async def run(self) -> None:
        """Compare orders, and the account when that is due or it differed; errors are retried."""
        try:
            await self._run()
        except ExchangeError as error:
            if error.retry:
                raise
            raise NotReady(str(error)) from error

    async def _run(self) -> None:
        if not self._opened:
            await self._open()
        if not self._reconciled:
            await self._reconcile_first()
            return
        await self._repairer.orders()
        now_us = self._context.clock.monotonic_us()
        if self._balance_checker.has_differences or now_us >= self._account_due_us:
            if await self._balance_checker.compare():
                # Another reconciler may have started meanwhile and ended before it released its hold.
                await self._ledger.apply(RECONCILIATION.release())
            self._account_due_us = now_us + int(self._settings.account_s * 1e6)
        await self._state_completion()

    async def _state_completion(self) -> None:
        """State in the ledger, which all processes read, that this round was complete."""
        now_us = self._context.clock.now_us()
        if now_us - self._stated_us >= STATE_EVERY_US:
            await self._ledger.apply(AdvanceWatermark(name=RECONCILED, to_us=now_us))
            self._stated_us = now_us

    def invalidate(self) -> None:
        """Require a complete reconciliation before trading continues: the ledger was restored."""
        self._reconciled = False

    async def _open(self) -> None:
        """Open the account unless it is open; wait a few polls for orders that are being cancelled."""
        if not (await self._ledger.view(())).account.opened:
            for _ in range(ATTEMPTS_PER_RUN):
                try:
                    await self._opener.open()
                    break
                except NotReady as reason:
                    self._context.log.info("account not opened yet", reason=str(reason))
                    await self._context.clock.sleep(self._settings.opening_poll_s)
            else:
                raise NotReady("the account could not be opened; the log states why")
        self._opened = True

    async def _reconcile_first(self) -> None:
        """Reconcile until both sides agree, then release trading."""
        for _ in range(ATTEMPTS_PER_RUN):
            holds = {hold.name for hold in (await self._ledger.view(())).account.holds}
            lost = await self._repairer.cancel_lost() if JOURNAL.name in holds else 0
            await self._repairer.orders()
            if await self._balance_checker.compare() and not lost:
                await self._begin_trading(restored=JOURNAL.name in holds)
                return
            await self._context.clock.sleep(self._settings.opening_poll_s)
        raise NotReady("ledger and exchange differ; the log lists the differences")

    async def _begin_trading(self, *, restored: bool) -> None:
        """Release the holds of the start.

        An order of ours that a restored ledger does not know was lost with its data; all of them are cancelled and
        recorded by now. If another ledger is in use, its next order places the hold again.
        """
        await self._opener.bind()
        for hold in (RECONCILIATION, *((JOURNAL, UNKNOWN_OWN_ORDER) if restored else ())):
            await persist(self._context.clock, partial(self._ledger.apply, hold.release()))
        await self._state_completion()
        self._reconciled = True
        self._account_due_us = self._context.clock.monotonic_us() + int(self._settings.account_s * 1e6)
        self._context.log.info("reconciled; trading released")
