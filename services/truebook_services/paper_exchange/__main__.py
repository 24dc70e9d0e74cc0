"""The simulated exchange as a process beside the services: ``python -m truebook_services.paper_exchange``.

It has a service's health endpoints; ``truebook exchange`` is the command for people.
"""

from __future__ import annotations

import asyncio
from typing import Final

from truebook.capture.reader import CaptureError
from truebook.runtime.context import Context
from truebook.runtime.frames import Service
from truebook.simulation.faults import FaultError
from truebook_services.paper_exchange.auth import KeyFileError
from truebook_services.paper_exchange.engine.journal_errors import ExchangeJournalError
from truebook_services.paper_exchange.server import PaperExchange, exchange_clock
from truebook_services.paper_exchange.settings import PaperExchangeSettings
from truebook_services.serving.dependencies import Dependencies
from truebook_services.serving.exit_codes import COMMON, Codes
from truebook_services.serving.serve import serve
from truebook_services.serving.settings import ServeSettings

CODES: Final[Codes] = (
    *COMMON, (CaptureError, 2), (FaultError, 2), (KeyFileError, 2), (ExchangeJournalError, 3),
)  # fmt: skip


class PaperExchangeProcess(ServeSettings):
    """The common settings and the exchange's section."""

    paper_exchange: PaperExchangeSettings = PaperExchangeSettings(port=18080)


class ExchangeFrame:
    """The service frame around the exchange's server."""

    def __init__(self, context: Context, settings: PaperExchangeSettings) -> None:
        self.name = "exchange"
        self._context = context
        self._settings = settings
        self._is_ready = False

    def not_ready(self) -> str | None:
        return None if self._is_ready else "the exchange has not started yet"

    async def run(self, stop: asyncio.Event) -> None:
        exchange = PaperExchange(self._settings, exchange_clock(self._settings), self._context.log)
        try:
            await exchange.run(stop, on_ready=self._set_ready)
        finally:
            self._is_ready = False

    def _set_ready(self) -> None:
        self._is_ready = True


async def root(dependencies: Dependencies[PaperExchangeProcess]) -> Service:
    """Put the service together."""
    return Service(dependencies.context, [ExchangeFrame(dependencies.context, dependencies.settings.paper_exchange)])


if __name__ == "__main__":
    serve("paper_exchange", PaperExchangeProcess, root, has_bus=False, codes=CODES)
