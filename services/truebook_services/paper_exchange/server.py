"""The simulated exchange as a server: REST and WebSocket on one port, over an engine that survives kill -9.

A restart goes on from the journal: every acknowledged order, every fill and the balance are as they were. The time
between is skipped: the traders and the markets' closes go on where they stopped, so that not all markets are closed at
once, while times promised to an account (the expiry of an order) are kept. A recording is bound to its own time: where
the clock begins at its start again, the exchange waits until the clock has come to where it had stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import uvicorn

from truebook.clock import Clock
from truebook.simulation.faults import FaultSchedule
from truebook_services.paper_exchange.application import application
from truebook_services.paper_exchange.assembly import (
    ReplayProgress,
    build_keys,
    build_market,
    configured,
    first_entry,
    saved_beginning,
)
from truebook_services.paper_exchange.calls import Floor
from truebook_services.paper_exchange.checkpoint import Checkpoint
from truebook_services.paper_exchange.checkpoint import save as save_checkpoint
from truebook_services.paper_exchange.core import ExchangeCore
from truebook_services.paper_exchange.door import Door
from truebook_services.paper_exchange.errors import PortInUse
from truebook_services.paper_exchange.fault_board import FaultBoard
from truebook_services.paper_exchange.hub import Hub
from truebook_services.paper_exchange.journal import (
    Entry,
    FileJournal,
    Journal,
    JournalCorrupt,
    JournalError,
    JournalInUse,
    JournalMismatch,
    NoJournal,
)
from truebook_services.paper_exchange.rate_limits import RateLimits
from truebook_services.paper_exchange.settings import PaperExchangeSettings
from truebook_services.paper_exchange.sockets import Connections, http_protocol, socket_protocol
from truebook_services.paper_exchange.stream import StreamLimits

__all__ = [
    "JournalCorrupt",
    "JournalError",
    "JournalInUse",
    "JournalMismatch",
    "PaperExchange",
    "PortInUse",
    "serve",
]

GRACE_S: Final = 1
CHECKPOINT_STEPS: Final = 200_000
"""Steps of the market between two checkpoints: five seconds of replay, an hour of sixty markets. The exchange stands
still for a tenth or three of a second each time."""
LONGEST_PAUSE_S: Final = 0.1
"""Between two turns in virtual time: what is due by the pace of streams and not by the engine is looked after then."""


class _Server(uvicorn.Server):
    """uvicorn's server, which leaves the process's signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class PaperExchange:
    """One simulated exchange; see the module."""

    def __init__(self, settings: PaperExchangeSettings, clock: Clock, log: Any) -> None:
        self.settings = settings
        self.url = ""
        self.key_id = ""
        self.seed = settings.seed
        """The seed of this exchange's history: a journal's own, where one is continued."""
        self.private_key_file: Path | None = None
        self.finished = asyncio.Event()
        self.floor: Floor
        self.door: Door
        self.app: Any = None
        """The REST application: a transport without a socket may call it."""
        self._clock = clock
        self._log = log
        self._journal: Journal = NoJournal()
        self._connections = Connections()
        self._server: _Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._is_exact = False
        self._kept_position = 0

    async def start(self) -> None:
        """Bind, recover from the journal, serve. Raises ``PortInUse``, ``JournalError``, ``CaptureError``,
        ``KeyFileError``, ``FaultError``."""
        listener = _listen(self.settings.host, self.settings.port)
        try:
            self.prepare()
        except BaseException:
            listener.close()
            self._journal.close()
            self._journal = NoJournal()
            raise
        host, port = listener.getsockname()[:2]
        self.url = f"http://{host}:{port}"
        await self._serve(listener)
        self._tasks.append(asyncio.create_task(self._pump(), name="paper_exchange:pump"))
        self._log.info("the simulated exchange is ready", url=self.url, key_id=self.key_id)

    def start_without_sockets(self) -> None:
        """Recover and turn, for callers of ``app`` and ``door`` on this virtual loop; raises as ``start`` does.

        Each turn comes exactly when something is due: where time is virtual, waiting costs nothing.
        """
        self.prepare()
        self._is_exact = True
        self._tasks.append(asyncio.create_task(self._pump(), name="paper_exchange:pump"))

    def prepare(self) -> None:
        """Recover, and put together all that stands behind the sockets: enough for callers without one."""
        settings = self.settings
        authenticator, self.key_id, self.private_key_file = build_keys(settings)
        core, hub, faults = self._recover()
        self.floor = Floor(
            settings=settings,
            core=core,
            hub=hub,
            authenticator=authenticator,
            limits=RateLimits(settings.tier),
            faults=faults,
            now_us=self.now_us,
            sleep=self._clock.sleep,
            latency=settings.latency,
        )
        limits = StreamLimits(settings.stream_queue, settings.first_data_after_ms * 1000)
        self.door = Door(hub, authenticator, heartbeat_s=settings.heartbeat_s, limits=limits)
        self.app = application(self.floor, self._connections.abort)

    def now_us(self) -> int:
        """Give the exchange's time: the clock's, but never before what has happened."""
        return max(self._clock.now_us(), self.floor.core.reached_us)

    def turn(self) -> bool:
        """Do one turn of the exchange; answers false while a backlog is left. ``start`` does this by itself."""
        caught_up = self.floor.core.turn(self.now_us(), self.floor.hub.deliver)
        if self.floor.core.source.next_due_us() is None:
            self.finished.set()
        if caught_up and self.floor.core.source.position - self._kept_position >= CHECKPOINT_STEPS:
            self.keep_checkpoint()
        return caught_up

    async def aclose(self) -> None:
        """Stop serving; what was acknowledged is on disk already."""
        self._stopping = True
        if self._server is not None:
            self._server.should_exit = True
        for task in reversed(self._tasks):
            if task.get_name().endswith("pump"):
                task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._tasks and not any(isinstance(one, Exception) for one in ended):
            self.keep_checkpoint()
        self._tasks.clear()
        self._journal.close()
        self._journal = NoJournal()

    def _recover(self) -> tuple[ExchangeCore, Hub, FaultBoard]:
        settings = self.settings
        now_us = self._clock.now_us()
        wanted = configured(settings, now_us)
        came_to_us = 0
        entries: Iterator[Entry] = iter(())
        shape, saved = None, None
        if settings.state_folder is not None:
            journal = FileJournal(settings.state_folder, self._log)
            self._journal = journal
            entries, came_to_us = journal.entries(), journal.came_to_us()
            shape = first_entry(journal, entries, wanted, settings.model_fields_set)
            if shape is not None and settings.capture is None:
                saved, entries = saved_beginning(journal, entries, settings.state_folder, self._log)
        self.seed = (shape or wanted).seed
        if saved is not None:
            engine, source = saved.engine, saved.source
        else:
            engine, source = build_market(settings, shape or wanted, self._log)
        core = ExchangeCore(engine, source, self._journal)
        schedule = FaultSchedule.parse(settings.faults, start_us=now_us)
        faults = FaultBoard(schedule, settings.late_fill_ms * 1000, self.now_us)
        hub = Hub(
            engine,
            self.now_us,
            self._clock.monotonic_us,
            faults,
            self._connections.abort_sockets,
            both_sides=settings.snapshot_always_both_sides,
            stats=None if saved is None else saved.stats,
        )
        self._kept_position = source.position
        if shape is None:
            core.begin(wanted)
        else:
            progress = ReplayProgress(self._clock, hub.learn, came_to_us)
            if saved is not None:
                core.go_on(saved.reached_us, entries, progress.learn)
            else:
                core.recover(shape, entries, progress.learn)
            core.resume(came_to_us, now_us, progress.learn)
            progress.done()
        return core, hub, faults

    def keep_checkpoint(self) -> None:
        """Write down where the exchange stands, right after a turn: the journal is on disk as far as that."""
        journal, folder = self._journal, self.settings.state_folder
        if not isinstance(journal, FileJournal) or folder is None or self.settings.capture is not None:
            return
        core = self.floor.core
        self._kept_position = core.source.position
        save_checkpoint(
            folder,
            Checkpoint(
                journal_bytes=journal.size, journal_checksum=journal.checksum, reached_us=core.reached_us,
                engine=core.engine, source=core.source, stats=self.floor.hub.known_stats,
            ),
        )  # fmt: skip

    async def _serve(self, listener: socket.socket) -> None:
        logging.getLogger("websockets.server").setLevel(logging.WARNING)
        config = uvicorn.Config(
            self.app,
            http=http_protocol(self._connections),
            ws=socket_protocol(self._connections, self.door),
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        self._server = _Server(config)
        task = asyncio.create_task(self._server.serve(sockets=[listener]), name="paper_exchange:server")
        self._tasks.append(task)
        while not self._server.started:
            if task.done():
                await task
                raise RuntimeError("the server ended before it had begun")
            await asyncio.sleep(0)

    async def _pump(self) -> None:
        """Turn after turn, at a steady pace of real time; what is due is judged by the exchange's clock."""
        try:
            while not self._stopping:
                if self.turn():
                    await self._pause()
                else:
                    await asyncio.sleep(0)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._log.error("the exchange has failed and stops serving", exc_info=error)
            self.floor.core.fail(error)
            if self._server is not None:
                self._server.should_exit = True
            raise

    async def _pause(self) -> None:
        pause_s = self.settings.pump_ms / 1000
        if self._is_exact:
            due_us = self.floor.core.next_due_us()
            until_due_s = LONGEST_PAUSE_S if due_us is None else max(0, due_us - self.now_us()) / 1_000_000
            pause_s = min(until_due_s, LONGEST_PAUSE_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self.floor.core.wake.wait()

    async def wait(self) -> None:
        """Return when the exchange has ended; raises what made it fail."""
        await asyncio.gather(*self._tasks)


def _listen(host: str, port: int) -> socket.socket:
    # The protocol is named, since asyncio turns Nagle's algorithm off only where it reads TCP (40 ms an answer).
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"port {port} is in use; choose another (0 takes any free one) or end the process that listens there"
            ) from error
        raise
    return listener


async def serve(settings: PaperExchangeSettings, clock: Clock, log: Any, stop: asyncio.Event) -> None:
    """Run an exchange until ``stop`` is set; raises what made it fail."""
    exchange = PaperExchange(settings, clock, log)
    await exchange.start()
    waiting = [asyncio.create_task(stop.wait()), asyncio.create_task(exchange.wait())]
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
    finally:
        for task in waiting:
            task.cancel()
        await exchange.aclose()
