"""The exchange's write-ahead journal: a killed exchange is restored from it.

The engine is deterministic, so only its inputs are written: the configuration, the accounts' commands, the times at
which something of an account changed, and each restart. A line is written before any client is sent its effects: a
killed process loses none. It is on disk before that too, or soon after (``syncs_each``), which matters if the machine
stops. Beside the journal, the file ``position`` has the last time of the exchange (not synced: it only gives the length
of a downtime).

    <crc32 of the rest, 8 hex digits> <JSON>\\n

A last line without its newline was torn by a crash: no client was sent its effects, so it is truncated. Any other
unreadable line is corruption and stops the exchange.

A long file is closed as a segment (``truebook.segments``) where a checkpoint was saved; the next one begins with the
settings and the checksum of all that was before. The oldest segments are removed once two checkpoints follow them.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from truebook.decoding import UNREADABLE
from truebook.files import sync_folder, write_atomically
from truebook.segments import SegmentDamaged, SegmentedFile, read_lines, read_prefix
from truebook_services.paper_exchange.engine.entries import Configured, Continued, Entry
from truebook_services.paper_exchange.engine.journal_errors import (
    ExchangeJournalCorrupt,
    ExchangeJournalInUse,
    ExchangeJournalUnavailable,
)

POSITION: Final = "position"
LOCK: Final = "journal.lock"
TIME_DIGITS: Final = 20


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)


class _Place(NamedTuple):
    """A position in the history: what was before it, in all segments."""

    size: int = 0
    checksum: int = 0
    lines: int = 0

    def after(self, written: bytes) -> _Place:
        return _Place(self.size + len(written), zlib.crc32(written, self.checksum), self.lines + written.count(b"\n"))


_START: Final = _Place()


def _start_of(first: Configured | Continued) -> _Place:
    """Return where a segment with that first line begins."""
    if isinstance(first, Configured):
        return _START
    return _Place(first.after_bytes, first.after_checksum, first.after_lines)


def _line(entry: Entry) -> bytes:
    body = _encoder.encode(entry)
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _lines(path: Path, *, skipped: int = 0, number: int = 0) -> Iterator[bytes]:
    """Yield the lines of a segment behind its first bytes (``number`` lines); raises ``ExchangeJournalCorrupt``."""
    try:
        for line in read_lines(path, skipped):
            number += 1
            yield line
    except SegmentDamaged as error:
        raise ExchangeJournalCorrupt(path, number + 1, str(error)) from error


def _prefix(path: Path, size: int) -> bytes:
    """Return the first bytes of a segment; raises ``ExchangeJournalCorrupt``."""
    try:
        return read_prefix(path, size)
    except SegmentDamaged as error:
        raise ExchangeJournalCorrupt(path, 1, str(error)) from error


class ExchangeJournal:
    """Keeps nothing: the journal of an exchange in memory, and the base of the one on disk."""

    def append(self, entry: Entry) -> None: ...
    def sync(self) -> None:
        """Write every appended entry."""

    def flush(self) -> None:
        """Return once every written entry is on disk."""

    def pending_flush(self) -> Callable[[], None] | None:
        """Return what brings the written entries to disk, for another thread; None if they are there."""
        return None

    def failed(self, error: OSError) -> None:
        """Let the next ``sync`` raise: what was written is perhaps not on disk."""

    def record_time(self, at_us: int) -> None:
        """Write the exchange's time, without a sync."""

    def close(self) -> None:
        """Sync and release the folder; a second call has no effect."""


class ExchangeJournalFile(ExchangeJournal):
    """A journal in a folder, locked by one process."""

    def __init__(self, folder: Path, log: Any, *, segment_bytes: int, max_bytes: int, syncs_each: bool = True) -> None:
        """A segment ends beyond ``segment_bytes``; closed ones beyond ``max_bytes`` are removed, oldest first.

        ``syncs_each``: ``sync`` returns when the entries are on disk; otherwise ``flush`` brings them there.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "journal.jsonl"
        self.segments = SegmentedFile(self.file)
        self._log = log
        self._segment_bytes = segment_bytes
        self._max_bytes = max_bytes
        self._syncs_each = syncs_each
        self._is_flushed = True
        self._failure: OSError | None = None
        self._unwritten: list[bytes] = []
        self._at = _START
        self._open_start = _START
        self._lock = _locked(folder)
        self._finish_segment()
        self._descriptor = _open_file(self.file)
        self._position = os.open(folder / POSITION, os.O_RDWR | os.O_CREAT, 0o600)
        self._is_open = True
        sync_folder(folder)

    @property
    def descriptor(self) -> int:
        """The open segment's file."""
        return self._descriptor

    @property
    def size(self) -> int:
        """Bytes read and written so far; with ``checksum`` (crc32) they identify this history."""
        return self._at.size

    @property
    def checksum(self) -> int:
        return self._at.checksum

    # Reading.

    def first(self) -> Configured | Continued | None:
        """Read the first line of the oldest segment; None for a new journal."""
        return next((first for _, first in self._segments_on_disk()), None)

    def skip_prefix(self, size: int, checksum: int) -> bool:
        """Seek behind a known prefix; False, and back to the start, if the journal begins differently."""
        known = [(path, start) for path, first in self._segments_on_disk() if (start := _start_of(first)).size <= size]
        if known:
            path, self._at = known[-1]
            self._at = self._at.after(_prefix(path, size - self.size))
            if (self.size, self.checksum) == (size, checksum):
                return True
        self._at = _START
        return False

    def entries(self) -> Iterator[Entry]:
        """Yield the unread entries and truncate a torn last line; raises ``ExchangeJournalCorrupt``."""
        starts = [(path, _start_of(first)) for path, first in self._segments_on_disk()]
        for number, (path, start) in enumerate(starts, start=1):
            if self._at == _START:
                self._at = start
            if path == self.file:
                self._open_start = start
            is_read = number < len(starts) and starts[number][1].size <= self.size
            if not is_read:
                yield from self._entries_of(path, start)
        if not self.segments.closed() and self.file.stat().st_size and self._at == _START:
            self._cut(self.file, 1, 0)

    def _entries_of(self, path: Path, start: _Place) -> Iterator[Entry]:
        position = self._at if self.size > start.size else start
        number = position.lines - start.lines
        for line in _lines(path, skipped=position.size - start.size, number=number):
            number += 1
            if not line.endswith(b"\n"):
                self._cut(path, number, position.size - start.size)
                return
            entry = self._read(path, line, number)
            if number == 1 and position != self._at:
                raise ExchangeJournalCorrupt(path, 1, "it does not continue the segment before it")
            position = self._at = position.after(line)
            if not isinstance(entry, Continued):
                yield entry

    def _segments_on_disk(self) -> Iterator[tuple[Path, Configured | Continued]]:
        """Yield each segment that has a complete line, oldest first, with its first entry."""
        for path in (*(segment.path for segment in self.segments.closed()), self.file):
            line = next(_lines(path), b"")
            if line.endswith(b"\n"):
                first = self._read(path, line, 1)
                if not isinstance(first, Configured | Continued):
                    raise ExchangeJournalCorrupt(path, 1, "the first line is not the configuration")
                yield path, first

    def _cut(self, path: Path, number: int, length: int) -> None:
        if path != self.file:
            raise ExchangeJournalCorrupt(path, number, "the line has no end")
        self._log.warning("journal line torn by a crash was truncated", line=number)
        os.ftruncate(self._descriptor, length)
        os.fsync(self._descriptor)

    def _read(self, path: Path, line: bytes, number: int) -> Entry:
        head, _, body = line.rstrip(b"\n").partition(b" ")
        if head != b"%08x" % zlib.crc32(body):
            raise ExchangeJournalCorrupt(path, number, "wrong checksum")
        try:
            return _decoder.decode(body)
        except UNREADABLE as error:
            raise ExchangeJournalCorrupt(path, number, str(error)) from error

    def last_time_us(self) -> int:
        """Return the time at which the last process ended; 0 if unknown."""
        return _time_us(os.pread(self._position, TIME_DIGITS, 0))

    # Writing.

    def append(self, entry: Entry) -> None:
        self._unwritten.append(_line(entry))

    def sync(self) -> None:
        if self._failure is not None:
            raise self._unavailable(self._failure) from self._failure
        if not self._unwritten:
            return
        lines = b"".join(self._unwritten)
        self._unwritten.clear()
        remaining = memoryview(lines)
        try:
            while remaining:
                remaining = remaining[os.write(self._descriptor, remaining) :]
            if self._syncs_each:
                os.fsync(self._descriptor)
            else:
                self._is_flushed = False
        except OSError as error:
            # No client was sent the effects. Without the cut, a later line would follow a torn one.
            with suppress(OSError):
                os.ftruncate(self._descriptor, self.size - self._open_start.size)
            raise self._unavailable(error) from error
        self._at = self._at.after(lines)

    def _unavailable(self, error: OSError) -> ExchangeJournalUnavailable:
        return ExchangeJournalUnavailable(f"{self.file} can't be written: {error}; free disk space, and start again")

    def flush(self) -> None:
        if not self._syncs_each:  # also where another thread does: it may not have finished
            os.fsync(self._descriptor)
            self._is_flushed = True

    def pending_flush(self) -> Callable[[], None] | None:
        if self._is_flushed:
            return None
        # A descriptor of its own: the segment may end meanwhile, which closes the journal's.
        descriptor = os.dup(self._descriptor)
        self._is_flushed = True

        def flush() -> None:
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

        return flush

    def failed(self, error: OSError) -> None:
        self._failure = error

    @property
    def is_long(self) -> bool:
        """Whether the open segment should be closed at the next checkpoint."""
        return self.size - self._open_start.size >= self._segment_bytes

    def begin_segment(self, configured: Configured) -> None:
        """Close the open segment; call right after a checkpoint was saved.

        Raises OSError if it stays open, and ``ExchangeJournalUnavailable`` if it is closed without the next one.
        """
        self.flush()  # what is closed is not flushed again, and the next segment names its length
        start = self._at
        line = _line(
            Continued(
                configured=configured, after_bytes=start.size, after_checksum=start.checksum, after_lines=start.lines
            )
        )
        # The next segment is complete before it takes the file's name: see ``_finish_segment`` for a crash in between.
        write_atomically(self._following, line)
        following = _open_file(self._following)
        try:
            self.segments.close(self._open_start.lines + 1)
        except BaseException:
            os.close(following)
            raise
        # What is closed may be compressed and removed at any time: nothing more is written to it.
        os.close(self._descriptor)
        self._descriptor, self._open_start, self._at = following, start, start.after(line)
        try:
            self._finish_segment()
        except OSError as error:
            raise ExchangeJournalUnavailable(
                f"{self.file}: the next segment can't be begun: {error}; correct the folder's disk, and start again"
            ) from error

    def _finish_segment(self) -> None:
        """Give the next segment the file's name, if the one before is closed; else it is begun again later."""
        if self.file.exists():
            self._following.unlink(missing_ok=True)
        elif self._following.exists():
            sync_folder(self.file.parent)  # the closed one has its own name before another one takes the file's
            self._following.rename(self.file)
            sync_folder(self.file.parent)

    @property
    def _following(self) -> Path:
        return self.file.with_name(f"{self.file.name}.next")

    def record_time(self, at_us: int) -> None:
        os.pwrite(self._position, b"%0*d" % (TIME_DIGITS, at_us), 0)

    def bound(self, removable_bytes: int) -> None:
        """Compress closed segments, and remove the oldest ones within that prefix beyond the limit; raises OSError."""
        for segment in self.segments.uncompressed():
            self.segments.compress(segment)
        closed = self.segments.closed()
        starts = [_start_of(first).size for _, first in self._segments_on_disk()]
        left = sum(segment.path.stat().st_size for segment in closed)
        for segment, end in zip(closed, starts[1:], strict=False):
            if left <= self._max_bytes or end > removable_bytes:
                return
            left -= segment.path.stat().st_size
            self.segments.remove(segment)
            self._log.info("segment of the exchange's journal removed", file=segment.path.name)

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            try:
                self.sync()
                self.flush()
            finally:
                for descriptor in (self._descriptor, self._position, self._lock):
                    os.close(descriptor)


def _open_file(file: Path) -> int:
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)


def _locked(folder: Path) -> int:
    """Lock the folder; a file of its own, since the journal's is replaced by each next segment."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise ExchangeJournalInUse(f"{folder}: another exchange is running on this folder; stop it first") from error
    return lock


def last_time_us(folder: Path) -> int:
    """Return the last time of the exchange in a folder, without opening it; 0 if unknown."""
    try:
        return _time_us((folder / POSITION).read_bytes()[:TIME_DIGITS])
    except FileNotFoundError:
        return 0


def _time_us(text: bytes) -> int:
    return int(text) if text.isdigit() else 0
