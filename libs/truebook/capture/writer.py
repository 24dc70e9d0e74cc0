"""Writes a recording in capture format 1. The manifest on disk is updated after every complete file, so that a recorder
that crashes loses only the file in progress."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

import msgspec
import zstandard

from truebook.capture.manifest import (
    FRAMES,
    MANIFEST,
    MARKETS,
    PART,
    CaptureError,
    FileEntry,
    FrameLine,
    Manifest,
    file_hash,
)
from truebook.messages.envelope import Source
from truebook.messages.market_metadata import MarketMetadata

FRAMES_PER_FILE: Final = 200_000
COMPRESSION_LEVEL: Final = 6


def check_new(folder: Path) -> None:
    """Check that a recording can begin in the folder; raises ``CaptureError``. Changes nothing."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise CaptureError(f"{folder}: {nearest} is not a folder; choose a new or empty folder for the recording")
    if nearest is folder and any(folder.iterdir()):
        raise CaptureError(f"{folder}: not empty; choose an empty folder for the recording")


class CaptureWriter:
    """One recording. Use it as a context manager, or call ``close``; frames are added in the order of ``at_us``."""

    def __init__(
        self,
        folder: Path,
        *,
        source: Source,
        hosts: Sequence[str],
        use_yes_price: bool = False,
        versions: Mapping[str, str] | None = None,
        frames_per_file: int = FRAMES_PER_FILE,
    ) -> None:
        check_new(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._source = source
        self._hosts = tuple(hosts)
        self._use_yes_price = use_yes_price
        self._versions = dict(versions or {})
        self._frames_per_file = frames_per_file
        self._files: dict[str, FileEntry] = {}
        self._number = 0
        self._open: _FramesFile | None = None
        self._markets: dict[str, MarketMetadata] = {}
        self._last_us = 0
        self._closed = False
        self._write_manifest(complete=False)

    def add_markets(self, metadata: Iterable[MarketMetadata]) -> None:
        """Keep the first metadata of each market: a replay starts with it, and later changes are in the frames."""
        for one in metadata:
            self._markets.setdefault(one.ticker, one)

    def add_frame(self, at_us: int, connection: int, text: str) -> None:
        """Append one raw frame. Raises ``ValueError`` when time steps back, which is a bug of the caller."""
        if at_us < self._last_us:
            raise ValueError(f"frame at {at_us} us added after one at {self._last_us} us")
        self._last_us = at_us
        if self._open is None:
            self._number += 1
            self._open = _FramesFile(self._folder / FRAMES.format(number=self._number))
        self._open.add(FrameLine(received_us=at_us, connection=connection, frame=text))
        if self._open.lines >= self._frames_per_file:
            self._finish_frames()
            self._write_manifest(complete=False)

    def close(self) -> None:
        """Finish the last file, write the markets and the final manifest. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._finish_frames()
        lines = b"".join(msgspec.json.encode(metadata) + b"\n" for _, metadata in sorted(self._markets.items()))
        path = self._folder / MARKETS
        _write_durably(path, lines)
        self._files[MARKETS] = FileEntry(sha256=file_hash(path), lines=len(self._markets))
        self._write_manifest(complete=True)

    def __enter__(self) -> CaptureWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _finish_frames(self) -> None:
        if self._open is not None:
            path = self._open.finish()
            self._files[path.name] = FileEntry(sha256=file_hash(path), lines=self._open.lines)
            self._open = None

    def _write_manifest(self, *, complete: bool) -> None:
        manifest = Manifest(
            source=self._source,
            hosts=self._hosts,
            files=self._files,
            use_yes_price=self._use_yes_price,
            versions=self._versions,
            complete=complete,
        )
        _write_durably(self._folder / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")


class _FramesFile:
    """One compressed file under its temporary name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + PART)
        self._file: BinaryIO = self._part.open("wb")
        self._stream = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).stream_writer(self._file, closefd=False)
        self._encode = msgspec.json.Encoder().encode
        self.lines = 0

    def add(self, line: FrameLine) -> None:
        self._stream.write(self._encode(line) + b"\n")
        self.lines += 1

    def finish(self) -> Path:
        self._stream.close()  # type: ignore[no-untyped-call]
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self._path)
        return self._path


def _write_durably(path: Path, content: bytes) -> None:
    """Replace a file atomically: after a crash it is the old one or the new one."""
    part = path.with_name(path.name + PART)
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
