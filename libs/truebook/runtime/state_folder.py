"""The folder of one account's local state, and the lock that keeps a second process out.

The lock is a file ``lock`` that its owner holds by ``flock``. The kernel releases it when the process ends, however it
ends, so the lock of a killed process can be taken at once. The pid in the file is information only.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from truebook.decoding import UNREADABLE

LOCK: Final = "lock"
LOG: Final = "log.jsonl"
PRESERVED: Final = frozenset({LOCK, LOG})
"""What ``fresh`` keeps: the held lock, and the open log with its earlier runs."""


class Owner(msgspec.Struct, frozen=True):
    """The process that holds a folder."""

    pid: int


class FolderInUse(Exception):
    """Another process holds the folder."""

    def __init__(self, path: Path, owner: Owner | None) -> None:
        self.path = path
        self.owner = owner
        holder = "another process" if owner is None else f"process {owner.pid}"
        super().__init__(
            f"{path} is in use by {holder}: stop it, or run with another account (TRUEBOOK_ACCOUNT) or another folder "
            "(TRUEBOOK_STATE_FOLDER)"
        )


class StateFolder:
    """Holds ``path`` while entered, creating it if it is missing; raises ``FolderInUse``.

    ``fresh`` empties it once the lock is held; ``before_fresh`` is called with the folder before that, to end a process
    that still uses it (an embedded server may outlive its parent).
    """

    def __init__(self, path: Path, *, fresh: bool = False, before_fresh: Callable[[Path], None] | None = None) -> None:
        self.path = path
        self._fresh = fresh
        self._before_fresh = before_fresh
        self._lock: int | None = None

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise FolderInUse(self.path, owner_of(self.path)) from None
        self._lock = lock
        os.ftruncate(lock, 0)
        os.pwrite(lock, msgspec.json.encode(Owner(os.getpid())), 0)
        if self._fresh:
            self._empty()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the folder. The file stays: removing it would let two processes lock two files of one name."""
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            fcntl.flock(self._lock, fcntl.LOCK_UN)  # closing is not enough while a child is between fork and exec
            os.close(self._lock)
            self._lock = None

    def _empty(self) -> None:
        if self._before_fresh is not None:
            self._before_fresh(self.path)
        for entry in self.path.iterdir():
            if entry.name in PRESERVED or entry.name.startswith(f"{LOG}."):
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()


def owner_of(path: Path) -> Owner | None:
    """Return the owner that the folder's lock file names; None if it names none."""
    try:
        return msgspec.json.decode((path / LOCK).read_bytes(), type=Owner)
    except (OSError, *UNREADABLE):
        return None
