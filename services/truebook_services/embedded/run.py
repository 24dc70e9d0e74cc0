"""One run of the embedded system, from its start to the exit code."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from truebook.clock import MICROS, SystemClock
from truebook.ledger.port import LedgerView
from truebook.ledger.reconcile import Difference
from truebook.ledger.valuation import Levels, is_seen
from truebook.live.account import SavedHistory
from truebook.messages.envelope import BookSide
from truebook.messages.topics import ACTIONS
from truebook.runtime.health import serve_health
from truebook.runtime.loop import run_until_done, stop_on_signal
from truebook.runtime.virtual_loop import VirtualClock, run_virtual
from truebook_services.dashboard.launch import page_beside
from truebook_services.embedded.errors import StartInterrupted
from truebook_services.embedded.history import write_history
from truebook_services.embedded.resources import CaptureClock
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.embedded.system import System, open_system, source_of
from truebook_services.embedded.view import View
from truebook_services.embedded.wind_down import wind_down
from truebook_services.operator.flatten import ActionSender
from truebook_services.operator.holds import halt_trading, resume_trading
from truebook_services.operator.model_failures import described
from truebook_services.operator.model_requests import Models
from truebook_services.operator.order_counts import OrderCounts
from truebook_services.operator.perform import Sources, operator_context, perform
from truebook_services.operator.port import WINDOW_S, HaltResult, Operator, ResumeResult, Status, Why
from truebook_services.operator.requests import Request, ResultT
from truebook_services.operator.run_files import BOOKS, EVIDENCE, SUMMARY, SavedBook, write_file
from truebook_services.operator.run_files import HISTORY as EQUITY
from truebook_services.operator.service import serve_operator
from truebook_services.operator.statements import Statements
from truebook_services.operator.status import RunInfo, exit_code, status_of, why_of
from truebook_services.paper_exchange.server import PaperExchange

CAPTURE_READY_WITHIN_S: Final = 20.0
AFTER_CAPTURE_S: Final = 0.5
"""Real time for the last frames of a recording to reach decisions and orders."""
EVIDENCE_EVERY_S: Final = 30.0
HISTORY: Final = "history.jsonl"
"""All orders and fills of a recording's run, as the exchange reports them."""


class RunningOperator(Operator):
    """The operator's port on the run in this process; ``window_s`` has no effect, since it counts for itself."""

    def __init__(self, system: System, before: LedgerView) -> None:
        self._system = system
        self._before = before
        self._order_counts = OrderCounts(before.account.ledger_seq)
        system.statistics.evidence.order_counts = self._order_counts.by_time
        self._started_us = system.clock.monotonic_us()
        self._models = Models.of(system.settings)

    def begin(self) -> None:
        """Count the run's seconds from now on: its recording begins."""
        self._started_us = self._system.clock.monotonic_us()

    async def status(self, window_s: float = WINDOW_S) -> Status:
        return msgspec.structs.replace(await self.summary(None), alive=True)

    async def summary(self, differences: Sequence[Difference] | None) -> Status:
        """Return the status of the run; ``differences`` as the comparison with the exchange found them."""
        system, settings, in_use = self._system, self._system.settings, self._system.active.in_use()
        info = RunInfo(
            seconds=round((system.clock.monotonic_us() - self._started_us) / MICROS, 1),
            at_us=system.clock.now_us(),
            market_data=str(source_of(settings)),
            seed=settings.paper_exchange.seed if system.exchange is None else system.exchange.seed,
            model=settings.model or in_use.name,
            model_stopped=described(in_use.stopped),
            model_rolled_back=described(in_use.rolled_back),
        )
        statistics, view = system.statistics, await system.ledger.view()
        adjusted_micros = view.account.adjustments_micros - self._before.account.adjustments_micros
        info = msgspec.structs.replace(info, adjusted_in_run_micros=adjusted_micros)
        await self._order_counts.read(system.ledger, info.at_us)
        return status_of(
            statistics, view, self._books(), differences, info,
            before=self._before, order_counts=self._order_counts,
        )  # fmt: skip

    async def why(self, ticker: str | None = None, window_s: float = WINDOW_S) -> Why:
        system = self._system
        account = (await system.ledger.view(())).account
        await self._order_counts.read(system.ledger, system.clock.now_us())
        why = why_of(system.statistics.evidence, ticker, system.clock.now_us(), account)
        return msgspec.structs.replace(why, alive=True)

    async def halt(self, *, keep_orders: bool = False) -> HaltResult:
        system = self._system
        within_s = system.settings.operator.cancel_timeout_s
        return await halt_trading(system.ledger, system.rest.cancel_all, keep_orders=keep_orders, within_s=within_s)

    async def resume(self, hold: str | None = None) -> ResumeResult:
        return await resume_trading(self._system.ledger, hold)

    async def perform(self, request: Request[ResultT]) -> ResultT:
        system = self._system
        return await perform(
            request,
            Sources(
                ledger=system.ledger, rest=system.rest, read_books=self._read_books, sender=self._sender(),
                context=operator_context(system.settings, system.clock), models=self._models,
                statements=None if system.settings.in_lockstep else Statements.beside(system.settings),
            ),
        )  # fmt: skip

    def _sender(self) -> ActionSender:
        system, settings = self._system, self._system.settings
        return ActionSender(
            account=settings.account, strategy=settings.strategy, source=source_of(settings),
            now_us=system.clock.now_us, publish=partial(system.bus.publish_many, ACTIONS),
        )  # fmt: skip

    async def _read_books(self, _: LedgerView) -> dict[str, tuple[Levels, Levels]]:
        return self._books()

    def _books(self) -> dict[str, tuple[Levels, Levels]]:
        source = source_of(self._system.settings)
        return {ticker: book for ticker, book in self._system.statistics.levels().items() if is_seen(book, source)}


def run_to_end(settings: EmbeddedSettings, view: View) -> tuple[int, Status]:
    """Run on a loop of its own: the machine's, or a virtual one where the run is in lock-step."""
    main = run(settings, view)
    return run_virtual(main) if settings.in_lockstep else run_until_done(main)


async def run(settings: EmbeddedSettings, view: View) -> tuple[int, Status]:
    """Trade until the time is over, the recording ends or a signal is received; returns (exit code, summary)."""
    ended = stop_on_signal()
    async with contextlib.AsyncExitStack() as stack:
        system = await _opened(stack, settings, view, ended)
        operator = RunningOperator(system, await system.ledger.view())
        system.statistics.since_us = system.clock.now_us()
        stop = asyncio.Event()
        async with _served(system, operator, view), asyncio.TaskGroup() as group:
            for service in system.services:
                group.create_task(service.run(stop), name=service.name)
            tasks = [
                group.create_task(_show(system, operator, view), name="view"),
                group.create_task(_wait_for_end(system, operator, ended), name="end"),
            ]
            if not isinstance(system.clock, VirtualClock):
                tasks.append(group.create_task(_save_evidence(system), name="evidence"))
            if system.exchange is not None:
                tasks.append(group.create_task(_watch_exchange(system.exchange), name="exchange"))
            if system.server is not None:
                tasks.append(group.create_task(system.server.watch(), name="ledger server"))
            await ended.wait()
            view.report("stopping: cancelling all orders, comparing the ledger with the exchange")
            differences = await wind_down(system.rest, system.ledger, system.clock, asyncio.sleep)
            # Before the services stop: a stopping ingest marks every book stale, and a stale book values no position.
            summary = await operator.summary(differences)
            if isinstance(system.clock, CaptureClock):
                digest = await write_history(system.rest, system.folder / HISTORY)
                summary = msgspec.structs.replace(summary, history_sha256=digest)
            write_file(system.folder / SUMMARY, summary)
            write_file(system.folder / BOOKS, _final_books(system))
            write_file(system.folder / EVIDENCE, system.statistics.evidence.snapshot(system.clock.now_us()))
            await _save_history(system)
            for task in tasks:
                task.cancel()
            stop.set()
    return exit_code(summary, system.statistics), summary


async def _opened(
    stack: contextlib.AsyncExitStack, settings: EmbeddedSettings, view: View, ended: asyncio.Event
) -> System:
    """Open the system, which may take minutes; raises ``StartInterrupted`` if a signal comes before that is done."""
    opening = asyncio.timeout(None)

    def interrupt(signalled: asyncio.Future[Any]) -> None:
        with contextlib.suppress(RuntimeError):  # the start was completed at the same moment
            if not signalled.cancelled():
                opening.reschedule(0.0)

    signalled = asyncio.ensure_future(ended.wait())
    signalled.add_done_callback(interrupt)
    try:
        async with opening:
            return await stack.enter_async_context(open_system(settings, view.report))
    except TimeoutError:
        if not opening.expired():
            raise
        raise StartInterrupted("stopped before the start was complete; no order was sent") from None
    finally:
        signalled.cancel()


@contextlib.asynccontextmanager
async def _served(system: System, operator: Operator, view: View) -> AsyncIterator[None]:
    """Serve the operator's API, health and metrics while entered; nothing in virtual time, which has no sockets."""
    if isinstance(system.clock, VirtualClock):
        yield
        return
    settings = system.settings
    api = serve_operator(settings.operator, operator, system.folder, system.live)
    async with api, serve_health(system.services, settings.http_port) as port:
        view.report(f"health and metrics at http://127.0.0.1:{port}")
        async with page_beside(settings, view.report) if settings.dashboard.enabled else contextlib.nullcontext():
            yield


async def _show(system: System, operator: RunningOperator, view: View) -> None:
    """Show the run every few seconds of real time, whatever time the system runs on.

    In virtual time this must not change the run: the ledger in memory returns without switching tasks.
    """
    real = SystemClock()
    shown_us = real.monotonic_us()
    while True:
        await asyncio.sleep(view.every_s)
        if isinstance(system.clock, VirtualClock) and real.monotonic_us() - shown_us < view.every_s * MICROS:
            continue
        shown_us = real.monotonic_us()
        view.show(await operator.summary(None), list(system.statistics.events))


async def _save_evidence(system: System) -> None:
    """Write the evidence file every half minute, until cancelled; ``truebook why`` reads it after a crash."""
    while True:
        await asyncio.sleep(EVIDENCE_EVERY_S)
        snapshot = system.statistics.evidence.snapshot(system.clock.now_us())
        content = msgspec.json.encode(snapshot)
        await asyncio.to_thread(write_file, system.folder / EVIDENCE, msgspec.Raw(content))
        await _save_history(system)


async def _save_history(system: System) -> None:
    """Keep the history of the equity for the next run."""
    if system.statistics.live is not None:
        content = msgspec.json.encode(SavedHistory(points=tuple(system.statistics.live.account.points)))
        await asyncio.to_thread(write_file, system.folder / EQUITY, msgspec.Raw(content))


async def _watch_exchange(exchange: PaperExchange) -> None:
    """End the run with the exchange's error; cancelling this task leaves the exchange running."""
    await asyncio.shield(exchange.wait())
    raise RuntimeError("the simulated exchange exited unexpectedly: see the log")


async def _wait_for_end(system: System, operator: RunningOperator, ended: asyncio.Event) -> None:
    """Set ``ended`` when the requested time is over or the recording has ended, whichever is first."""
    recording = system.exchange if isinstance(system.clock, CaptureClock) else None
    if recording is not None and isinstance(system.clock, CaptureClock):
        if isinstance(system.clock, VirtualClock):
            await system.clock.pass_lead()
        else:
            await _wait_until_ready(system)
        system.clock.start()
        operator.begin()
    try:
        async with asyncio.timeout(system.settings.duration_s):
            await (recording.finished if recording is not None else asyncio.Event()).wait()
    except TimeoutError:
        pass
    else:
        if isinstance(system.clock, VirtualClock):
            await asyncio.sleep(AFTER_CAPTURE_S)
            ended.set()
            return
        counted = -1
        while counted != system.statistics.counts["deltas"]:  # a busy machine is behind
            counted = system.statistics.counts["deltas"]
            await asyncio.sleep(AFTER_CAPTURE_S)
    ended.set()


async def _wait_until_ready(system: System) -> None:
    """Wait until every recorded market has a fresh book, so that the first frame is read; logs the missing ones."""
    tickers = {market.ticker for market in await system.rest.markets()}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CAPTURE_READY_WITHIN_S):
            # Polled: readiness has many sources, and none of them sends an event.
            while system.statistics.fresh() < tickers or any(  # noqa: ASYNC110
                each.not_ready() for each in system.services
            ):
                await asyncio.sleep(0.02)
            return
    system.log.warning(
        "recording started before all services were ready",
        missing=sorted(tickers - system.statistics.fresh()),
        not_ready={service.name: service.not_ready() for service in system.services},
    )


def _final_books(system: System) -> dict[str, SavedBook]:
    return {
        ticker: SavedBook(
            replica.stale,
            tuple(replica.book.levels(BookSide.BID)),
            tuple(replica.book.levels(BookSide.ASK)),
            is_closed=ticker in system.statistics.closed,
        )
        for ticker, replica in sorted(system.statistics.books.items())
    }
