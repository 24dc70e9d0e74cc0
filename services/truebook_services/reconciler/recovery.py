"""Restore a ledger that lost its newest changes, or all, from its journal before any service uses it.

After a restored backup, a truncated log or an emptied server: the ledger is locked for restoring, missing entries are
replayed, and the hold ``journal`` stays until it has been reconciled with the exchange. If ledger and journal have
diverged, trading is halted and the process ends: an operator must decide which of the two is the account's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

from truebook.ledger.journal.chain import ChainBroken, HashChain
from truebook.ledger.journal.compare import LedgerPosition, check_same, compare_ends
from truebook.ledger.journal.port import JournalCorrupt, JournalMismatch, LedgerJournal
from truebook.ledger.journal.restore import replay_into
from truebook.ledger.port import (
    JournalEnd,
    JournalEntry,
    LedgerStore,
    RestorableStore,
    RestoringStore,
    StoreCorrupt,
    StoreUnavailable,
)
from truebook.ledger.trading_holds import JOURNAL

PAGE: Final = 1000
REPLAY_BATCH: Final = 200
"""Verbs that a restore applies at once."""
ATTEMPTS: Final = 5


async def recover(ledger: RestorableStore, journal: LedgerJournal, log: Any) -> int:
    """Compare both and replay the entries that the ledger lacks; returns their number.

    Await this before other services start: nothing else may write to the ledger meanwhile. Raises JournalMismatch
    (trading is halted then), JournalCorrupt, or StoreUnavailable if other processes keep writing.
    """
    try:
        return await _recover(ledger, journal, log)
    except JournalMismatch:
        with suppress(StoreUnavailable):  # a ledger locked for restoring refuses decisions anyway
            await ledger.apply(JOURNAL.place())
        raise


async def _recover(ledger: RestorableStore, journal: LedgerJournal, log: Any) -> int:
    for _ in range(ATTEMPTS):
        end, tail = await ledger.journal_end(), journal.tail
        position = compare_ends(end, tail)
        await _compare(ledger, journal, end)
        if position is LedgerPosition.HAS_ALL and not end.restoring:
            return 0
        ledger_id = end.ledger_id if tail is None else tail.ledger_id
        restorer = await ledger.begin_restore(ledger_id, end.seq)
        if restorer is None:
            continue  # another process wrote in between: compare again
        replayed = 0
        if position is LedgerPosition.LACKS_NEWEST:
            assert tail is not None, "a ledger cannot be behind an empty journal"
            log.warning("ledger is behind its journal; replaying", ledger_seq=end.seq, journal_seq=tail.seq)
            await _replay(restorer, journal, await _load_anchor(restorer, journal, end.seq, log), log)
            replayed = tail.seq - end.seq
        await restorer.apply(JOURNAL.place())
        await ledger.end_restore()
        return replayed
    raise StoreUnavailable(
        "the ledger is behind its journal while another process writes to it: stop the other services"
    )


async def _compare(ledger: LedgerStore, journal: LedgerJournal, end: JournalEnd) -> None:
    """Check that the entries in both are equal; raises JournalMismatch."""
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


async def _load_anchor(restorer: RestoringStore, journal: LedgerJournal, seq: int, log: Any) -> int:
    """Load the journal's newest anchor if it is ahead of the ledger; return the number of the ledger's last entry.

    Raises JournalCorrupt if the entry after the anchor does not carry the anchor's hash.
    """
    anchor = await journal.anchor()
    if anchor is None or anchor.seq <= seq:
        return seq
    async for following in journal.read(anchor.seq):
        try:
            HashChain(anchor.head).add(following)
        except ChainBroken as error:
            raise JournalCorrupt(
                f"entry {following.seq} of the journal does not carry the hash of the anchor before it: restore the "
                "journal's files from a copy"
            ) from error
        break
    try:
        await restorer.load(anchor.state, anchor.seq)
    except StoreCorrupt as error:
        log.warning("anchor of the journal ignored; replaying all entries", error=str(error))
        return seq
    log.warning("ledger loaded from an anchor of its journal", through_seq=anchor.seq)
    return anchor.seq


async def _replay(restorer: LedgerStore, journal: LedgerJournal, after_seq: int, log: Any) -> None:
    replayed = 0
    try:
        async for page in _pages(journal, after_seq):
            replayed += await replay_into(restorer, page, batch=REPLAY_BATCH)
            log.info("replaying journal", entries=replayed)
    except StoreCorrupt as error:
        raise JournalMismatch(f"the ledger cannot be restored from its journal: {error}") from error
    log.warning("ledger restored from its journal", entries=replayed)


async def _pages(journal: LedgerJournal, after_seq: int) -> AsyncIterator[list[JournalEntry]]:
    page: list[JournalEntry] = []
    async for entry in journal.read(after_seq):
        page.append(entry)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page
