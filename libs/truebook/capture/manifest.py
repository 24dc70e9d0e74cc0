"""Capture format 1: a folder that holds a recorded session, and the manifest that vouches for its files.

| file | one line is |
|---|---|
| ``manifest.json`` | the whole file: source, hosts, versions, and of each other file its SHA-256 and number of lines |
| ``markets.jsonl`` | the facts of one market, as ``messages.facts.MarketFacts`` |
| ``frames-0001.jsonl.zst``, ... | ``{"received_us", "connection", "frame"}``: exchange time of receipt, raw text |

A file is written under its name plus ``.part`` and renamed when it is whole; only whole files are in the manifest.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from truebook.messages.envelope import Source

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
MARKETS: Final = "markets.jsonl"
FRAMES: Final = "frames-{number:04d}.jsonl.zst"
FRAMES_PATTERN: Final = "frames-*.jsonl.zst"
PART: Final = ".part"


class CaptureError(Exception):
    """A recording that can't be read or written: says the file, the line where there is one, and what to do."""


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What the manifest says of one file."""

    sha256: str
    lines: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a recording is. ``use_yes_price`` is what its book subscription asked for."""

    source: Source
    hosts: tuple[str, ...]
    files: dict[str, FileEntry]
    format: int = FORMAT
    use_yes_price: bool = False
    versions: dict[str, str] = {}
    complete: bool = True
    """False while the recording is still going on, or after a recorder that did not end well."""


class FrameLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a frames file."""

    received_us: int
    connection: int
    frame: str


class _Format(msgspec.Struct):
    format: int


def read_manifest(folder: Path) -> Manifest:
    """Read and check a manifest: format, plain file names, nothing recorded that it does not list."""
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise CaptureError(f"{path}: missing; a recording is a folder with a manifest, or one .jsonl file") from None
    except OSError as error:
        raise CaptureError(f"{path}: can't be read: {error.strerror}") from error
    try:
        told = msgspec.json.decode(raw, type=_Format).format
        if told != FORMAT:
            raise CaptureError(f"{path}: capture format {told}; this version reads format {FORMAT}: update Truebook")
        manifest = msgspec.json.decode(raw, type=Manifest)
    except msgspec.DecodeError as error:
        raise CaptureError(f"{path}: not a manifest: {error}; record the session again") from error
    for name in manifest.files:
        if Path(name).name != name:
            raise CaptureError(f"{path}: lists {name!r}, which is not a plain file name")
    _check_nothing_unlisted(folder, manifest)
    return manifest


def _check_nothing_unlisted(folder: Path, manifest: Manifest) -> None:
    for part in sorted(folder.glob(f"*{PART}")):
        raise CaptureError(f"{part}: the recording was cut off in this file; delete it to read what is whole")
    for path in sorted(folder.glob(FRAMES_PATTERN)):
        if path.name not in manifest.files:
            raise CaptureError(f"{path}: not listed in {MANIFEST}; move it out of the folder")


def checked_file(folder: Path, name: str, entry: FileEntry) -> Path:
    """Return the path of a listed file after its hash was found right; raises ``CaptureError``."""
    path = folder / name
    try:
        found = file_hash(path)
    except OSError as error:
        raise CaptureError(f"{path}: listed in {MANIFEST}, but can't be read: {error.strerror}; restore it") from error
    if found != entry.sha256:
        raise CaptureError(f"{path}: changed since it was recorded (its SHA-256 is not the manifest's); restore it")
    return path


def file_hash(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
