"""Copy the ledger's journal to its permanent store, and trim copied entries from the ledger.

Each run starts at the entry that was copied last. If the ledger has another one there or none, it has lost changes
while running (after a failover, for example) and is restored, or halted if its history has diverged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from truebook.ledger.journal.compare import is_same
from truebook.ledger.journal.port import LedgerJournal
from truebook.ledger.port import RestorableStore
from truebook.runtime.context import Context
from truebook.runtime.retry import attempt
from truebook_services.reconciler.recovery import recover

BATCH: Final = 1000
TRIM_SHARE: Final = 10
"""The ledger is trimmed once it keeps a tenth more than it should."""


class Relay:
    """Runs periodically; calls ``invalidate`` when the ledger was restored while other services run."""

    def __init__(
        self,
        context: Context,
        ledger: RestorableStore,
        journal: LedgerJournal,
        *,
        keep: int,
        invalidate: Callable[[], None] = lambda: None,
    ) -> None:
        self._context = context
        self._ledger = ledger
        self._journal = journal
        self._keep = keep
        self._invalidate = invalidate
        self._trimmed_through = 0

    async def run(self) -> None:
        """Copy all new entries in batches; raises JournalMismatch if the ledger's history has diverged."""
        while await self._copy() == BATCH:
            pass
        await self._trim()

    async def finish(self) -> None:
        """Copy the last entries after all services have ended; if that fails, the next start copies them."""
        error = await attempt(self.run)
        if error is not None:
            self._context.log.warning("could not copy the last journal entries", error=str(error))

    async def _copy(self) -> int:
        """Copy one batch; returns how many entries were read from the ledger."""
        tail = self._journal.tail
        entries = await self._ledger.journal(0 if tail is None else tail.seq - 1, BATCH)
        read = len(entries)
        if tail is not None:
            if not entries or not is_same(entries[0], tail):
                await self._restore()
                return 0
            entries = entries[1:]
        if entries:
            await self._journal.append(entries)
            self._context.crash("relayed")
            self._context.metrics.count("journal_entries_relayed", len(entries))
        return read

    async def _restore(self) -> None:
        await recover(self._ledger, self._journal, self._context.log)
        self._invalidate()

    async def _trim(self) -> None:
        tail = self._journal.tail
        through = 0 if tail is None else tail.seq - self._keep
        if through - self._trimmed_through > self._keep // TRIM_SHARE:
            await self._ledger.trim_journal(through)
            self._trimmed_through = through
