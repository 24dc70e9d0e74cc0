"""Composition root of the page: its server, the poller, and the file that states its address."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from truebook.runtime.context import Context
from truebook.runtime.frames import Service
from truebook.runtime.http import HttpServer, PortInUse
from truebook_services.dashboard.access import Address, page_token, remove_address, write_address
from truebook_services.dashboard.board import Board
from truebook_services.dashboard.controls import ConnectOperator, Controls
from truebook_services.dashboard.poller import Connect, Poller
from truebook_services.dashboard.sessions import Sessions
from truebook_services.dashboard.settings import DashboardSection

SECONDS_PER_HOUR = 3_600


@dataclass(frozen=True)
class ServedPage:
    """The page that is served."""

    address: Address
    token_file: Path
    service: Service


class PollerFrame:
    """Runs the poller until the stop."""

    name = "poller"

    def __init__(self, poller: Poller) -> None:
        self._poller = poller

    def not_ready(self) -> str | None:
        return self._poller.not_ready()

    async def run(self, stop: asyncio.Event) -> None:
        polling = asyncio.create_task(self._poller.run())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((polling, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if polling.done():
            polling.result()
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)


@contextlib.asynccontextmanager
async def serve_page(
    context: Context, settings: DashboardSection, folder: Path, connect: Connect, connect_operator: ConnectOperator,
    *, or_any_port: bool = False,
) -> AsyncIterator[ServedPage]:  # fmt: skip
    """Serve the page while entered; its service has to be run beside it.

    ``or_any_port``: where another process has the port, take a free one; otherwise that raises ``PortInUse``. Raises
    ``SettingsError`` for an unusable token. One page per process.
    """
    token, token_file = page_token(settings.token_file, folder.parent)
    server = _bound(settings, or_any_port=or_any_port)
    board, clock = Board(), context.clock
    poller = Poller(
        board, connect, every_s=settings.poll_ms / 1_000, now_us=clock.now_us, log=context.log
    )  # fmt: skip
    sessions = Sessions(token, settings.session_h * SECONDS_PER_HOUR, clock.now_us)
    controls = Controls(connect_operator, poller.changed, context.log, clock.monotonic_us)
    from truebook_services.dashboard.application import Parts, build_application  # NiceGUI takes a second to import

    parts = Parts(board=board, poller=poller, controls=controls, sessions=sessions, clock=clock)
    app = build_application(parts, settings.allowed_hosts)
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    address = Address(url=f"http://{f'[{host}]' if ':' in host else host}:{server.port}", pid=os.getpid())
    try:
        await server.start(app, lifespan="on", ws="websockets-sansio", proxy_headers=False)
        write_address(folder, address)
        yield ServedPage(address, token_file, Service(context, (PollerFrame(poller),)))
    finally:
        remove_address(folder, address)
        await server.aclose()


def _bound(settings: DashboardSection, *, or_any_port: bool) -> HttpServer:
    try:
        return HttpServer(settings.port, host=settings.host)
    except PortInUse:
        if not or_any_port:
            raise
        return HttpServer(0, host=settings.host)
