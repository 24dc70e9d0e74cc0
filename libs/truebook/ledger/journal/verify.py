"""Verifies a journal: digests of lines, the hash chain, the results by the rules, every anchor, and named heads.

It only reads, and may run beside the process that appends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from truebook.ledger.journal.anchors import anchors_of, ledger_at, load_anchor, replay_in_batches
from truebook.ledger.journal.chain import ChainBroken, HashChain
from truebook.ledger.journal.port import JournalAnchor, JournalCorrupt
from truebook.ledger.journal.reading import SegmentReader
from truebook.ledger.port import JournalEntry, StoreCorrupt
from truebook.ledger.rules.ledger import Ledger
from truebook.segments import SegmentedFile

_BATCH: Final = 1000
_ATTEMPTS: Final = 3
"""A segment may be closed or removed by its owner while it is read."""

Heads = Mapping[int, str]
"""By number of an entry: its hash, as a statement or an earlier verification named it."""
NO_HEADS: Final[Heads] = {}


class JournalReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a verification."""

    ledger_id: str = ""
    entries: int = 0
    """Read and in order, in a file each with the digest of its line."""
    first_seq: int = 0
    last_seq: int = 0
    removed_through_seq: int = 0
    """The entries up to this one are not in the journal: they could not be checked."""
    is_replayed: bool = False
    """Every result is the one that the rules give, from the first entry or from the anchor before it."""
    anchors: int = 0
    """How many anchors equal the state, and have the hash, that the entries lead to."""
    chain_from_seq: int = 0
    """The first entry of the hash chain that ends with the last one; 0: no entry has a hash."""
    unhashed: int = 0
    """Entries without a hash: earlier versions copied them."""
    head: str = ""
    """The hash of the last entry."""
    heads: int = 0
    """How many of the given heads are those of their entries."""
    segments: int = 0
    """Files; 0: the journal is a topic, or there is none."""
    size_bytes: int = 0
    """Of all segments and anchors."""
    torn_bytes: int = 0
    """Length of a last line without its end: it is being written, or a crash tore it."""
    problem: str = ""
    """The first problem; empty: none."""


def verify_journal(path: Path, heads: Heads = NO_HEADS) -> JournalReport:
    """Verify all files of a journal; a problem is in the report."""
    for attempt in range(1, _ATTEMPTS + 1):
        before = SegmentedFile(path).closed()
        verification = _Verification(anchors_of(path), heads)
        reader = SegmentReader(path)
        problem = ""
        try:
            for entry in reader.entries(0):
                verification.add(entry)
            verification.finish()
            if attempt < _ATTEMPTS and SegmentedFile(path).closed() != before:
                continue  # the open file was exchanged while it was read
        except (JournalCorrupt, StoreCorrupt, ChainBroken) as error:
            if attempt < _ATTEMPTS and SegmentedFile(path).closed() != before:
                continue
            problem = str(error)
        return _of_files(verification.report(problem), path, reader.torn_bytes)
    raise AssertionError("the last attempt returns")


async def verify_entries(entries: AsyncIterator[JournalEntry], heads: Heads = NO_HEADS) -> JournalReport:
    """Verify the entries of a journal that is not in files; a problem is in the report."""
    verification = _Verification({}, heads)
    try:
        async for entry in entries:
            verification.add(entry)
        verification.finish()
    except (JournalCorrupt, StoreCorrupt, ChainBroken) as error:
        return verification.report(str(error))
    return verification.report("")


class _Verification:
    def __init__(self, anchors: Mapping[int, Path], heads: Heads) -> None:
        self._anchors = anchors
        self._heads = heads
        self._hashes = HashChain()
        self._ledger: Ledger | None = None
        self._ledger_id = ""
        self._batch: list[JournalEntry] = []
        self._entries = self._first_seq = self._last_seq = self._equal_anchors = self._equal_heads = 0

    def add(self, entry: JournalEntry) -> None:
        """Check one entry, and the anchor and the head of its number; raises JournalCorrupt, StoreCorrupt, ChainBroken.

        Results are checked in batches.
        """
        if not self._entries:
            self._begin(entry.seq, entry.ledger_id)
        self._hashes.add(entry)
        self._compare_head(entry.seq)
        self._entries += 1
        self._last_seq = entry.seq
        self._batch.append(entry)
        if len(self._batch) == _BATCH or entry.seq in self._anchors:
            self._replay()
            self._compare_anchor(entry.seq)

    def finish(self) -> None:
        """Check the results of the last batch, and that every head was compared."""
        self._replay()
        for seq in self._heads:
            if not self._first_seq <= seq <= self._last_seq:
                raise JournalCorrupt(
                    f"the head of entry {seq} can't be compared: the journal has entries {self._first_seq} to "
                    f"{self._last_seq}"
                )

    def _replay(self) -> None:
        self._ledger = None if self._ledger is None else replay_in_batches(self._batch, self._ledger)
        self._batch = []

    def _begin(self, first_seq: int, ledger_id: str) -> None:
        self._first_seq, self._ledger_id = first_seq, ledger_id
        base = load_anchor(self._anchors[first_seq - 1]) if first_seq - 1 in self._anchors else None
        if first_seq == 1:
            self._ledger = Ledger(ledger_id)
        elif base is not None and base.ledger_id == ledger_id:
            self._ledger = ledger_at(base)
            self._hashes.head = base.head

    def _compare_head(self, seq: int) -> None:
        if seq not in self._heads:
            return
        if self._heads[seq] != self._hashes.head:
            raise JournalCorrupt(
                f"entry {seq} has the hash {self._hashes.head}, not {self._heads[seq]}: it or an entry before it was "
                "changed since that head was named, or the head is another account's"
            )
        self._equal_heads += 1

    def _compare_anchor(self, seq: int) -> None:
        if seq not in self._anchors or self._ledger is None:
            return
        anchor = load_anchor(self._anchors[seq])
        if anchor is None:
            raise JournalCorrupt(f"{self._anchors[seq]} can't be read: remove it; the next segment gets another one")
        if self._differs(anchor, self._ledger):
            raise JournalCorrupt(
                f"the anchor after entry {seq} differs from what the entries before it lead to: remove "
                f"{self._anchors[seq]}, or restore the journal's files from a copy"
            )
        self._equal_anchors += 1

    def _differs(self, anchor: JournalAnchor, ledger: Ledger) -> bool:
        is_other_head = anchor.head not in ("", self._hashes.head)
        return is_other_head or anchor.ledger_id != self._ledger_id or ledger_at(anchor).state != ledger.state

    def report(self, problem: str) -> JournalReport:
        return JournalReport(
            ledger_id=self._ledger_id, entries=self._entries, first_seq=self._first_seq, last_seq=self._last_seq,
            removed_through_seq=max(0, self._first_seq - 1), is_replayed=self._ledger is not None and not problem,
            anchors=self._equal_anchors, chain_from_seq=self._hashes.first_seq, unhashed=self._hashes.unhashed,
            head=self._hashes.head, heads=self._equal_heads, problem=problem,
        )  # fmt: skip


def _of_files(report: JournalReport, path: Path, torn_bytes: int) -> JournalReport:
    closed = SegmentedFile(path).closed()
    files = [*(segment.path for segment in closed), *anchors_of(path).values(), path]
    return msgspec.structs.replace(
        report, segments=len(closed) + path.exists(), torn_bytes=torn_bytes,
        size_bytes=sum(file.stat().st_size for file in files if file.exists()),
    )  # fmt: skip
