"""Verifies a journal's files: the chain of all lines, the results by the rules, and every anchor.

It only reads, and may run beside the process that appends.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from truebook.ledger.journal.anchors import anchors_of, ledger_at, load_anchor, replay_in_batches
from truebook.ledger.journal.port import JournalCorrupt
from truebook.ledger.journal.reading import SegmentReader
from truebook.ledger.port import StoreCorrupt
from truebook.ledger.rules.ledger import Ledger
from truebook.segments import SegmentedFile

_BATCH: Final = 1000
_ATTEMPTS: Final = 3
"""A segment may be closed or removed by its owner while it is read."""


class JournalReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a verification."""

    ledger_id: str = ""
    entries: int = 0
    """Read and in order, each with the digest of its line."""
    first_seq: int = 0
    last_seq: int = 0
    removed_through_seq: int = 0
    """The entries up to this one are not in the files: they could not be checked."""
    is_replayed: bool = False
    """Every result is the one that the rules give, from the first entry or from the anchor before it."""
    anchors: int = 0
    """How many anchors equal the state that the entries lead to."""
    segments: int = 0
    size_bytes: int = 0
    """Of all segments and anchors."""
    torn_bytes: int = 0
    """Length of a last line without its end: it is being written, or a crash tore it."""
    problem: str = ""
    """The first problem; empty: none."""


def verify_journal(path: Path) -> JournalReport:
    """Verify all files of a journal; a problem is in the report."""
    for attempt in range(1, _ATTEMPTS + 1):
        before = SegmentedFile(path).closed()
        verification = _Verification(path)
        try:
            verification.run()
        except (JournalCorrupt, StoreCorrupt) as error:
            if attempt < _ATTEMPTS and SegmentedFile(path).closed() != before:
                continue
            return verification.report(str(error))
        return verification.report("")
    raise AssertionError("the last attempt returns")


class _Verification:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader = SegmentReader(path)
        self._anchors = anchors_of(path)
        self._ledger: Ledger | None = None
        self._ledger_id = ""
        self._entries = self._first_seq = self._last_seq = self._equal_anchors = 0

    def run(self) -> None:
        """Read all entries, in batches that end where an anchor is; raises JournalCorrupt or StoreCorrupt."""
        batch = []
        for entry in self._reader.entries(0):
            if not self._entries:
                self._begin(entry.seq, entry.ledger_id)
            self._entries += 1
            self._last_seq = entry.seq
            batch.append(entry)
            if len(batch) == _BATCH or entry.seq in self._anchors:
                self._ledger = None if self._ledger is None else replay_in_batches(batch, self._ledger)
                batch = []
                self._compare_anchor(entry.seq)
        if self._ledger is not None:
            self._ledger = replay_in_batches(batch, self._ledger)

    def _begin(self, first_seq: int, ledger_id: str) -> None:
        self._first_seq, self._ledger_id = first_seq, ledger_id
        base = load_anchor(self._anchors[first_seq - 1]) if first_seq - 1 in self._anchors else None
        if first_seq == 1:
            self._ledger = Ledger(ledger_id)
        elif base is not None and base.ledger_id == ledger_id:
            self._ledger = ledger_at(base)

    def _compare_anchor(self, seq: int) -> None:
        if seq not in self._anchors or self._ledger is None:
            return
        anchor = load_anchor(self._anchors[seq])
        if anchor is None:
            raise JournalCorrupt(f"{self._anchors[seq]} can't be read: remove it; the next segment gets another one")
        if anchor.ledger_id != self._ledger_id or ledger_at(anchor).state != self._ledger.state:
            raise JournalCorrupt(
                f"the anchor after entry {seq} differs from the state that the entries before it lead to: remove "
                f"{self._anchors[seq]}, or restore the journal's files from a copy"
            )
        self._equal_anchors += 1

    def report(self, problem: str) -> JournalReport:
        closed = SegmentedFile(self._path).closed()
        files = [*(segment.path for segment in closed), *self._anchors.values(), self._path]
        return JournalReport(
            ledger_id=self._ledger_id, entries=self._entries, first_seq=self._first_seq, last_seq=self._last_seq,
            removed_through_seq=max(0, self._first_seq - 1), is_replayed=self._ledger is not None and not problem,
            anchors=self._equal_anchors, segments=len(closed) + self._path.exists(),
            size_bytes=sum(file.stat().st_size for file in files if file.exists()),
            torn_bytes=self._reader.torn_bytes, problem=problem,
        )  # fmt: skip
