"""Files that are complete or absent, also after a crash or a power failure."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

PART: Final = ".part"
"""Ending of a file that is not complete yet."""
PRIVATE: Final = 0o600


def write_atomically(path: Path, content: bytes, *, mode: int = PRIVATE, concurrent: bool = False) -> None:
    """Replace a file so that a reader finds the old bytes or the new ones; raises OSError.

    The umask is taken from ``mode``. ``concurrent``: several processes may write this file at once, so each has a part
    of its own, of a random name: processes in two containers may have the same id. A killed one leaves it behind.
    """
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}{PART}" if concurrent else f"{path.name}{PART}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that the names of its files survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_full_disk(error: BaseException) -> bool:
    """Whether a file could not be written for lack of space, or beyond a quota or limit."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
