"""Feeds a simulated exchange with the market data of another one, as the recorder reads them; it sends no order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from truebook.bus.memory.bus import MemoryBus
from truebook.clock import ExchangeClock, SystemClock
from truebook.kalshi.hosts import addresses, check_hosts
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.signing import PublicDataSigner, load_signer
from truebook.kalshi.stream.connection import WebsocketConnector
from truebook.messages.envelope import Source
from truebook.runtime.context import Context
from truebook.runtime.logs import logger
from truebook.runtime.metrics import Metrics
from truebook.runtime.settings import TruebookSettings
from truebook_services.cli.errors import UsageError
from truebook_services.paper_exchange.engine.sources import MirrorSource
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.recorder.recording import Recording
from truebook_services.recorder.service import build
from truebook_services.recorder.settings import RecorderSettings

MAX_MARKETS: Final = 200


@contextlib.asynccontextmanager
async def mirrored(exchange: PaperExchange, settings: TruebookSettings, url: str) -> AsyncIterator[None]:
    """Mirror the exchange at ``url`` into one that has started, until the context ends.

    Raises ``ExchangeError``, and cancels its caller if the mirror fails later.
    """
    source = exchange.state.core.source
    assert isinstance(source, MirrorSource), "the exchange was opened without a mirror"
    rest_url, ws_url = addresses(url)
    check_hosts(rest_url, ws_url, settings.exchange)
    if settings.key_id is None or settings.key_file is None:
        raise UsageError(
            "--mirror needs a key of that exchange, for reading: set TRUEBOOK_KEY_ID and TRUEBOOK_KEY_FILE"
        )
    signer = PublicDataSigner(load_signer(settings.key_id, settings.key_file))
    clock = ExchangeClock(SystemClock())
    rest = HttpRestClient(rest_url, signer, clock)
    async with contextlib.aclosing(rest):
        clock.observe(await rest.exchange_time_us())
        context = Context(
            service="recorder", account=settings.account, strategy=settings.strategy, source=Source.SIMULATED,
            clock=SystemClock(), bus=MemoryBus(), metrics=Metrics("recorder"), log=logger("mirror"),
        )  # fmt: skip
        options = RecorderSettings(max_markets=MAX_MARKETS)
        recording = Recording(context, options, rest, WebsocketConnector(ws_url, signer, clock), source)
        await recording.refresh()
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(build(context, options, recording=recording).run(stop))
            try:
                yield
            finally:
                stop.set()
