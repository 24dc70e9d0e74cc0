"""What happened to a registry's models: one JSON line per change, oldest first, in FOLDER/changes.jsonl.

The file is only appended to. A line that cannot be read, such as one torn by a power failure, costs itself only.
"""

from __future__ import annotations

import errno
import os
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from truebook.files import is_full_disk
from truebook.models.errors import RegistryReadOnly

HISTORY: Final = "changes.jsonl"
_MODE: Final = 0o666
"""Less the umask: several users may append."""


class ModelVersion(msgspec.Struct, frozen=True):
    """A model's name and the digest of its bytes."""

    name: str
    sha256: str


class ChangeKind(StrEnum):
    """The kinds of changes."""

    ACTIVATED = "activated"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    STOPPED = "stopped"
    """No model decides: there is no earlier one to roll back to."""
    SHADOW_SET = "shadow_set"
    SHADOW_REMOVED = "shadow_removed"
    IN_USE = "in_use"
    """A policy decided its first batch with the model: the point of the switch."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change. ``by`` is ``operator`` or the service that made it; ``reason`` is that of an automatic change."""

    at_us: int
    kind: ChangeKind
    model: ModelVersion | None
    previous: ModelVersion | None = None
    by: str = "operator"
    reason: str = ""
    evidence: str = ""
    """Of a promotion: the summary of the shadow run."""
    observation_id: str = ""
    """Of ``in_use``: the first observation that the model decided; earlier ones were decided by the previous model."""


def append_change(folder: Path, change: Change) -> None:
    """Append one line; raises ``RegistryReadOnly``, and OSError if the disk is full."""
    path = folder / HISTORY
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _MODE)
        try:
            start = b"" if _ends_a_line(path) else b"\n"  # after a line torn by a full disk or a power failure
            line = start + msgspec.json.encode(change) + b"\n"
            if os.write(descriptor, line) < len(line):  # one call: lines of two processes do not mix
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if is_full_disk(error):
            raise
        raise RegistryReadOnly(path, error) from error


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return file.read(1) in (b"", b"\n")


def read_changes(path: Path) -> tuple[Change, ...]:
    """Read a history; empty if the file is missing. Raises OSError."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return ()
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=Change))
        except msgspec.DecodeError:
            continue
    return tuple(found)
