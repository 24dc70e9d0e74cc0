"""Compares a ledger with its journal: whether they agree, and which of them has more entries.

Pure. Raises ``JournalMismatch``, with what an operator can do, if they have diverged.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from truebook.ledger.journal.port import JournalMismatch
from truebook.ledger.port import JournalEnd, JournalEntry
from truebook.ledger.rules.ledger import verb_of

REMEDY: Final = (
    "trading is halted. Restore the ledger and the journal that belong together; or, to continue from the ledger as it "
    "is, move the journal away (all files journal.*, or the topic): the ledger is then compared with the exchange"
)


class LedgerPosition(StrEnum):
    """A ledger compared with its journal."""

    HAS_ALL = "has_all"
    """It has all entries of the journal, and maybe more: those are relayed."""
    LACKS_NEWEST = "lacks_newest"
    """It has lost the newest entries, or all: they are replayed."""


def compare_ends(ledger: JournalEnd, tail: JournalEntry | None) -> LedgerPosition:
    """Compare by history and number; ``check_same`` then compares the entries that both have."""
    if tail is None:
        return LedgerPosition.HAS_ALL
    if ledger.seq == 0:
        return LedgerPosition.LACKS_NEWEST
    if ledger.ledger_id != tail.ledger_id:
        raise JournalMismatch(
            f"the ledger has another history ({_name(ledger.ledger_id)}, {ledger.seq} entries) than its journal "
            f"({_name(tail.ledger_id)}, {tail.seq} entries): {REMEDY}"
        )
    if not 0 < ledger.first_kept <= min(ledger.seq, tail.seq):
        raise JournalMismatch(
            f"the journal ends at entry {tail.seq}, and of its own {ledger.seq} the ledger keeps those from "
            f"{ledger.first_kept} on: they have no entry in common and can't be compared; {REMEDY}"
        )
    return LedgerPosition.LACKS_NEWEST if ledger.seq < tail.seq else LedgerPosition.HAS_ALL


def check_same(kept: Iterable[JournalEntry], copied: Iterable[JournalEntry]) -> None:
    """Compare the ledger's entries with the journal's, pair by pair; raises at the first that differs."""
    for in_ledger, in_journal in zip(kept, copied, strict=True):
        if not is_same(in_ledger, in_journal):
            raise JournalMismatch(
                f"ledger and journal differ at entry {in_ledger.seq}: {_shown(in_ledger)} in the ledger, "
                f"{_shown(in_journal)} in the journal (its entry {in_journal.seq}): {REMEDY}"
            )


def is_same(in_ledger: JournalEntry, in_journal: JournalEntry) -> bool:
    """Compare two entries by meaning: another version may encode the same arguments differently."""
    if (in_ledger.seq, in_ledger.ledger_id, in_ledger.verb, in_ledger.result) != (
        in_journal.seq, in_journal.ledger_id, in_journal.verb, in_journal.result,
    ):  # fmt: skip
        return False
    return bytes(in_ledger.arguments) == bytes(in_journal.arguments) or verb_of(in_ledger) == verb_of(in_journal)


def _shown(entry: JournalEntry) -> str:
    return f"{entry.verb} {bytes(entry.arguments).decode()} -> {entry.result}"


def _name(ledger_id: str) -> str:
    return ledger_id[:8] or "unnamed"
