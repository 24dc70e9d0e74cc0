"""Reads the source for all open pages: the one poller of the process. It is idle while no page is open.

A source that can't be read is opened again every second or two, without end: pages show since when.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from truebook.bus.port import BusError
from truebook.clock import MICROS
from truebook.kalshi.port import ExchangeError
from truebook.ledger.port import LedgerError
from truebook.ledger.redis.bundled import BundledServerError
from truebook.ledger.verbs import LIMIT_NAMES
from truebook.runtime.settings import SettingsError
from truebook.runtime.state_folder import FolderInUse
from truebook.statement.document import Document, document_of
from truebook_services.dashboard.board import Board
from truebook_services.operator.live import LiveSource
from truebook_services.operator.port import NotResponding, NotRunning, Operator, OperatorError
from truebook_services.operator.requests import ChangeLimits, ListModels, ShowStatement

RETRY_S: Final = 1.0
FAILURES: Final = (
    OperatorError,
    LedgerError,
    ExchangeError,
    BusError,
    SettingsError,
    FolderInUse,
    BundledServerError,
    OSError,
)
"""What the backends raise while their sources can't be reached."""
READ_WITHIN_S: Final = 8.0
KEEP_S: Final = 60.0
"""How long the source stays open without a page: another view is another page."""
SUBJECT_S: Final[dict[str, float]] = {
    "market": 0.5, "decision": 1.0, "model": 2.0, "system": 1.0, "limits": 5.0, "models": 5.0,
}  # fmt: skip
"""How often each kind of subject is read; any other kind only once per ``open``."""


@dataclass(frozen=True)
class Backend:
    """What one connection to the running system offers."""

    live: LiveSource
    operator: Operator


Connect = Callable[[], AbstractAsyncContextManager[Backend]]

Read = Callable[[Backend, str], Awaitable[msgspec.Struct | None]]


class LimitsView(msgspec.Struct, frozen=True, kw_only=True):
    """The account's limits by name; null is no limit."""

    limits: Mapping[str, int | None]
    from_settings: tuple[str, ...]


async def _limits(backend: Backend, _: str) -> LimitsView:
    limits = (await backend.operator.perform(ChangeLimits())).limits
    return LimitsView(limits={name: getattr(limits, name) for name in LIMIT_NAMES}, from_settings=limits.from_settings)


async def _statement(backend: Backend, day: str) -> Document:
    return document_of(await backend.operator.perform(ShowStatement(day=day or None)))


SLOW: Final = {"statement": ShowStatement.TIMEOUT_S, "limits": 20.0, "models": 60.0}
"""Kinds that the operator's port reads, within so many seconds: beside the polling, which must not wait for them."""
READS: Final[dict[str, Read]] = {
    "market": lambda backend, name: backend.live.market(name),
    "decision": lambda backend, name: backend.live.lifecycle(name),
    "model": lambda backend, _: backend.live.model(),
    "system": lambda backend, _: backend.live.system(),
    "limits": _limits,
    "models": lambda backend, _: backend.operator.perform(ListModels()),
    "statement": _statement,
}


@contextlib.asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise NotResponding(f"no response within {seconds:g} s", "the page retries; see the log of the run") from error


class Page(Protocol):
    """An open page, as the poller sees it."""

    @property
    def subjects(self) -> tuple[str, ...]:
        """What it shows beside the tables, each ``KIND`` or ``KIND/NAME``."""
        ...

    def refresh(self) -> None:
        """Send what changed."""
        ...


class Poller:
    """Fills the board while pages are open."""

    def __init__(
        self, board: Board, connect: Connect, *, every_s: float, now_us: Callable[[], int], log: Any,
    ) -> None:  # fmt: skip
        self._board = board
        self._connect = connect
        self._every_s = every_s
        self._now_us = now_us
        self._log = log
        self._pages: set[Page] = set()
        self._has_pages = asyncio.Event()
        self._soon = asyncio.Event()
        self._backend: Backend | None = None
        self._read_us: dict[str, int | None] = {}
        """None: to be read now."""
        self._since: str | None = None
        self._slow: set[asyncio.Task[None]] = set()

    def open(self, page: Page) -> None:
        """Add a page: it gets what is known at once, and changes from now on."""
        self._pages.add(page)
        self._has_pages.set()
        for subject in page.subjects:
            self._read_us[subject] = None
        self.poll_soon()

    def close(self, page: Page) -> None:
        self._pages.discard(page)
        if not self._pages:
            self._has_pages.clear()
        for subject in self._read_us.keys() - self._subjects():
            del self._read_us[subject]
            self._board.drop(subject)

    def poll_soon(self) -> None:
        """Read without waiting for the interval: something was just changed."""
        self._soon.set()

    def changed(self) -> None:
        """Read again, without waiting, what a request may have changed."""
        self._read_us |= {each: None for each in self._read_us if not each.startswith("statement")}
        self.poll_soon()

    def not_ready(self) -> str | None:
        """Return why the source can't be read; None also while no page needs it."""
        return self._board.source["problem"] if self._pages else None

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await self._has_pages.wait()
            try:
                async with self._connected():
                    await self._poll_while_open()
            except FAILURES as error:
                self._lose(error)
                await self._pause(RETRY_S)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[None]:
        async with self._connect() as backend:
            self._backend, self._since, self._read_us = backend, None, dict.fromkeys(self._read_us)
            try:
                yield
            finally:
                self._backend = None
                for task in self._slow:
                    task.cancel()

    async def _poll_while_open(self) -> None:
        while self._pages or await self._opens_again():
            await self._poll()
            await self._pause(self._every_s)

    async def _opens_again(self) -> bool:
        """Wait for the next page with the source open, reading nothing: what it has collected is kept meanwhile."""
        try:
            async with asyncio.timeout(KEEP_S):
                await self._has_pages.wait()
        except TimeoutError:
            return False
        return True

    async def _poll(self) -> None:
        backend = self._backend
        assert backend is not None
        async with _within(READ_WITHIN_S):
            changes = await backend.live.changes(self._since)
        self._board.apply(changes, self._now_us())
        self._since = None if self._board.is_full and not changes.is_complete else changes.version
        for subject in sorted(self._subjects()):
            if self._is_due(subject) and all(task.get_name() != subject for task in self._slow):
                self._read_us[subject] = self._now_us()
                if subject.partition("/")[0] in SLOW:
                    self._read_slowly(backend, subject)
                    continue
                async with _within(READ_WITHIN_S):
                    await self._read(backend, subject)
        self._show()

    def _read_slowly(self, backend: Backend, subject: str) -> None:
        """Read beside the polling what may take minutes; a failure costs this subject only."""

        async def read() -> None:
            try:
                async with _within(SLOW[subject.partition("/")[0]]):
                    await self._read(backend, subject)
            except FAILURES as error:
                self._board.put(subject, None, str(error))
            if subject not in self._subjects():
                self._board.drop(subject)

        task = asyncio.create_task(read(), name=subject)
        self._slow.add(task)
        task.add_done_callback(self._slow.discard)

    def _is_due(self, subject: str) -> bool:
        read_us, kind = self._read_us.get(subject), subject.partition("/")[0]
        # Where nothing runs these open the ledger, whose folder a run or a command may need.
        is_once = kind in SLOW and self._board.source["live"] is False
        every_s = None if is_once else SUBJECT_S.get(kind)
        return read_us is None or (every_s is not None and self._now_us() - read_us >= every_s * MICROS)

    async def _read(self, backend: Backend, subject: str) -> None:
        """Read one subject; a refused one costs the page its part, and no other part."""
        kind, _, name = subject.partition("/")
        try:
            self._board.put(subject, await READS[kind](backend, name))
        except (NotRunning, NotResponding):
            raise
        except OperatorError as error:
            self._board.put(subject, None, str(error))

    def _subjects(self) -> set[str]:
        return {subject for page in self._pages for subject in page.subjects}

    def _lose(self, error: Exception) -> None:
        problem = error.problem if isinstance(error, OperatorError) else str(error) or type(error).__name__
        hint = error.hint if isinstance(error, OperatorError) else "check the addresses in the settings"
        if self._board.source["problem"] != problem:
            self._log.warning("the system can't be read", problem=problem)
        self._board.lose(problem, hint, self._now_us())
        self._show()

    def _show(self) -> None:
        for page in tuple(self._pages):
            page.refresh()

    async def _pause(self, seconds: float) -> None:
        self._soon.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._soon.wait(), seconds)
