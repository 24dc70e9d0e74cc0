"""Vouches for the ledger: a lease that is renewed while ledger and exchange have been reconciled since the start.

An execution that starts waits for it. The hold ``reconciliation`` alone would not do: where all services start at once
on a ledger that was put back, one that is quick could decide before the reconciler has placed it.
"""

from __future__ import annotations

from collections.abc import Callable

from truebook.ledger.lease import Lease


class Voucher:
    """What the periodic frame runs."""

    def __init__(self, lease: Lease, is_reconciled: Callable[[], bool]) -> None:
        self._lease = lease
        self._is_reconciled = is_reconciled

    async def run(self) -> None:
        """Renew the lease, or withdraw it while there is doubt; raises ``LedgerError``."""
        if self._is_reconciled():
            await self._lease.take()
        else:
            await self._lease.release()
