"""The reconciler's rounds: open the account, the first full reconciliation, then comparing for ever."""

from __future__ import annotations

from functools import partial

from truebook.kalshi.port import ExchangeError
from truebook.ledger.facts import persist
from truebook.ledger.port import LedgerStore
from truebook.ledger.rules_facts import LEDGER_OWNER, LOST_ORDER_HOLD
from truebook.ledger.rules_view import FENCE
from truebook.runtime.context import Context
from truebook_services.reconciler.account import Accountant
from truebook_services.reconciler.opening import NotYet, Opening
from truebook_services.reconciler.repair import Repair
from truebook_services.reconciler.settings import ReconcilerSettings
from truebook_services.reconciler.startup import HOLD, OWNER

ATTEMPTS_IN_A_ROUND = 10


class Rounds:
    """What the periodic frames run."""

    def __init__(
        self,
        context: Context,
        settings: ReconcilerSettings,
        ledger: LedgerStore,
        *,
        opening: Opening,
        repair: Repair,
        accountant: Accountant,
    ) -> None:
        self._context = context
        self._settings = settings
        self._ledger = ledger
        self._opening = opening
        self._repair = repair
        self._accountant = accountant
        self._opened = False
        self._reconciled = False
        self._account_due_us = 0

    @property
    def reconciled(self) -> bool:
        """Whether both sides have agreed since the start, and nothing has put that in doubt."""
        return self._reconciled

    async def run(self) -> None:
        """One round: orders each time, the account when it is due or in doubt; what fails is tried again."""
        try:
            await self._round()
        except ExchangeError as error:
            if error.retry:
                raise
            raise NotYet(str(error)) from error

    async def _round(self) -> None:
        if not self._opened:
            await self._open()
        if not self._reconciled:
            await self._reconcile_first()
            return
        await self._repair.orders()
        now_us = self._context.clock.monotonic_us()
        if self._accountant.suspicious or now_us >= self._account_due_us:
            if await self._accountant.compare():
                # Another reconciler may have begun beside this one and died before it came so far.
                await self._ledger.release(HOLD, OWNER)
            self._account_due_us = now_us + int(self._settings.account_s * 1e6)

    def doubt(self) -> None:
        """Reconcile in full before trading goes on: the ledger had to be restored."""
        self._reconciled = False

    async def _open(self) -> None:
        """Open the account unless it is open; waits a while within the round for orders that are being cancelled."""
        if not (await self._ledger.view(())).account.opened:
            for _ in range(ATTEMPTS_IN_A_ROUND):
                try:
                    await self._opening.open()
                    break
                except NotYet as reason:
                    self._context.log.info("account not opened yet", reason=str(reason))
                    await self._context.clock.sleep(self._settings.opening_poll_s)
            else:
                raise NotYet("the account could not be opened; see the log for what stands in the way")
        self._opened = True

    async def _reconcile_first(self) -> None:
        """Reconcile until both sides agree, then let trading begin."""
        for _ in range(ATTEMPTS_IN_A_ROUND):
            holds = {hold.name for hold in (await self._ledger.view(())).account.holds}
            lost = await self._repair.cancel_lost() if FENCE.name in holds else 0
            await self._repair.orders()
            if await self._accountant.compare() and not lost:
                await self._begin_trading(restored=FENCE.name in holds)
                return
            await self._context.clock.sleep(self._settings.opening_poll_s)
        raise NotYet("ledger and exchange differ; see the log")

    async def _begin_trading(self, *, restored: bool) -> None:
        """Release what held trading until now.

        In a restored ledger, an order of ours that it does not know is one that it had lost: all of them are cancelled
        and booked by now. Another ledger at work would show by its next order, and halt again.
        """
        owners = {HOLD: OWNER} | ({FENCE.name: FENCE.owner, LOST_ORDER_HOLD: LEDGER_OWNER} if restored else {})
        for hold, owner in owners.items():
            await persist(self._context.clock, partial(self._ledger.release, hold, owner))
        self._reconciled = True
        self._account_due_us = self._context.clock.monotonic_us() + int(self._settings.account_s * 1e6)
        self._context.log.info("reconciled: trading may begin")
