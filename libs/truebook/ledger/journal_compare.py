"""Whether a ledger and the copy of its journal tell one story, and which of them knows more of it.

Pure: it takes where both stand and answers, or raises ``JournalMismatch`` with what a person can do.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from truebook.ledger.journal_port import JournalMismatch
from truebook.ledger.port import JournalEnd, JournalEntry
from truebook.ledger.rules import arguments_of

WHAT_TO_DO: Final = (
    "nothing is traded. Put back the ledger and the journal that belong together; or, to go on from the ledger as it "
    "is, move the journal away (its file, or the topic): the ledger is then compared with the exchange"
)


class Standing(StrEnum):
    """Where a ledger stands, seen from its journal."""

    AHEAD = "ahead"
    """It has all that the journal has, and maybe more: that is relayed."""
    BEHIND = "behind"
    """It has lost the newest entries, or all: these are replayed."""


def judge(ledger: JournalEnd, tail: JournalEntry | None) -> Standing:
    """Compare by names and numbers; the entries that both have are then for ``check_same``."""
    if tail is None:
        return Standing.AHEAD
    if ledger.seq == 0:
        return Standing.BEHIND
    if ledger.incarnation != tail.incarnation:
        raise JournalMismatch(
            f"the ledger is of another history ({_name(ledger.incarnation)}, {ledger.seq} entries) than its journal "
            f"({_name(tail.incarnation)}, {tail.seq} entries): {WHAT_TO_DO}"
        )
    if not 0 < ledger.first_kept <= min(ledger.seq, tail.seq):
        raise JournalMismatch(
            f"the journal ends at entry {tail.seq}, and of its own {ledger.seq} the ledger keeps those from "
            f"{ledger.first_kept} on: they can't be compared; {WHAT_TO_DO}"
        )
    return Standing.BEHIND if ledger.seq < tail.seq else Standing.AHEAD


def check_same(kept: Iterable[JournalEntry], copied: Iterable[JournalEntry]) -> None:
    """Compare entries pair by pair, each of the ledger's with the journal's own; raises at the first that differs."""
    for one, other in zip(kept, copied, strict=True):
        if not is_same(one, other):
            raise JournalMismatch(
                f"ledger and journal differ at entry {one.seq}: {_shown(one)} in the ledger, {_shown(other)} in the "
                f"journal (its entry {other.seq}): {WHAT_TO_DO}"
            )


def is_same(one: JournalEntry, other: JournalEntry) -> bool:
    """Compare two entries by their meaning: a newer program may spell the same arguments otherwise."""
    return (one.seq, one.incarnation, one.verb, one.result) == (
        other.seq, other.incarnation, other.verb, other.result,
    ) and (bytes(one.arguments) == bytes(other.arguments) or arguments_of(one) == arguments_of(other))  # fmt: skip


def _shown(entry: JournalEntry) -> str:
    return f"{entry.verb} {bytes(entry.arguments).decode()} -> {entry.result}"


def _name(incarnation: str) -> str:
    return incarnation[:8] or "no name"
