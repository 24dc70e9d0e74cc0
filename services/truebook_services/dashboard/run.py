"""Runs the page as a process: of its own, or beside ``truebook run``, which is its parent."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from typing import Final

import msgspec

from truebook.bus.memory.bus import MemoryBus
from truebook.clock import SystemClock
from truebook.runtime.context import Context
from truebook.runtime.health import serve_health
from truebook.runtime.logs import configure_logs, logger
from truebook.runtime.loop import run_until_done, stop_on_signal
from truebook.runtime.metrics import Metrics
from truebook_services.dashboard.access import where
from truebook_services.dashboard.connect import open_backend
from truebook_services.dashboard.launch import Started
from truebook_services.dashboard.service import ServedPage, serve_page
from truebook_services.dashboard.settings import DashboardSettings
from truebook_services.operator.connect import open_operator

NAME: Final = "dashboard"
NICE: Final = 5
"""Beside a run the page yields the processor to what trades."""


def run_page(settings: DashboardSettings, *, is_child: bool = False) -> None:
    """Serve the page until a signal; beside ``truebook run`` also until that has ended, however it ends."""
    if is_child:
        os.nice(NICE)
    # Its own log file beside a run: two processes can't share one.
    file = settings.state_path / "dashboard.jsonl" if is_child else None
    configure_logs(settings.log_level, json=True, file=file, max_bytes=settings.log_max_bytes)
    run_until_done(_run(settings, is_child=is_child))


async def _run(settings: DashboardSettings, *, is_child: bool) -> None:
    stop = stop_on_signal()
    connect, connect_operator = partial(open_backend, settings), partial(open_operator, settings)
    context = Context(
        service=NAME, account=settings.account, strategy=settings.strategy, source=settings.market_data,
        clock=SystemClock(), bus=MemoryBus(), metrics=Metrics(NAME), log=logger(NAME),
    )  # fmt: skip
    serving = serve_page(
        context, settings.dashboard, settings.state_path, connect, connect_operator, or_any_port=is_child
    )
    async with serving as page:
        http_port = 0 if is_child else settings.http_port
        async with serve_health([page.service], http_port, host=settings.http_host):
            context.log.info("started", page=page.address.url)
            _report(page, is_child=is_child)
            watching = asyncio.create_task(_stop_with_parent(stop)) if is_child else None
            await page.service.run(stop)
            if watching is not None:
                watching.cancel()
    context.log.info("stopped")


def _report(page: ServedPage, *, is_child: bool) -> None:
    """Report where the page is: to the parent, or to whoever started it."""
    if is_child:
        started = Started(url=page.address.url, token_file=str(page.token_file))
        sys.stdout.buffer.write(msgspec.json.encode(started) + b"\n")
    else:
        text = where(page.address.url, page.token_file, is_terminal=sys.stdout.isatty())
        sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def _stop_with_parent(stop: asyncio.Event) -> None:
    """Stop at the end of standard input, which the parent holds open: also where it was killed."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
    stop.set()
