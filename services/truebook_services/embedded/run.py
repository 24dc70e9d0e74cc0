"""One run of the embedded system, from its start to the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Protocol

from truebook.clock import MICROS, SystemClock
from truebook.messages.envelope import BookSide
from truebook.runtime.health import serve_health
from truebook.runtime.loop import run_until_done
from truebook.runtime.virtual_loop import VirtualClock, run_virtual
from truebook_services.embedded.evidence import explain, keep_evidence, write_evidence
from truebook_services.embedded.history import write_history
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.embedded.summary import books_are_true, summarise
from truebook_services.embedded.surroundings import CaptureClock
from truebook_services.embedded.system import Say, System, open_system, source_of
from truebook_services.embedded.wind_down import wind_down
from truebook_services.operator.service import serve_operator
from truebook_services.paper_exchange.server import PaperExchange

CAPTURE_READY_WITHIN_S = 20.0
AFTER_CAPTURE_S = 0.5
"""Real time that the last frames of a recording get to reach decisions and orders, once no more of them come."""


BOOKS, HISTORY, SUMMARY = "books.json", "history.jsonl", "summary.json"
"""What a run leaves in its folder: the final books as their readers knew them, its summary, and of a recording also
all orders and fills, as the exchange shows them."""


class Watcher(Protocol):
    """Who shows the run to a person."""

    every_s: float

    def show(self, summary: dict[str, Any], news: list[str]) -> None: ...
    def say(self, text: str) -> None: ...


def run_to_end(settings: EmbeddedSettings, watcher: Watcher) -> tuple[int, dict[str, Any]]:
    """Run on a loop of its own: the machine's, or a virtual one where the run is in lock-step."""
    main = run(settings, watcher)
    return run_virtual(main) if settings.in_lockstep else run_until_done(main)


async def run(settings: EmbeddedSettings, watcher: Watcher) -> tuple[int, dict[str, Any]]:
    """Trade until the time is over, the recording has ended or the process is asked to stop; (exit code, summary)."""
    async with open_system(settings, watcher.say) as system:
        started_us = system.clock.monotonic_us()

        async def current() -> dict[str, Any]:
            return await _summary(system, started_us, None)

        ended = asyncio.Event()
        _on_signal(ended.set)
        stop = asyncio.Event()
        async with _served(system, watcher, current), asyncio.TaskGroup() as group:
            for service in system.services:
                group.create_task(service.run(stop), name=service.name)
            helpers = [
                group.create_task(_watch(system, watcher, current), name="watch"),
                group.create_task(_end_of_time(system, ended), name="end"),
            ]
            if not isinstance(system.clock, VirtualClock):
                helpers.append(group.create_task(keep_evidence(system), name="evidence"))
            if system.exchange is not None:
                helpers.append(group.create_task(_watch_exchange(system.exchange), name="exchange"))
            await ended.wait()
            watcher.say("stopping: cancelling all orders, comparing the ledger with the exchange")
            differences = await wind_down(system.rest, system.ledger, system.clock, asyncio.sleep)
            # Before the services stop: their going marks every book stale, and a stale book values nothing.
            summary = await _summary(system, started_us, differences)
            _write_books(system, system.folder / BOOKS)
            write_evidence(system)
            if isinstance(system.clock, CaptureClock):
                summary["history_sha256"] = await write_history(system.rest, system.folder / HISTORY)
            (system.folder / SUMMARY).write_text(json.dumps(summary))
            for helper in helpers:
                helper.cancel()
            stop.set()
    return (0 if books_are_true(summary) else 1), summary


@contextlib.asynccontextmanager
async def _served(system: System, watcher: Watcher, current: Callable[[], Any]) -> AsyncIterator[None]:
    """Serve the operator, health and metrics while entered. Virtual time knows no sockets: nothing is served there."""
    if isinstance(system.clock, VirtualClock):
        yield
        return
    settings = system.settings

    async def why(ticker: str | None) -> dict[str, Any]:
        return explain(system, await system.ledger.view(()), ticker)

    operator = serve_operator(
        settings.operator, status=current, ledger=system.ledger, cancel_all=system.rest.cancel_all,
        folder=system.folder, why=why,
    )  # fmt: skip
    async with operator, serve_health(system.services, settings.http_port) as port:
        watcher.say(f"health and metrics at http://127.0.0.1:{port}")
        yield


async def _summary(system: System, started_us: int, differences: Any) -> dict[str, Any]:
    settings = system.settings
    summary = summarise(
        system.statistics,
        await system.ledger.view(),
        differences,
        seconds=(system.clock.monotonic_us() - started_us) / 1e6,
        seed=settings.paper_exchange.seed if system.exchange is None else system.exchange.seed,
        model=settings.model,
        market_data=str(source_of(settings)),
    )
    return {**summary, "at_us": system.clock.now_us()}


async def _watch(system: System, watcher: Watcher, current: Callable[[], Any]) -> None:
    """Show the run every few seconds of real time, whatever time the system runs on.

    In virtual time that must not change the run: the ledger in memory answers without letting anyone else run.
    """
    real = SystemClock()
    shown_us = real.monotonic_us()
    while True:
        await asyncio.sleep(watcher.every_s)
        if isinstance(system.clock, VirtualClock) and real.monotonic_us() - shown_us < watcher.every_s * MICROS:
            continue
        shown_us = real.monotonic_us()
        watcher.show(await current(), list(system.statistics.news))


async def _watch_exchange(exchange: PaperExchange) -> None:
    """End the run with what made the exchange fail; being cancelled leaves the exchange alone."""
    await asyncio.shield(exchange.wait())
    raise RuntimeError("the simulated exchange has ended by itself: see the log")


async def _end_of_time(system: System, ended: asyncio.Event) -> None:
    """Set ``ended`` when the wished time is over or the recording has ended, whichever comes first."""
    recording = system.exchange if isinstance(system.clock, CaptureClock) else None
    if recording is not None and isinstance(system.clock, CaptureClock):
        await _until_ready(system)
        system.clock.start()
    try:
        async with asyncio.timeout(system.settings.for_s):
            await (recording.finished if recording is not None else asyncio.Event()).wait()
    except TimeoutError:
        pass
    else:
        read = -1
        while read != system.statistics.counts["deltas"]:  # a busy machine is behind
            read = system.statistics.counts["deltas"]
            await asyncio.sleep(AFTER_CAPTURE_S)
    ended.set()


async def _until_ready(system: System) -> None:
    """Wait until every recorded market is followed, so that its first frame finds a reader; late ones are told."""
    wanted = {facts.ticker for facts in await system.rest.markets()}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CAPTURE_READY_WITHIN_S):
            # Readiness is asked of many, none of which tells.
            while system.statistics.followed() < wanted or any(  # noqa: ASYNC110
                each.not_ready() for each in system.services
            ):
                await asyncio.sleep(0.02)
            return
    system.log.warning(
        "the recording starts before all is ready",
        missing=sorted(wanted - system.statistics.followed()),
        not_ready={service.name: service.not_ready() for service in system.services},
    )


def _on_signal(callback: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, callback)


def _write_books(system: System, path: Path) -> None:
    """Leave the final books, as their readers knew them, for anyone who wants to compare."""
    books = {
        ticker: {
            "stale": replica.stale,
            "bids": replica.book.levels(BookSide.BID),
            "asks": replica.book.levels(BookSide.ASK),
        }
        for ticker, replica in sorted(system.statistics.books.items())
    }
    path.write_text(json.dumps(books))


__all__ = ["Say", "run", "run_to_end"]
