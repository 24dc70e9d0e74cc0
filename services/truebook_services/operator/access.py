"""Where the operator's API of a state folder listens, and the token that it asks for: one file that only its owner
may read. It is written when the API listens and removed when it ends; one left behind by a killed process names a
dead address, which a client finds out by knocking."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

import msgspec

FILE: Final = "operator.json"


class Access(msgspec.Struct, frozen=True):
    """What a client needs."""

    url: str
    token: str
    pid: int


def new_token() -> str:
    return secrets.token_urlsafe(32)


def write_access(folder: Path, access: Access) -> Path:
    """Put the file in place whole, readable by its owner alone from its first byte on."""
    path = folder / FILE
    draft = folder / f".{FILE}.{access.pid}"
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(access))
    draft.rename(path)
    return path


def read_access(folder: Path) -> Access | None:
    """Read the file; null where there is none, or none that can be read."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Access)
    except (OSError, msgspec.DecodeError):
        return None


def remove_access(folder: Path, access: Access) -> None:
    """Remove the file, unless a later process has already written its own."""
    if read_access(folder) == access:
        (folder / FILE).unlink(missing_ok=True)
