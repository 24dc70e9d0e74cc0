"""The folder of one account's local state, and the lock that keeps a second process off it.

The lock is a file ``lock`` that its owner holds by ``flock``: the kernel frees it with the process, however that ends,
so a lock left behind by ``kill -9`` is taken over without a question. What the file says (pid, port) is for people and
for whoever wants to reach the owner; only the ``flock`` decides.
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

LOCK: Final = "lock"
LOG: Final = "log.jsonl"
KEPT: Final = frozenset({LOCK, LOG})
"""What ``fresh`` leaves: the lock that is held, and the log that is open and tells of earlier runs."""


class Owner(msgspec.Struct, frozen=True):
    """The process that holds a folder; ``port`` 0 while it serves nothing."""

    pid: int
    port: int = 0


class FolderInUse(Exception):
    """Another process holds the folder."""

    def __init__(self, path: Path, owner: Owner | None) -> None:
        self.path = path
        self.owner = owner
        who = "another process" if owner is None else f"process {owner.pid}"
        where = f" (port {owner.port})" if owner is not None and owner.port else ""
        super().__init__(
            f"{path} is in use by {who}{where}: end it, or run with another account (TRUEBOOK_ACCOUNT) "
            "or another folder (TRUEBOOK_STATE_FOLDER)"
        )


class StateFolder:
    """Holds ``path`` while entered, making it where it is missing; raises ``FolderInUse``.

    ``fresh`` empties it first, once the lock is held; ``before_fresh`` is called with the folder before that: it ends
    what still runs in there (an embedded server may outlive its parent).
    """

    def __init__(
        self,
        path: Path,
        port: int = 0,
        *,
        fresh: bool = False,
        before_fresh: Callable[[Path], None] | None = None,
    ) -> None:
        self.path = path
        self._port = port
        self._fresh = fresh
        self._before_fresh = before_fresh
        self._lock: int | None = None

    @classmethod
    def acquire(cls, path: Path, port: int = 0) -> StateFolder:
        """Take the folder until ``release``."""
        return cls(path, port).__enter__()

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise FolderInUse(self.path, owner_of(self.path)) from None
        self._lock = lock
        self.tell_port(self._port)
        if self._fresh:
            self._empty()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def tell_port(self, port: int) -> None:
        """Write into the lock where this process can be reached."""
        if self._lock is None:
            raise RuntimeError(f"{self.path} is not held")
        self._port = port
        text = msgspec.json.encode(Owner(os.getpid(), port))
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, text, 0)

    def release(self) -> None:
        """Give the folder up. The file stays: removing it would let two processes lock two files of one name."""
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            fcntl.flock(self._lock, fcntl.LOCK_UN)  # closing is not enough while a child is between fork and exec
            os.close(self._lock)
            self._lock = None

    def _empty(self) -> None:
        if self._before_fresh is not None:
            self._before_fresh(self.path)
        for entry in self.path.iterdir():
            if entry.name in KEPT:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()


def owner_of(path: Path) -> Owner | None:
    """What the folder's lock file says about its owner; null where it says nothing readable."""
    try:
        return msgspec.json.decode((path / LOCK).read_bytes(), type=Owner)
    except (OSError, msgspec.DecodeError):
        return None
