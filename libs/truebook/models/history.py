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

from truebook.decoding import UNREADABLE
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
    """Of ``in_use``: the first observation that the model decided; earlier ones were decided by the previous model.
    Without a model none decides from that observation on: it was stopped."""
    observed_us: int = 0
    """Of ``in_use``: when that observation was made, of the same clock as ``at_us``; 0 in lines of earlier versions."""


class Switch(msgspec.Struct, frozen=True, kw_only=True):
    """A change of models in a replay, at the first observation after it; without a name no model decides any more.

    ``is_exact``: that observation is the recorded one, and not the first one after its time.
    """

    at_us: int
    observation_id: str
    name: str | None
    sha256: str | None
    is_exact: bool


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
        return tuple(read_lines(path)[0])
    except FileNotFoundError:
        return ()


def read_lines(path: Path) -> tuple[list[Change], list[int]]:
    """Read a history; also return the numbers of its lines that can't be read, from 1 on. Raises OSError."""
    found: list[Change] = []
    unreadable: list[int] = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            found.append(msgspec.json.decode(line, type=Change))
        except UNREADABLE:
            if line.strip():
                unreadable.append(number)
    return found, unreadable
