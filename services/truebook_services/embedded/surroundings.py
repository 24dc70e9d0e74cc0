"""What the services stand on, over real sockets and disks: time, the exchange and the two ways to it, the ledger."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from truebook.capture.reader import read_capture
from truebook.clock import Clock, ExchangeClock, ScaledClock, SystemClock
from truebook.kalshi.hosts import check_hosts
from truebook.kalshi.port import Connector, RestClient
from truebook.kalshi.rest import HttpRestClient
from truebook.kalshi.signing import Signer, load_signer
from truebook.kalshi.stream import WebsocketConnector
from truebook.ledger.bundled import BundledServer
from truebook.ledger.journal_file import FileJournal
from truebook.ledger.journal_port import Journal
from truebook.ledger.port import RestorableStore
from truebook.ledger.redis_store import RedisStore
from truebook.runtime.logs import logger
from truebook.runtime.virtual_loop import VirtualClock
from truebook_services.embedded.settings import MAX_SPEED, EmbeddedSettings
from truebook_services.paper_exchange.server import PaperExchange

BEFORE_CAPTURE_S: Final = 20.0
"""Real time that a recording's clock has before its first frame, unless all is ready sooner."""

LEDGER: Final = "ledger"
"""The bundled server's folder within the state folder."""
JOURNAL: Final = "journal.jsonl"
"""The copy of the ledger's journal within the state folder."""
EXCHANGE: Final = "exchange"
"""The exchange's folder within the state folder."""

CaptureClock = ScaledClock | VirtualClock
"""A clock that waits for ``start`` just before a recording's first frame."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """``exchange`` is null where it runs elsewhere; ``url`` is its root address, for people."""

    clock: Clock
    exchange: PaperExchange | None
    url: str
    rest: RestClient
    connector: Connector
    ledger: RestorableStore
    journal: Journal | None
    """The copy of the ledger's journal; null where nothing of the run outlives it."""


async def open_surroundings(settings: EmbeddedSettings, folder: Path, stack: AsyncExitStack) -> Surroundings:
    """Open everything; ``stack`` closes it again. Raises what can't be reached or is refused, by name."""
    ledger = await _open_ledger(settings, folder, stack)
    journal = await FileJournal.open(folder / JOURNAL)
    stack.push_async_callback(journal.aclose)
    clock = _make_clock(settings)
    exchange = await _open_exchange(settings, folder, clock, stack)
    url, signer = _find_exchange(settings, exchange)
    rest = HttpRestClient(
        f"{url}/trade-api/v2", signer, clock, signature_life_s=settings.execution.signature_life_s
    )  # fmt: skip
    stack.push_async_callback(rest.aclose)
    connector = WebsocketConnector(f"ws{url.removeprefix('http')}/trade-api/ws/v2", signer, clock)
    if isinstance(clock, ExchangeClock):
        clock.observe(await rest.exchange_time_us())
    return Surroundings(
        clock=clock, exchange=exchange, url=url, rest=rest, connector=connector, ledger=ledger, journal=journal
    )


def _make_clock(settings: EmbeddedSettings) -> Clock:
    if settings.capture is not None:
        assert settings.speed != MAX_SPEED, "lock-step has surroundings of its own"
        first = next(iter(read_capture(settings.capture)))
        return ScaledClock(first.at_us, settings.speed, lead_us=int(BEFORE_CAPTURE_S * settings.speed * 1e6))
    return ExchangeClock(SystemClock()) if settings.exchange_url else SystemClock()


async def _open_ledger(settings: EmbeddedSettings, folder: Path, stack: AsyncExitStack) -> RestorableStore:
    url = settings.redis_url
    if url is None:
        server = await BundledServer.start(folder / LEDGER)
        stack.push_async_callback(server.stop)
        url = server.url
    ledger = await RedisStore.connect(url, settings.account, password=settings.redis_password())
    stack.push_async_callback(ledger.aclose)
    return ledger


async def _open_exchange(
    settings: EmbeddedSettings, folder: Path, clock: Clock, stack: AsyncExitStack
) -> PaperExchange | None:
    if settings.exchange_url is not None:
        return None
    update = {"state_folder": folder / EXCHANGE, "capture": settings.capture}
    exchange = PaperExchange(settings.paper_exchange.model_copy(update=update), clock, logger("paper_exchange"))
    stack.push_async_callback(exchange.aclose)
    await exchange.start()
    return exchange


def _find_exchange(settings: EmbeddedSettings, exchange: PaperExchange | None) -> tuple[str, Signer]:
    """Answer the exchange's root address and who signs for us."""
    if exchange is not None and exchange.private_key_file is not None:
        return exchange.url, load_signer(exchange.key_id, exchange.private_key_file)
    url = (settings.exchange_url or "").rstrip("/").removesuffix("/trade-api/v2")
    check_hosts(f"{url}/trade-api/v2", f"ws{url.removeprefix('http')}/trade-api/ws/v2", settings.exchange)
    key_id, key_file = settings.credentials()
    return url, load_signer(key_id, key_file)
