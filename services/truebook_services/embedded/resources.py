"""The services' resources over real sockets and disks: clock, exchange, REST, WebSocket, ledger and journal."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from truebook.capture.events import first_event_us
from truebook.clock import MICROS, Clock, ExchangeClock, ScaledClock, SystemClock
from truebook.kalshi.hosts import addresses, check_hosts, root_address
from truebook.kalshi.port import Connector, RestClient
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.signing import Signer, load_signer
from truebook.kalshi.stream.connection import WebsocketConnector
from truebook.ledger.journal.file import FileJournal
from truebook.ledger.journal.upkeep import JournalUpkeep, Retention
from truebook.ledger.port import RestorableStore
from truebook.ledger.redis.bundled import BundledServer
from truebook.ledger.redis.store import RedisStore
from truebook.runtime.logs import logger
from truebook.runtime.virtual_loop import VirtualClock
from truebook_services.embedded.settings import MAX_SPEED, EmbeddedSettings
from truebook_services.operator.run_files import JOURNAL, LEDGER
from truebook_services.paper_exchange.engine.journal import last_time_us
from truebook_services.paper_exchange.server import PaperExchange

BEFORE_CAPTURE_S: Final = 20.0
"""Real time before a recording's first frame, unless all services are ready sooner."""

MAX_AHEAD_S: Final = 60
EXCHANGE: Final = "exchange"
"""The exchange's folder, in the state folder."""

CaptureClock = ScaledClock | VirtualClock
"""A clock that waits for ``start`` just before a recording's first frame."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """``exchange`` is None where it runs elsewhere; ``url`` is its root address, for display."""

    clock: Clock
    exchange: PaperExchange | None
    url: str
    rest: RestClient
    connector: Connector
    ledger: RestorableStore
    server: BundledServer | None
    """The ledger's server, where this process started it."""
    journal: FileJournal | None
    """The copy of the ledger's journal; None where the run keeps nothing."""


async def open_resources(settings: EmbeddedSettings, folder: Path, stack: AsyncExitStack) -> Resources:
    """Open everything; ``stack`` closes it. Raises what can't be reached or is refused."""
    server, url = None, settings.redis_url
    if url is None:
        server = await BundledServer.start(folder / LEDGER)
        stack.push_async_callback(server.stop)
        url = server.url
    ledger = await RedisStore.connect(url, settings.account, password=settings.redis_password())
    stack.push_async_callback(ledger.aclose)
    journal = await FileJournal.open(folder / JOURNAL, segment_bytes=settings.reconciler.journal_segment_bytes)
    stack.push_async_callback(journal.aclose)
    clock = _make_clock(settings, max((await ledger.view(())).account.clock_us, last_time_us(folder / EXCHANGE)))
    ledger.now_us = clock.now_us
    exchange = await _open_exchange(settings, folder, clock, stack)
    root, signer = _find_exchange(settings, exchange)
    rest_url, ws_url = addresses(root)
    rest = HttpRestClient(rest_url, signer, clock, signature_life_s=settings.execution.signature_lifetime_s)
    stack.push_async_callback(rest.aclose)
    connector = WebsocketConnector(ws_url, signer, clock)
    if isinstance(clock, ExchangeClock):
        clock.observe(await rest.exchange_time_us())
    return Resources(
        clock=clock, exchange=exchange, url=root, rest=rest, connector=connector,
        ledger=ledger, server=server, journal=journal,
    )  # fmt: skip


def journal_upkeep(settings: EmbeddedSettings, resources: Resources) -> JournalUpkeep | None:
    """Return what bounds the journal's files; None where the run keeps nothing."""
    if resources.journal is None:
        return None
    kept = settings.reconciler
    return JournalUpkeep(
        resources.journal, Retention(max_bytes=kept.journal_max_bytes, max_days=kept.journal_max_days),
        logger("journal"), now_s=lambda: SystemClock().now_us() // MICROS,
    )  # fmt: skip


def _make_clock(settings: EmbeddedSettings, last_us: int) -> Clock:
    """Make the run's clock. ``last_us`` is where the last run on this folder ended, perhaps by a clock that was ahead.

    With its own simulated exchange a run continues from there. A real exchange has its own time: until that has passed
    ``last_us``, the ledger refuses every order.
    """
    if settings.capture is not None:
        assert settings.speed != MAX_SPEED, "lock-step has its own resources"
        first_us = first_event_us(settings.capture)
        return ScaledClock(first_us, settings.speed, lead_us=int(BEFORE_CAPTURE_S * settings.speed * 1e6))
    clock = SystemClock()
    ahead_s = (last_us - clock.now_us()) // MICROS
    if ahead_s > MAX_AHEAD_S and settings.exchange_url:
        logger("embedded").error(
            "the last run's clock was ahead: orders are refused until that time; wait, or start over with --fresh",
            ahead_s=ahead_s,
        )
    elif ahead_s > MAX_AHEAD_S:
        logger("embedded").warning("the last run's clock was ahead: this run continues its time", ahead_s=ahead_s)
    return ExchangeClock(clock) if settings.exchange_url else SystemClock(last_us)


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
    """Return the exchange's root address and the signer of requests."""
    if exchange is not None and exchange.private_key_file is not None:
        return exchange.url, load_signer(exchange.key_id, exchange.private_key_file, is_made_here=True)
    url = root_address(settings.exchange_url or "")
    check_hosts(*addresses(url), settings.exchange)
    key_id, key_file = settings.credentials()
    return url, load_signer(key_id, key_file)
