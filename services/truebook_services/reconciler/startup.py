"""The hold under which every start begins: no trading before the first full reconciliation."""

from __future__ import annotations

from typing import Final

from truebook.ledger.port import LedgerStore

HOLD: Final = "reconciliation"
OWNER: Final = "reconciler"


async def begin(ledger: LedgerStore) -> None:
    """Place the hold ``reconciliation``; to be awaited before any other service runs."""
    await ledger.hold(HOLD, "halted", OWNER)
