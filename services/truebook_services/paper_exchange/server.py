"""The simulated exchange as a server: REST and WebSocket on one port, over an engine that survives kill -9.

A restart continues from the journal: every acknowledged order, every fill and the balance are restored. The downtime is
skipped: traders and market closes continue where they stopped, so that not all markets are closed at once, while times
given to an account (the expiry of an order) are kept. A recording cannot be shifted: if the clock starts at its
beginning again, the exchange waits until the clock reaches the time at which it stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from truebook.capture.events import first_event_us
from truebook.clock import Clock, ScaledClock, SystemClock
from truebook.runtime.gc import collection_paused
from truebook.runtime.http import HttpServer
from truebook.simulation.faults import FaultSchedule
from truebook_services.paper_exchange.auth import AccountKey, build_authenticator, check_key_settings
from truebook_services.paper_exchange.engine.changed_settings import owners
from truebook_services.paper_exchange.engine.journal import last_time_us
from truebook_services.paper_exchange.engine.recovery import OpenedEngine, open_engine
from truebook_services.paper_exchange.faults import FaultInjector
from truebook_services.paper_exchange.listed import ListedState
from truebook_services.paper_exchange.market_faults import MarketFaults
from truebook_services.paper_exchange.rest.application import application
from truebook_services.paper_exchange.rest.ignored_fields import IgnoredFields
from truebook_services.paper_exchange.rest.made_keys import ApiKeys
from truebook_services.paper_exchange.rest.operator_access import operator_token
from truebook_services.paper_exchange.rest.rate_limits import RateLimits
from truebook_services.paper_exchange.rest.requests import ExchangeState, ShardResponses
from truebook_services.paper_exchange.settings import PaperExchangeSettings
from truebook_services.paper_exchange.sockets import Connections, http_protocol, socket_protocol
from truebook_services.paper_exchange.stream.hub import StreamAuthenticator, StreamHub
from truebook_services.paper_exchange.stream.session import StreamLimits

UPKEEP_EVERY_S: Final = 60.0
MAX_PAUSE_S: Final = 0.1
"""Longest pause between two ticks on virtual time: bounds the delay of what an injected fault holds back."""


def exchange_clock(settings: PaperExchangeSettings) -> Clock:
    """Return the system clock, or for a recording a clock that starts at its first frame; raises ``CaptureError``.

    An exchange that is continued never goes back: it starts where it ended, perhaps by a clock that was ahead.
    """
    if settings.capture is None:
        return SystemClock(0 if settings.state_folder is None else last_time_us(settings.state_folder))
    if settings.capture_times == "now":
        return ScaledClock(SystemClock().now_us(), settings.speed)
    return ScaledClock(first_event_us(settings.capture), settings.speed)


def build_injector(
    settings: PaperExchangeSettings, opened: OpenedEngine, now_us: Callable[[], int], *, start_us: int
) -> FaultInjector:
    """Build the faults of an opened engine, and the lag of its lists; raises ``FaultError``."""
    profile, queries = settings.profile, opened.core.engine.queries
    listed = ListedState(lambda number: profile.list_lag(opened.seed, number))
    listed.open(queries, queries.all_accounts())
    schedule = FaultSchedule.parse(settings.faults, start_us=start_us)
    return FaultInjector(schedule, settings.late_fill_delay_ms * 1000, now_us, listed)


class PaperExchange:
    """One simulated exchange; see the module."""

    def __init__(self, settings: PaperExchangeSettings, clock: Clock, log: Any) -> None:
        self.settings = settings
        self.url = ""
        self.key_id = ""
        self.seed = settings.seed
        """The seed of what happens from now on: the journal's own if one is continued."""
        self.private_key_file: Path | None = None
        self.keys: tuple[AccountKey, ...] = ()
        """The key of each account, the first account's first."""
        self.finished = asyncio.Event()
        """Set at the end of a recording."""
        self.state: ExchangeState
        self.hub: StreamHub
        self.app: Any = None
        """The REST application; an in-process transport may call it without a socket."""
        self._clock = clock
        self._log = log
        self._opened: OpenedEngine | None = None
        self._authenticator: StreamAuthenticator
        self._market_faults: MarketFaults
        self._connections = Connections()
        self._http: HttpServer | None = None
        self._ticks: asyncio.Task[None] | None = None
        self._background: list[asyncio.Task[None]] = []
        self._on_virtual_time = False

    async def start(self) -> None:
        """Bind, recover from the journal, serve. Raises ``PortInUse``, ``ExchangeJournalError``, ``CaptureError``,
        ``KeyFileError``, ``FaultError``."""
        logging.getLogger("websockets.server").setLevel(logging.WARNING)
        self._http = HttpServer(self.settings.port, host=self.settings.host)
        try:
            self.prepare()
            await self._http.start(
                self.app,
                http=http_protocol(self._connections),
                ws=socket_protocol(self._connections, self._authenticator.open_session, self.settings.heartbeat_s),
                log_level="warning",
                server_header=False,
                date_header=False,
            )
        except BaseException:
            await self.aclose()
            raise
        self.url = f"http://{self._http.host}:{self._http.port}"
        if self._opened is not None and self._opened.checkpoints is not None:
            self._opened.checkpoints.forks = True
        self._ticks = asyncio.create_task(self._run_ticks(), name="paper_exchange:ticks")
        self._background = [
            asyncio.create_task(self._run_upkeep(), name="paper_exchange:upkeep"),
            asyncio.create_task(self._run_flushes(), name="paper_exchange:flushes"),
        ]
        self._log.info("simulated exchange ready", url=self.url, key_id=self.key_id)

    def start_without_sockets(self) -> None:
        """Recover and run ticks for in-process users of ``app`` and ``hub`` on a virtual loop; raises as ``start``.

        Each tick runs exactly when something is due: on virtual time, waiting costs nothing.
        """
        self._on_virtual_time = True
        self.prepare()
        self._ticks = asyncio.create_task(self._run_ticks(), name="paper_exchange:ticks")

    def prepare(self) -> None:
        """Recover, and build everything but the sockets."""
        with collection_paused():  # what a checkpoint has stays
            self._prepare()

    def _prepare(self) -> None:
        check_key_settings(self.settings)
        self._opened = opened = self._open_engine()
        self.seed = opened.seed
        first, *further = owners(opened.core.engine.queries)
        # A history that is continued has its accounts, whether or not the settings name them.
        settings = self.settings.model_copy(update={"account": first, "accounts": tuple(further)})
        authenticator, keys = build_authenticator(settings, self._wall_us())
        self.key_id, self.private_key_file = keys[0].key_id, keys[0].private_key_file
        self.keys = keys
        profile = settings.profile
        faults = build_injector(settings, opened, self.now_us, start_us=self._clock.now_us())
        self._connections.is_mute = faults.is_mute
        self._market_faults = MarketFaults(faults, opened.core.engine.queries, self._log)
        self.hub = StreamHub(
            opened.core.engine.queries,
            opened.stats,
            clock=self._clock,
            now_us=self.now_us,
            faults=faults,
            drop_sockets=self._connections.abort_sockets,
            limits=StreamLimits(settings.max_queued_frames, settings.first_data_delay_ms * 1000),
            scheduled=opened.core.wake.set,
            both_sides=settings.snapshot_includes_empty_sides,
        )
        self._authenticator = StreamAuthenticator(self.hub, authenticator)
        shards = [shard.exchange_index for shard in opened.core.engine.queries.shard_statuses()]
        self.state = ExchangeState(
            exchange_id=opened.exchange_id,
            core=opened.core,
            stats=opened.stats,
            authenticator=authenticator,
            limits=RateLimits(settings.tier, shards, settings.auto_route),
            faults=faults,
            latency=settings.latency,
            profile=profile,
            sleep=self._clock.sleep,
            now_us=self.now_us,
            emit_liquidity_dollars=settings.emit_liquidity_dollars,
            spec=settings.spec,
            ignored=IgnoredFields(self._log),
            shards=ShardResponses(
                unfunded_shard_status=settings.unfunded_shard_status,
                used_transfer_id_status=settings.used_transfer_id_status,
                transfer_latency=settings.transfer_latency,
            ),
            history_after_s=settings.history_after_s,
            api_keys=ApiKeys(authenticator, settings.state_folder),
            reward_cents=settings.liquidity_reward_cents,
            market_data=settings.described_markets(opened.seed),
            operator_token=operator_token(settings.state_folder, settings.operator_token),
        )
        self.app = application(self.state, self._connections)

    def _open_engine(self) -> OpenedEngine:
        return open_engine(self.settings, self._clock, self._log)

    def _wall_us(self) -> Callable[[], int] | None:
        """Return the clock that clients of a recording sign by, beside the exchange's own."""
        return None if self.settings.capture is None or self._on_virtual_time else SystemClock().now_us

    def now_us(self) -> int:
        """Return the exchange's time: the clock's, but never before the last event."""
        return max(self._clock.now_us(), self.state.core.reached_us)

    def tick(self) -> bool:
        """Do one tick; returns False if a backlog is left. ``start`` runs ticks automatically."""
        core = self.state.core
        if commands := self._market_faults.due(self.now_us()):
            core.submit(commands)
        caught_up = core.tick(self.now_us(), self.hub.publish)
        if core.source.next_due_us() is None:
            self.finished.set()
        if caught_up and self._opened is not None and self._opened.checkpoints is not None:
            self._opened.checkpoints.save_if_due()
        return caught_up

    def save_checkpoint(self) -> None:
        """Save the state, so that the next start replays only what follows; for an exchange without one, do nothing."""
        if self._opened is not None and self._opened.checkpoints is not None:
            self._opened.checkpoints.save()

    async def run(self, stop: asyncio.Event, on_ready: Callable[[], None] = lambda: None) -> None:
        """Start, serve until ``stop`` is set, and close; raises what made the exchange fail."""
        await self.start()
        ended = asyncio.create_task(self.wait())
        stopping = asyncio.create_task(stop.wait())
        try:
            on_ready()
            await asyncio.wait((ended, stopping), return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                ended.result()
        finally:
            stopping.cancel()
            await self.aclose()
            await asyncio.gather(ended, stopping, return_exceptions=True)

    async def wait(self) -> None:
        """Return when the exchange has ended; raises what made it fail."""
        assert self._ticks is not None, "not started"
        await asyncio.gather(self._ticks, *([] if self._http is None else [self._http.wait()]))

    async def aclose(self) -> None:
        """Stop serving; everything acknowledged is on disk already."""
        if self._http is not None:
            self._http.stop()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        failed = False
        if self._ticks is not None:
            self._ticks.cancel()
            [ended] = await asyncio.gather(self._ticks, return_exceptions=True)
            failed = isinstance(ended, Exception)
        if self._http is not None:
            await self._http.aclose()
        if self._ticks is not None and not failed:
            try:
                self.save_checkpoint()
            except OSError as error:
                message = "checkpoint not saved; the next start replays the journal from an earlier one"
                self._log.error(message, error=str(error))
        self._ticks = None
        if self._opened is not None:
            self._opened.core.journal.close()

    async def _run_ticks(self) -> None:
        """Tick at a steady pace of real time; the exchange's clock decides what is due."""
        try:
            while True:
                if self.tick():
                    await self._pause()
                else:
                    await asyncio.sleep(0)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._log.error("simulated exchange failed; it stops serving", exc_info=error)
            self.state.core.fail(error)
            if self._http is not None:
                self._http.stop()
            raise

    async def _run_upkeep(self) -> None:
        """Bound the journal's files, beside the ticks."""
        while self._opened is not None and self._opened.checkpoints is not None:
            await asyncio.to_thread(self._opened.checkpoints.bound_journal)
            await asyncio.sleep(UPKEEP_EVERY_S)

    async def _run_flushes(self) -> None:
        """Bring the journal to disk beside the ticks; after a failure the next entry ends the exchange."""
        journal = self.state.core.journal
        while True:
            flush = None
            try:
                flush = journal.pending_flush()
            except OSError as error:  # no descriptor is free: the next round repeats it
                self._log.warning("journal not flushed yet", error=str(error))
            if flush is not None:
                try:
                    await asyncio.to_thread(flush)
                except OSError as error:
                    journal.failed(error)
                    return
            await asyncio.sleep(max(self.settings.journal_sync_ms, 1) / 1000)

    def _until_due_s(self) -> float:
        """Return the time until the engine or a stream session has something to do."""
        core_us, stream_us = self.state.core.next_due_us(), self.hub.next_due_us()
        until_us = [] if core_us is None else [core_us - self.now_us()]
        until_us += [] if stream_us is None else [stream_us - self._clock.monotonic_us()]
        return max(0, min(until_us)) / 1_000_000 if until_us else MAX_PAUSE_S

    async def _pause(self) -> None:
        pause_s = self.settings.tick_interval_ms / 1000
        if self._on_virtual_time:
            pause_s = min(MAX_PAUSE_S, self._until_due_s())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self.state.core.wake.wait()
