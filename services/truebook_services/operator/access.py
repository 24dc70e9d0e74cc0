"""The access file of the operator's API in the state folder: its address and token, readable by its owner only.

It is written when the API listens and removed when it stops. A killed process leaves a file with a dead address, which
a client detects by calling it.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

import msgspec

from truebook.decoding import UNREADABLE
from truebook.files import write_atomically

FILE: Final = "operator.json"


class Access(msgspec.Struct, frozen=True):
    """What a client needs to call the API."""

    url: str
    token: str
    pid: int


def new_token() -> str:
    return secrets.token_urlsafe(32)


def write_access(folder: Path, access: Access) -> Path:
    """Write the file atomically, readable by its owner only from its first byte on."""
    path = folder / FILE
    write_atomically(path, msgspec.json.encode(access))
    return path


def read_access(folder: Path) -> Access | None:
    """Read the file; None where it is missing or can't be decoded."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Access)
    except (OSError, *UNREADABLE):
        return None


def remove_access(folder: Path, access: Access) -> None:
    """Remove the file, unless a later process has already written its own."""
    if read_access(folder) == access:
        (folder / FILE).unlink(missing_ok=True)
