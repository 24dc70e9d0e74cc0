"""The journal as a file: append-only, and each batch is on disk before ``append`` returns.

A last line without its end was torn by a crash before ``append`` returned: it is cut off and relayed again. Damage
anywhere else raises ``JournalCorrupt`` with the line number. A long file is closed as a segment; the next
one begins with a line that continues its chain of digests. The open segment is checked when it is opened, a closed one
when it is read. Only one process may use the file: the state folder's lock ensures that.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from truebook.files import sync_folder
from truebook.ledger.journal.anchors import load_newest_anchor
from truebook.ledger.journal.chain import chained, hash_of
from truebook.ledger.journal.lines import SegmentStart, write_line
from truebook.ledger.journal.port import JournalAnchor, JournalUnavailable, LedgerJournal
from truebook.ledger.journal.reading import SegmentReader
from truebook.ledger.port import JournalEntry
from truebook.segments import SegmentedFile

SEGMENT_BYTES: Final = 64 * 2**20
"""Size at which the open segment is closed; checking that much takes about a second."""
PAGE: Final = 1000
"""Entries read at once."""


class _Position(NamedTuple):
    """The end of the open segment, with the digest of the line before it."""

    offset: int
    digest: str = ""


class FileJournal(LedgerJournal):
    """Create it with ``open``."""

    def __init__(self, path: Path, descriptor: int, segment_bytes: int) -> None:
        self.path = path
        self.segments = SegmentedFile(path)
        self._descriptor = descriptor
        self._segment_bytes = segment_bytes
        self._end = _Position(0)
        self._first_seq = 0
        self._tail: JournalEntry | None = None
        self._torn = False
        self._writing: asyncio.Future[None] | None = None
        self.cut_bytes = 0
        """Length of the torn last line that was cut off."""

    @classmethod
    async def open(cls, path: Path, *, segment_bytes: int = SEGMENT_BYTES) -> FileJournal:
        """Open or create the file; raises JournalCorrupt, or JournalUnavailable if it can't be used."""
        return await asyncio.to_thread(cls._open, path, segment_bytes)

    @classmethod
    def _open(cls, path: Path, segment_bytes: int) -> FileJournal:
        try:
            journal = cls(path, _open_file(path), segment_bytes)
        except OSError as error:
            raise JournalUnavailable(f"the ledger's journal can't be opened: {error}") from error
        try:
            journal._find_end()
            sync_folder(path.parent)
        except BaseException:
            os.close(journal._descriptor)
            raise
        return journal

    @property
    def tail(self) -> JournalEntry | None:
        return self._tail

    @property
    def open_after_seq(self) -> int:
        """The number of the last entry in a closed segment; 0 without one."""
        return max(0, self._first_seq - 1)

    async def read(self, after_seq: int) -> AsyncIterator[JournalEntry]:
        entries = SegmentReader(self.path, self._end.offset).entries(after_seq)
        while page := await asyncio.to_thread(lambda: list(islice(entries, PAGE))):
            for entry in page:
                yield entry

    async def anchor(self) -> JournalAnchor | None:
        if self._tail is None:
            return None
        return await asyncio.to_thread(load_newest_anchor, self.path, self._tail.seq - 1)

    async def append(self, entries: Sequence[JournalEntry]) -> None:
        lines, digest, tail = [], self._end.digest, self._tail
        if tail is not None and entries and not 0 < self._end.offset < self._segment_bytes:
            start = SegmentStart(after_seq=tail.seq, ledger_id=tail.ledger_id, before=digest, head=hash_of(tail))
            line, digest = write_line(start, digest)
            lines.append(line)
        for entry in chained(entries, tail):
            if tail is not None and (entry.seq, entry.ledger_id) != (tail.seq + 1, tail.ledger_id):
                raise ValueError(f"entry {entry.seq} does not follow entry {tail.seq}")
            line, digest = write_line(entry, digest)
            lines.append(line)
            tail = entry
        if tail is not None and lines:
            writing = asyncio.to_thread(self._write, b"".join(lines), digest, entries[0].seq, tail)
            self._writing = asyncio.ensure_future(writing)
            try:
                await asyncio.shield(self._writing)
            except asyncio.CancelledError:
                await self._written()
                raise

    async def _written(self) -> None:
        """Wait for a write whose caller was cancelled: its thread continues, and the next write needs its end."""
        if self._writing is not None:
            await asyncio.gather(asyncio.shield(self._writing), return_exceptions=True)

    async def aclose(self) -> None:
        await self._written()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, text: bytes, digest: str, first_seq: int, tail: JournalEntry) -> None:
        """Append text and force it to disk; a failure (disk full) leaves the file as it was."""
        try:
            if self._torn:
                os.ftruncate(self._descriptor, self._end.offset)
                self._torn = False
            if self._end.offset >= self._segment_bytes:
                self._close_segment()
            self._torn = True
            left = memoryview(text)
            while left:
                left = left[os.write(self._descriptor, left) :]
            os.fsync(self._descriptor)
            self._torn = False
            if self._end.offset == 0:
                self._first_seq = first_seq
            self._end, self._tail = _Position(self._end.offset + len(text), digest), tail
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._end.offset)
            raise JournalUnavailable(f"the ledger's journal {self.path} can't be written: {error}") from error

    def _close_segment(self) -> None:
        """Close the open segment and open an empty file in its place; raises OSError and may be repeated."""
        if self.path.exists():
            self.segments.close(self._first_seq)
        if self._tail is not None:
            self._first_seq = self._tail.seq + 1  # also if the next write fails: no anchor covers what is closed here
        sync_folder(self.path.parent)
        descriptor = _open_file(self.path)
        os.close(self._descriptor)
        self._descriptor, self._end = descriptor, _Position(0, self._end.digest)
        sync_folder(self.path.parent)

    def _find_end(self) -> None:
        """Cut off a torn last line, and read the lines before it; without an entry, also the segment before."""
        size = os.fstat(self._descriptor).st_size
        with self.path.open("rb") as file:
            whole = _end_of_last_line(file, size)
        if whole < size:
            self.cut_bytes = size - whole
            os.ftruncate(self._descriptor, whole)
            os.fsync(self._descriptor)
        reader = SegmentReader(self.path, whole)
        digest, tail = reader.end_of(reader.open)
        self._first_seq = reader.first_seq
        if tail is None and (closed := self.segments.closed()):
            before, tail = reader.end_of(closed[-1])
            digest = digest or before
            self._first_seq = 0 if tail is None else tail.seq + 1
        self._end, self._tail = _Position(whole, digest), tail


def _open_file(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _end_of_last_line(file: BinaryIO, size: int) -> int:
    """Return where the last complete line ends, reading backwards."""
    end = size
    while end > 0:
        start = max(0, end - 2**16)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
