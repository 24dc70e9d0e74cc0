"""The folder of a recording: its manifest, with the checksums of its files, in capture formats 1 and 2.

| file | content |
|---|---|
| ``manifest.json`` | source, hosts, versions, and SHA-256 and number of lines of each other file |
| ``markets.jsonl`` | one line per market: ``messages.market_metadata.MarketMetadata`` |
| ``frames-0001.jsonl.zst``, ... | format 1: one line per frame: ``{"received_us", "connection", "frame"}`` |
| ``events-2026-08-10.parquet``, ... | format 2: the decoded events of one UTC day (``capture.columnar.schema``) |

``received_us`` is the exchange time of receipt, ``frame`` the raw text. A file is written under its name plus
``.part`` and renamed when complete; the manifest lists complete files only.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from truebook.decoding import UNREADABLE
from truebook.messages.envelope import Source

FORMAT: Final = 1
COLUMNAR_FORMAT: Final = 2
READABLE: Final = (FORMAT, COLUMNAR_FORMAT)
MANIFEST: Final = "manifest.json"
MARKETS: Final = "markets.jsonl"
FRAMES: Final = "frames-{number:04d}.jsonl.zst"
FRAMES_PATTERN: Final = "frames-*.jsonl.zst"
EVENTS: Final = "events-{day}.parquet"
EVENTS_PATTERN: Final = "events-*.parquet"
PART: Final = ".part"


class CaptureError(Exception):
    """A recording that cannot be read or written; the message has the file, the line if any, and what to do."""


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The manifest's entry of one file; ``lines`` counts the rows of a Parquet file."""

    sha256: str
    lines: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The description of a recording. ``use_yes_price`` is the flag of its book subscription (format 1)."""

    source: Source
    hosts: tuple[str, ...]
    files: dict[str, FileEntry]
    format: int = FORMAT
    use_yes_price: bool = False
    versions: dict[str, str] = {}
    complete: bool = True
    """False while the recording is in progress, or after the recorder exited unexpectedly."""
    imported_from: str = ""
    """Format 2: the format that the events were imported from."""


class FrameLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a frames file."""

    received_us: int
    connection: int
    frame: str


class _Format(msgspec.Struct):
    format: int


def read_manifest(folder: Path) -> Manifest:
    """Read and check a manifest: format, plain file names, no unlisted or partial files."""
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        what = "missing; a recording is a folder with a manifest, or one .jsonl file"
        raise CaptureError(f"{path}: {what}; make one of other recorded data with `truebook data import`") from None
    except OSError as error:
        raise CaptureError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        found = msgspec.json.decode(raw, type=_Format).format
        if found not in READABLE:
            newest = max(READABLE)
            raise CaptureError(f"{path}: capture format {found}; this version reads up to {newest}: update Truebook")
        manifest = msgspec.json.decode(raw, type=Manifest)
    except UNREADABLE as error:
        raise CaptureError(f"{path}: not a manifest: {error}; record the session again") from error
    for name in manifest.files:
        if Path(name).name != name:
            raise CaptureError(f"{path}: lists {name!r}, which is not a plain file name")
    _check_nothing_unlisted(folder, manifest)
    return manifest


def _check_nothing_unlisted(folder: Path, manifest: Manifest) -> None:
    for part in sorted(folder.glob(f"*{PART}")):
        raise CaptureError(f"{part}: the recording stopped within this file; delete it to read the complete files")
    for path in sorted((*folder.glob(FRAMES_PATTERN), *folder.glob(EVENTS_PATTERN))):
        if path.name not in manifest.files:
            raise CaptureError(f"{path}: not listed in {MANIFEST}; move it out of the folder")


def checked_file(folder: Path, name: str, entry: FileEntry) -> Path:
    """Return the path of a listed file after its hash was verified; raises ``CaptureError``."""
    path = folder / name
    try:
        found = file_hash(path)
    except OSError as error:
        raise CaptureError(f"{path}: listed in {MANIFEST}, but cannot be read: {error.strerror}; restore it") from error
    if found != entry.sha256:
        raise CaptureError(f"{path}: changed since it was recorded (SHA-256 differs from the manifest); restore it")
    return path


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
