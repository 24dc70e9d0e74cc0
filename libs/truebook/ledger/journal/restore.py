"""Restores a store that lost its newest changes, by applying the verbs of its journal again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from truebook.ledger.port import JournalEntry, LedgerStore, StoreCorrupt
from truebook.ledger.rules.ledger import verb_of


async def replay_into(store: LedgerStore, entries: Iterable[JournalEntry], *, batch: int = 1) -> int:
    """Apply the verbs of all entries that the store does not have; return how many.

    Nothing else may write meanwhile: begin a restore first. ``batch`` verbs are applied at once: more than one only to
    a store that keeps their order, such as the one that ``begin_restore`` returns. Raises StoreCorrupt if a number is
    missing, or if a result is not the recorded one: the store then has diverged from the journal.
    """
    seq = (await store.view(())).account.ledger_seq
    missing = [entry for entry in entries if entry.seq > seq]
    for number, entry in enumerate(missing, start=seq + 1):
        if entry.seq != number:
            raise StoreCorrupt(f"journal entry {number} is missing: found {entry.seq}")
    for start in range(0, len(missing), batch):
        replayed = missing[start : start + batch]
        results = await asyncio.gather(*(store.apply(verb_of(entry)) for entry in replayed))
        for entry, result in zip(replayed, results, strict=True):
            if str(result) != entry.result:
                raise StoreCorrupt(
                    f"journal entry {entry.seq} ({entry.verb}): returned {result}, recorded {entry.result}"
                )
    return len(missing)
