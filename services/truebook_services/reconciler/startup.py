"""The start: no trading before the first complete reconciliation.

Two mechanisms: a trading hold in the ledger, and a lease that executions in other processes wait for. The hold alone
would not be enough: when all services start at once on a restored ledger, an execution could decide before the
reconciler has placed it.
"""

from __future__ import annotations

from collections.abc import Callable

from truebook.ledger.lease import Lease
from truebook.ledger.port import LedgerStore
from truebook.ledger.trading_holds import RECONCILIATION


async def hold_until_reconciled(ledger: LedgerStore) -> None:
    """Place the hold ``reconciliation``; await this before any other service runs."""
    await ledger.apply(RECONCILIATION.place())


class Readiness:
    """Renews the lease while ledger and exchange have been reconciled since the start."""

    def __init__(self, lease: Lease, is_reconciled: Callable[[], bool]) -> None:
        self._lease = lease
        self._is_reconciled = is_reconciled

    async def run(self) -> None:
        """Renew the lease, or release it while not reconciled; raises ``LedgerError``."""
        if self._is_reconciled():
            await self._lease.take()
        else:
            await self._lease.release()
