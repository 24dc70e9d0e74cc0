"""What the exchange writes to disk so that a killed one comes back as it was.

The engine is deterministic, so only what it can't derive is kept: its configuration, the accounts' commands, the
moments at which time moved something of an account, and each restart. A line is written and synced before anything
that follows from it is told to a client. Beside the journal, ``position`` holds how far time had come (not synced, it
only says how long the exchange was away).

    <crc32 of the rest, 8 hex digits> <JSON>\\n

A last line without its end was torn by a crash: nobody was told of it, so it is cut off. Anything else that does not
read is corruption and stops the exchange.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from truebook.simulation.recorded_queue import QueueModel
from truebook_services.paper_exchange.commands import Command

VERSION: Final = 1


class JournalError(Exception):
    """The journal can't be used; the message says what to do."""


class JournalCorrupt(JournalError):
    """A line in the middle does not read as it was written."""

    def __init__(self, file: Path, line: int, detail: str) -> None:
        super().__init__(f"{file}, line {line}: {detail}; restore the file, or move its folder away to start anew")
        self.file = file
        self.line = line


class JournalMismatch(JournalError):
    """The journal belongs to an exchange with other settings."""


class JournalInUse(JournalError):
    """Another process writes this journal."""


class Configured(msgspec.Struct, frozen=True, kw_only=True, tag="configured"):
    """The first line: what shapes the whole history."""

    v: int = VERSION
    start_us: int
    account: str
    balance_micros: int
    seed: int
    markets: int
    tickers: tuple[str, ...]
    settlement_delay_us: int
    capture: str | None = None
    queue: QueueModel = QueueModel.PESSIMISTIC


class Commanded(msgspec.Struct, frozen=True, kw_only=True, tag="commanded"):
    """A command, with the moment and the number of market events that were applied before it."""

    at_us: int
    position: int
    command: Command


class Advanced(msgspec.Struct, frozen=True, kw_only=True, tag="advanced"):
    """Time came to ``at_us``, which moved something of an account, or made the engine do what was due."""

    at_us: int
    position: int


class Resumed(msgspec.Struct, frozen=True, kw_only=True, tag="resumed"):
    """The exchange was away from ``until_us`` to ``at_us``: the market's events and closes move by the difference."""

    until_us: int
    position: int
    at_us: int


Entry = Configured | Commanded | Advanced | Resumed
_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)


class Journal(Protocol):
    """Where the engine's shell writes what it can't derive."""

    def append(self, entry: Entry) -> None: ...
    def sync(self) -> None:
        """Return once every appended entry is on disk."""
        ...

    def reached(self, at_us: int) -> None:
        """Note, without waiting for the disk, how far time has come."""
        ...

    def close(self) -> None: ...


class NoJournal:
    """For an exchange that lives in memory only."""

    def append(self, entry: Entry) -> None: ...
    def sync(self) -> None: ...
    def reached(self, at_us: int) -> None: ...
    def close(self) -> None: ...


class FileJournal:
    """A journal in a folder, held by one process at a time."""

    def __init__(self, folder: Path, log: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "journal.jsonl"
        self._log = log
        self._waiting: list[bytes] = []
        self._lines = 0
        self.size = 0
        """How many bytes have been read and written; with ``checksum`` (crc32) they name this history so far."""
        self.checksum = 0
        self._descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise JournalInUse(f"{self.file}: another exchange is running on this folder; end it first") from error
        self._position = os.open(folder / "position", os.O_RDWR | os.O_CREAT, 0o600)
        sync_folder(folder)

    def pass_over(self, size: int, checksum: int) -> bool:
        """Go to the end of a beginning that is known; false, and at the start, where the journal begins otherwise."""
        with self.file.open("rb") as file:
            known = file.read(size)
        is_known = len(known) == size and known.endswith(b"\n") and zlib.crc32(known) == checksum
        self.size, self.checksum = (size, checksum) if is_known else (0, 0)
        self._lines = known.count(b"\n") if is_known else 0
        return is_known

    def entries(self) -> Iterator[Entry]:
        """Read every entry that has not been read, and cut off a torn last line; raises ``JournalCorrupt``."""
        with self.file.open("rb") as lines:
            lines.seek(self.size)
            for line in lines:
                self._lines += 1
                if not line.endswith(b"\n"):
                    self._log.warning("the journal's last line was torn by a crash and is cut off", line=self._lines)
                    os.ftruncate(self._descriptor, self.size)
                    os.fsync(self._descriptor)
                    return
                entry = self._read(line, self._lines)
                self._count(line)
                yield entry

    def _count(self, written: bytes) -> None:
        self.size += len(written)
        self.checksum = zlib.crc32(written, self.checksum)

    def _read(self, line: bytes, number: int) -> Entry:
        head, _, body = line.rstrip(b"\n").partition(b" ")
        if head != b"%08x" % zlib.crc32(body):
            raise JournalCorrupt(self.file, number, "the checksum does not fit the line")
        try:
            return _decoder.decode(body)
        except msgspec.DecodeError as error:
            raise JournalCorrupt(self.file, number, str(error)) from error

    def came_to_us(self) -> int:
        """How far time had come when the last process ended; 0 where that is not known."""
        text = os.pread(self._position, 20, 0)
        return int(text) if text.isdigit() else 0

    def append(self, entry: Entry) -> None:
        body = _encoder.encode(entry)
        self._waiting.append(b"%08x %s\n" % (zlib.crc32(body), body))

    def sync(self) -> None:
        if not self._waiting:
            return
        lines = b"".join(self._waiting)
        left = memoryview(lines)
        while left:
            left = left[os.write(self._descriptor, left) :]
        os.fsync(self._descriptor)
        self._waiting.clear()
        self._count(lines)

    def reached(self, at_us: int) -> None:
        os.pwrite(self._position, b"%020d" % at_us, 0)

    def close(self) -> None:
        self.sync()
        os.close(self._descriptor)
        os.close(self._position)


def sync_folder(folder: Path) -> None:
    """Make the files' names themselves survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
