"""The journal as a file: lines are only ever added, and each batch is on disk before its relay goes on.

A last line without its end was torn by a crash, and nobody counted on it: it is cut off, and relayed once more. What
does not read anywhere else is corruption: ``JournalCorrupt`` names the line. The newest part of a long file is checked
when it is opened, all of it when it is replayed. One process at a time: the state folder's lock sees to that.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from truebook.ledger.journal_lines import LineError, read_line, write_line
from truebook.ledger.journal_port import Journal, JournalCorrupt, JournalUnavailable
from truebook.ledger.port import JournalEntry

CHECK_BYTES: Final = 32 * 2**20
"""How much of the file's end is checked when it is opened: a fraction of a second."""
PAGE: Final = 1000
"""Entries that are read at once."""


class _Place(NamedTuple):
    """A place between two lines: where it is, and the digest and number of the line before it.

    Null where that line was not read (its successor's digest can't be checked then); ``""`` and 0 at the beginning.
    """

    offset: int
    before: str | None = ""
    seq: int | None = 0


class FileJournal(Journal):
    """Make it by ``open``."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._end = _Place(0)
        self._tail: JournalEntry | None = None
        self._torn = False
        self._writing: asyncio.Future[None] | None = None
        self.cut_bytes = 0
        """How much of a torn last line was cut off."""

    @classmethod
    async def open(cls, path: Path, *, check_bytes: int = CHECK_BYTES) -> FileJournal:
        """Open the file, or make it; raises JournalCorrupt, or JournalUnavailable where it can't be used."""
        return await asyncio.to_thread(cls._open, path, check_bytes)

    @classmethod
    def _open(cls, path: Path, check_bytes: int) -> FileJournal:
        try:
            journal = cls(path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise JournalUnavailable(f"the ledger's journal can't be opened: {error}") from error
        try:
            journal._find_end(check_bytes)
            _sync_folder(path.parent)
        except BaseException:
            os.close(journal._descriptor)
            raise
        return journal

    @property
    def tail(self) -> JournalEntry | None:
        return self._tail

    async def read(self, after_seq: int) -> AsyncIterator[JournalEntry]:
        place = await asyncio.to_thread(self._find, after_seq)
        while True:
            entries, place = await asyncio.to_thread(self._page, place, PAGE)
            if not entries:
                return
            for entry in entries:
                yield entry

    async def append(self, entries: Sequence[JournalEntry]) -> None:
        lines, digest, tail = [], self._end.before or "", self._tail
        for entry in entries:
            if tail is not None and (entry.seq, entry.incarnation) != (tail.seq + 1, tail.incarnation):
                raise ValueError(f"entry {entry.seq} does not follow entry {tail.seq}")
            line, digest = write_line(entry, digest)
            lines.append(line)
            tail = entry
        if tail is not None and lines:
            text = b"".join(lines)
            end = _Place(self._end.offset + len(text), digest, tail.seq)
            self._writing = asyncio.ensure_future(asyncio.to_thread(self._write, text, end, tail))
            try:
                await asyncio.shield(self._writing)
            except asyncio.CancelledError:
                await self._written()
                raise

    async def _written(self) -> None:
        """Wait for a write whose caller was cancelled: its thread goes on, and who follows has to know its end."""
        if self._writing is not None:
            await asyncio.gather(asyncio.shield(self._writing), return_exceptions=True)

    async def aclose(self) -> None:
        await self._written()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, text: bytes, end: _Place, tail: JournalEntry) -> None:
        """Add text up to that end and force it to disk; a failure (disk full) leaves the file as it was."""
        try:
            if self._torn:
                os.ftruncate(self._descriptor, self._end.offset)
            self._torn = True
            left = memoryview(text)
            while left:
                left = left[os.write(self._descriptor, left) :]
            os.fsync(self._descriptor)
            self._torn = False
            self._end, self._tail = end, tail
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._end.offset)
            raise JournalUnavailable(f"the ledger's journal {self.path} can't be written: {error}") from error

    def _find_end(self, check_bytes: int) -> None:
        """Cut a torn last line off, and read the lines before it."""
        size = os.fstat(self._descriptor).st_size
        with self.path.open("rb") as file:
            whole = _end_of_last_line(file, size)
            if whole < size:
                self.cut_bytes = size - whole
                os.ftruncate(self._descriptor, whole)
                os.fsync(self._descriptor)
            place = _Place(0)
            if whole > check_bytes:
                file.seek(whole - check_bytes)
                file.readline()
                place = _Place(file.tell(), None, None)
        self._end = _Place(whole)
        while True:
            entries, place = self._page(place, PAGE)
            if not entries:
                break
            self._tail = entries[-1]
        self._end = place

    def _page(self, place: _Place, limit: int) -> tuple[list[JournalEntry], _Place]:
        """Read and check lines from that place on; answer the place after them."""
        entries: list[JournalEntry] = []
        with self.path.open("rb") as file:
            file.seek(place.offset)
            while len(entries) < limit and place.offset < self._end.offset:
                line = file.readline()
                try:
                    entry, digest = read_line(line, place.before)
                    if place.seq and entry.seq != place.seq + 1:
                        raise LineError(f"entry {entry.seq} follows entry {place.seq}")
                except LineError as error:
                    raise self._corrupt(place.offset, str(error)) from error
                place = _Place(place.offset + len(line), digest, entry.seq)
                entries.append(entry)
        return entries, place

    def _find(self, seq: int) -> _Place:
        """Find the place after the entry of that number, by halving; where the file begins later, its beginning."""
        low, high = 0, self._end.offset
        with self.path.open("rb") as file:
            while high - low > 1:
                middle = (low + high) // 2
                file.seek(middle - 1)  # a line that begins at the middle itself is not passed by
                file.readline()
                start = file.tell()
                if start >= high:
                    high = middle
                elif self._read_at(file, start)[0].seq <= seq:
                    low = start
                else:
                    high = middle
            if low >= self._end.offset:
                return _Place(low)
            entry, digest = self._read_at(file, low)
            return _Place(0) if entry.seq > seq else _Place(file.tell(), digest, entry.seq)

    def _read_at(self, file: BinaryIO, start: int) -> tuple[JournalEntry, str]:
        file.seek(start)
        try:
            return read_line(file.readline(), None)
        except LineError as error:
            raise self._corrupt(start, str(error)) from error

    def _corrupt(self, offset: int, detail: str) -> JournalCorrupt:
        with self.path.open("rb") as file:
            line = file.read(offset).count(b"\n") + 1
        return JournalCorrupt(
            f"{self.path}, line {line}: {detail}. Restore the file from a copy; or move it away, to go on from the "
            "ledger as it is"
        )


def _end_of_last_line(file: BinaryIO, size: int) -> int:
    """Find where the last whole line ends, reading backwards."""
    end = size
    while end > 0:
        start = max(0, end - 2**16)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _sync_folder(folder: Path) -> None:
    """Make the file's name itself survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
