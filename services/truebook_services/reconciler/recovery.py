"""Brings a ledger that lost its newest changes, or all, up to its journal before anybody trades on it.

A restored backup, a log that was cut, an emptied server: the ledger is fenced off, what it lacks is replayed, and it
keeps the hold ``journal`` until it has been reconciled with the exchange. A ledger that tells another story than its
journal is halted, and the process that found it ends: which of the two is this account's, a person must say.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

from truebook.ledger.journal_compare import Standing, check_same, judge
from truebook.ledger.journal_port import Journal, JournalMismatch
from truebook.ledger.port import JournalEnd, JournalEntry, LedgerStore, RestorableStore, StoreCorrupt, StoreUnavailable
from truebook.ledger.restore import replay_into
from truebook.ledger.rules_view import FENCE

PAGE: Final = 1000
TOGETHER: Final = 200
"""Calls that a restore makes at once."""
ATTEMPTS: Final = 5


async def recover(ledger: RestorableStore, journal: Journal, log: Any) -> int:
    """Compare both, replay what the ledger lacks, and answer how many entries that were.

    Nothing else may write to the ledger meanwhile: to be awaited before the other services start. Raises
    JournalMismatch (the ledger is halted then), JournalCorrupt, or StoreUnavailable where others keep writing.
    """
    try:
        return await _recover(ledger, journal, log)
    except JournalMismatch:
        with suppress(StoreUnavailable):  # one that is fenced off can't be traded on anyway
            await ledger.hold(FENCE.name, FENCE.mode, FENCE.owner)
        raise


async def _recover(ledger: RestorableStore, journal: Journal, log: Any) -> int:
    for _ in range(ATTEMPTS):
        end, tail = await ledger.journal_end(), journal.tail
        standing = judge(end, tail)
        await _compare(ledger, journal, end)
        if standing is Standing.AHEAD and not end.fenced:
            return 0
        incarnation = end.incarnation if tail is None else tail.incarnation
        restorer = await ledger.fence(incarnation, end.seq)
        if restorer is None:
            continue  # somebody wrote in between: compare again
        replayed = 0
        if standing is Standing.BEHIND:
            assert tail is not None, "nobody is behind an empty journal"
            log.warning("the ledger is behind its journal: replaying", ledger_seq=end.seq, journal_seq=tail.seq)
            replayed = await _replay(restorer, journal, end.seq, log)
        await restorer.hold(FENCE.name, FENCE.mode, FENCE.owner)
        await ledger.unfence()
        return replayed
    raise StoreUnavailable("the ledger is behind its journal while somebody writes to it: stop the other services")


async def _compare(ledger: LedgerStore, journal: Journal, end: JournalEnd) -> None:
    """Check that the entries which both keep are the same ones; raises JournalMismatch."""
    if not end.first_kept:
        return
    async for page in _pages(journal, end.first_kept - 1):
        copied = [entry for entry in page if entry.seq <= end.seq]
        if not copied:
            return
        kept = await ledger.journal(copied[0].seq - 1, len(copied))
        if len(kept) < len(copied):
            raise StoreUnavailable("the ledger's journal was trimmed while it was compared")
        check_same(kept, copied)


async def _replay(restorer: LedgerStore, journal: Journal, after_seq: int, log: Any) -> int:
    replayed = 0
    try:
        async for page in _pages(journal, after_seq):
            replayed += await replay_into(restorer, page, together=TOGETHER)
            log.info("replaying the journal", entries=replayed)
    except StoreCorrupt as error:
        raise JournalMismatch(f"the ledger can't be restored from its journal: {error}") from error
    log.warning("the ledger is restored from its journal", entries=replayed)
    return replayed


async def _pages(journal: Journal, after_seq: int) -> AsyncIterator[list[JournalEntry]]:
    page: list[JournalEntry] = []
    async for entry in journal.read(after_seq):
        page.append(entry)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page
