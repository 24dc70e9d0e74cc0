"""Copies the ledger's journal to where it is kept for ever, and lets the ledger drop what has been copied.

Each round begins with the entry that was copied last: while the ledger still has the same one, both tell one story.
Where it does not, the ledger has lost changes in mid-run (another server took over, say), and is recovered or halted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from truebook.ledger.journal_compare import is_same
from truebook.ledger.journal_port import Journal
from truebook.ledger.port import LedgerError, RestorableStore
from truebook.runtime.context import Context
from truebook.runtime.frames import Periodic
from truebook_services.reconciler.recovery import recover

BATCH: Final = 1000
TRIM_SHARE: Final = 10
"""The ledger is trimmed once it keeps a tenth more than it should."""


def nobody_doubts() -> None:
    """For a relay beside which nobody trades."""


class Relay:
    """What the periodic frame runs; ``doubt`` is called when the ledger had to be restored beside running services."""

    def __init__(
        self,
        context: Context,
        ledger: RestorableStore,
        journal: Journal,
        *,
        keep: int,
        doubt: Callable[[], None] = nobody_doubts,
    ) -> None:
        self._context = context
        self._ledger = ledger
        self._journal = journal
        self._keep = keep
        self._doubt = doubt
        self._trimmed_through = 0

    async def run(self) -> None:
        """Copy all that is new, batch by batch; raises JournalMismatch where the ledger tells another story."""
        while await self._copy() == BATCH:
            pass
        await self._trim()

    async def finish(self) -> None:
        """Copy what came last, when everybody else has ended; what can't be copied now is copied at the next start."""
        try:
            await self.run()
        except LedgerError as error:
            if not error.retry:
                raise
            self._context.log.warning("the journal's last entries are not relayed yet", error=str(error))

    async def _copy(self) -> int:
        """Copy one batch and answer how many entries the ledger gave."""
        tail = self._journal.tail
        entries = await self._ledger.journal(0 if tail is None else tail.seq - 1, BATCH)
        given = len(entries)
        if tail is not None:
            if not entries or not is_same(entries[0], tail):
                await self._restore()
                return 0
            entries = entries[1:]
        if entries:
            await self._journal.append(entries)
            self._context.crash("relayed")
            self._context.metrics.count("journal_relayed", len(entries))
        return given

    async def _restore(self) -> None:
        await recover(self._ledger, self._journal, self._context.log)
        self._doubt()

    async def _trim(self) -> None:
        tail = self._journal.tail
        through = 0 if tail is None else tail.seq - self._keep
        if through - self._trimmed_through > self._keep // TRIM_SHARE:
            await self._ledger.trim_journal(through)
            self._trimmed_through = through


class RelayFrame:
    """A periodic relay that copies once more when it is told to stop."""

    def __init__(self, periodic: Periodic, relay: Relay) -> None:
        self.name = periodic.name
        self._periodic = periodic
        self._relay = relay

    def not_ready(self) -> str | None:
        return self._periodic.not_ready()

    async def run(self, stop: asyncio.Event) -> None:
        await self._periodic.run(stop)
        await self._relay.finish()
