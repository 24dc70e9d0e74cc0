"""The simulated exchange as a process beside the services: ``python -m truebook_services.paper_exchange``.

It has the health endpoints of a service; for people there is ``truebook exchange``.
"""

from __future__ import annotations

import asyncio
from typing import Final

from truebook.capture.reader import CaptureError, read_capture
from truebook.clock import Clock, ScaledClock, SystemClock
from truebook.runtime.context import Context
from truebook.runtime.frames import Service
from truebook.simulation.faults import FaultError
from truebook_services.paper_exchange import server
from truebook_services.paper_exchange.auth import KeyFileError
from truebook_services.paper_exchange.settings import PaperExchangeSettings
from truebook_services.serving.exit_codes import COMMON, Codes
from truebook_services.serving.serve import serve
from truebook_services.serving.settings import ServeSettings
from truebook_services.serving.surroundings import Surroundings

CODES: Final[Codes] = (
    *COMMON, (CaptureError, 2), (FaultError, 2), (KeyFileError, 2), (server.JournalError, 3), (server.PortInUse, 3),
)  # fmt: skip


class PaperExchangeProcess(ServeSettings):
    """The common settings and the exchange's section."""

    paper_exchange: PaperExchangeSettings = PaperExchangeSettings(port=18080)


class Serving:
    """The frame around the exchange's server."""

    def __init__(self, context: Context, settings: PaperExchangeSettings) -> None:
        self.name = "exchange"
        self._context = context
        self._settings = settings
        self._exchange: server.PaperExchange | None = None

    def not_ready(self) -> str | None:
        return "the exchange does not serve yet" if self._exchange is None else None

    async def run(self, stop: asyncio.Event) -> None:
        exchange = server.PaperExchange(self._settings, _clock(self._settings), self._context.log)
        await exchange.start()
        self._exchange = exchange
        failing, stopping = asyncio.ensure_future(exchange.wait()), asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait((failing, stopping), return_when=asyncio.FIRST_COMPLETED)
            if failing.done():
                failing.result()
        finally:
            self._exchange = None
            stopping.cancel()
            await exchange.aclose()
            await asyncio.gather(failing, stopping, return_exceptions=True)


def _clock(settings: PaperExchangeSettings) -> Clock:
    if settings.capture is None:
        return SystemClock()
    return ScaledClock(next(iter(read_capture(settings.capture))).at_us, settings.speed)


async def root(around: Surroundings[PaperExchangeProcess]) -> Service:
    """Put the service together."""
    return Service(around.context, [Serving(around.context, around.settings.paper_exchange)])


if __name__ == "__main__":
    serve("paper_exchange", PaperExchangeProcess, root, has_bus=False, codes=CODES)
