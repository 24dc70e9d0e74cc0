"""What alerts keep over a restart: the history, and what waits for each receiver. One file, replaced atomically.

A full disk must not end alerts: what can't be written is kept in memory, and written with the next change.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from truebook.alerts.history import History
from truebook.alerts.queue import Queue
from truebook.decoding import UNREADABLE
from truebook.files import write_atomically
from truebook.runtime.context import Context

FILE: Final = "alerts.json"
DAMAGED: Final = ".damaged"


class Saved(msgspec.Struct, kw_only=True):
    """The content of the file; it has no address of a receiver, only labels."""

    history: History = msgspec.field(default_factory=History)
    queues: dict[str, Queue] = {}
    watched_since_us: int = 0
    last_order_us: int | None = None


def read_saved(folder: Path) -> Saved | None:
    """Read the file; None if there is none or it can't be read as one."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Saved)
    except (OSError, *UNREADABLE):
        return None


class Store:
    """The newest values in memory, and their file."""

    def __init__(self, context: Context, folder: Path, labels: tuple[str, ...]) -> None:
        self._context = context
        self._folder = folder
        self._lock = asyncio.Lock()
        self._has_failed = False
        self.saved = self._read(labels)

    def _read(self, labels: tuple[str, ...]) -> Saved:
        path = self._folder / FILE
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        saved = read_saved(self._folder)
        if saved is None:
            saved = Saved(watched_since_us=self._context.clock.now_us())
            if path.exists():
                path.replace(path.with_name(FILE + DAMAGED))
                self._context.log.warning(
                    "the state of alerts can't be read and starts again; the file was renamed", file=FILE + DAMAGED
                )
        saved.history = saved.history.continued()
        saved.queues = {label: saved.queues.get(label, Queue()) for label in labels}
        return saved

    async def save(self) -> None:
        """Write the newest values, in a thread."""
        async with self._lock:
            content = msgspec.json.encode(self.saved)
            try:
                await asyncio.to_thread(write_atomically, self._folder / FILE, content)
            except OSError as error:
                if not self._has_failed:
                    self._context.log.error("the state of alerts can't be written", error=error.strerror)
                self._has_failed = True
            else:
                self._has_failed = False
