"""An append-only file in segments: a long one is closed under a numbered name, compressed, and removed in the end.

    journal.jsonl                    the open segment, to which its owner appends
    journal.000000004001.jsonl       closed, not yet compressed
    journal.000000000001.jsonl.zst   closed and compressed (zstd)

The number is that of the segment's first line. The plain copy is removed only after the compressed one was read back
and has the same content, so that a crash or a full disk leaves a complete copy at every step.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import zstandard

from truebook.files import PART, sync_folder

COMPRESSED: Final = ".zst"
_DIGITS: Final = 12
_LEVEL: Final = 3
_CHUNK: Final = 2**20


class SegmentDamaged(Exception):
    """A compressed segment can't be read."""


class Segment(NamedTuple):
    """A closed segment; ``first`` is the number of its first line."""

    first: int
    path: Path


class SegmentedFile:
    """The segments beside one open file; it has no state besides the names on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def closed(self) -> list[Segment]:
        """List the closed segments, oldest first; of two copies the compressed one, which is complete."""
        found = self.numbered(self.path.suffix) | self.numbered(self.path.suffix + COMPRESSED)
        return [Segment(first, found[first]) for first in sorted(found)]

    def uncompressed(self) -> list[Segment]:
        """List the closed segments whose plain copy still exists, oldest first."""
        return [Segment(first, path) for first, path in sorted(self.numbered(self.path.suffix).items())]

    def numbered(self, ending: str) -> dict[int, Path]:
        """Find the files beside the open one that have a number and that ending."""
        found = {}
        for path in self.path.parent.glob(f"{self.path.stem}.*"):
            number = path.name.removeprefix(f"{self.path.stem}.").removesuffix(ending)
            if len(number) == _DIGITS and number.isdigit() and path.name.endswith(ending):
                found[int(number)] = path
        return found

    def beside(self, number: int, ending: str) -> Path:
        """Return the path of the file with that number and ending."""
        return self.path.with_name(f"{self.path.stem}.{number:0{_DIGITS}d}{ending}")

    def close(self, first: int) -> None:
        """Rename the open segment, or raise OSError; its owner then syncs the folder and begins another one."""
        self.path.rename(self.beside(first, self.path.suffix))

    def compress(self, segment: Segment) -> None:
        """Replace a closed segment by its compressed copy; raises OSError and leaves the plain one if that fails."""
        plain = self.beside(segment.first, self.path.suffix)
        target = plain.with_name(plain.name + COMPRESSED)
        if not target.exists():
            part = target.with_name(target.name + PART)
            try:
                with plain.open("rb") as source, part.open("wb") as file:
                    zstandard.ZstdCompressor(level=_LEVEL).copy_stream(source, file)
                    file.flush()
                    os.fsync(file.fileno())
                if _content_digest(part, compressed=True) != _content_digest(plain, compressed=False):
                    raise OSError(f"{part} differs from {plain} after it was written: check the disk")
                part.rename(target)
                sync_folder(target.parent)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        plain.unlink(missing_ok=True)

    def remove(self, segment: Segment) -> None:
        segment.path.unlink(missing_ok=True)


def read_lines(path: Path, skipped: int = 0) -> Iterator[bytes]:
    """Yield the lines of a segment behind its first bytes, plain or compressed; raises SegmentDamaged."""
    try:
        with open_segment(path) as file:
            file.read(skipped)
            yield from file
    except zstandard.ZstdError as error:
        raise SegmentDamaged(f"{path} can't be decompressed: {error}") from error


def read_prefix(path: Path, size: int) -> bytes:
    """Return the first bytes of a segment, plain or compressed; raises SegmentDamaged."""
    try:
        with open_segment(path) as file:
            return file.read(size)
    except zstandard.ZstdError as error:
        raise SegmentDamaged(f"{path} can't be decompressed: {error}") from error


@contextmanager
def open_segment(path: Path) -> Iterator[BinaryIO]:
    """Open a segment for reading its plain content; a plain one may have been compressed since it was listed."""
    compressed = path.with_name(path.name + COMPRESSED)
    if not path.exists() and compressed.exists():
        path = compressed
    with path.open("rb") as file:
        if not path.name.endswith((COMPRESSED, COMPRESSED + PART)):
            yield file
            return
        with zstandard.ZstdDecompressor().stream_reader(file) as plain, io.BufferedReader(plain, _CHUNK) as lines:
            yield lines


def _content_digest(path: Path, *, compressed: bool) -> str:
    assert compressed == path.name.endswith(COMPRESSED + PART)
    digest = hashlib.blake2b(digest_size=16)
    with open_segment(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
