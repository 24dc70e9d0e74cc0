"""The hash chain of a journal: each entry carries the hash of the one before.

The hash of an entry is SHA-256, in hexadecimal, of this JSON text without spaces:

    [previous_hash, seq, ledger_id, verb, arguments, result]

It is a function of the entry and the previous hash alone: whoever copies an entry, and however often, gets the same
hash. The hash of the last entry, the *head*, therefore names the complete history: a change of any entry changes it.
Entries that earlier versions wrote have no hash; the chain begins with the first entry that has one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

from truebook.ledger.port import JournalEntry

GENESIS: Final = "0" * 64
"""The previous hash of a journal's first entry."""
_encode: Final = msgspec.json.Encoder().encode


class ChainBroken(ValueError):
    """An entry does not carry the hash of the one before."""


def hash_of(entry: JournalEntry) -> str:
    """Return the hash of an entry, which the next one carries."""
    content = (entry.previous_hash, entry.seq, entry.ledger_id, entry.verb, entry.arguments, entry.result)
    return hashlib.sha256(_encode(content)).hexdigest()


def chained(entries: Iterable[JournalEntry], tail: JournalEntry | None) -> list[JournalEntry]:
    """Return the entries with their previous hashes; ``tail`` is the journal's last entry, None without one.

    The first entry of a journal that begins with a later one has none: the entry before it is not known.
    """
    linked: list[JournalEntry] = []
    for entry in entries:
        previous_hash = _before_first(entry) if tail is None else hash_of(tail)
        tail = msgspec.structs.replace(entry, previous_hash=previous_hash)
        linked.append(tail)
    return linked


def _before_first(entry: JournalEntry) -> str:
    return GENESIS if entry.seq == 1 else ""


class HashChain:
    """Checks entries one after the other."""

    def __init__(self, head: str = "") -> None:
        self.head = head
        """The hash of the last entry; empty: not known, so that the next entry's previous hash is taken as it is."""
        self.first_seq = 0
        """The first of the unbroken sequence of entries with a previous hash, up to the last entry; 0: it has none."""
        self.unhashed = 0
        """How many entries had no previous hash: earlier versions wrote them."""

    def add(self, entry: JournalEntry) -> None:
        """Check the entry that follows the last one; raises ChainBroken."""
        expected = self.head or _before_first(entry)
        if not entry.previous_hash:
            self.first_seq = 0
            self.unhashed += 1
        elif expected and entry.previous_hash != expected:
            raise ChainBroken(
                f"entry {entry.seq} carries the hash {entry.previous_hash[:16]}…, but that of the entry before it is "
                f"{expected[:16]}…: an entry was changed, removed, inserted or moved"
            )
        elif not self.first_seq:
            self.first_seq = entry.seq
        self.head = hash_of(entry)
