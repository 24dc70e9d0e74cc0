"""The whole system in one process: its composition root.

``open_system`` builds, in this order: the state folder's lock, what the services stand on (``surroundings``, or
``lockstep``), the bus and the services. What was opened is closed again in reverse.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truebook.bus.memory import MemoryBus
from truebook.capture.facts import capture_facts
from truebook.clock import Clock
from truebook.kalshi.port import RestClient
from truebook.ledger.bundled import end_server
from truebook.ledger.port import LedgerStore
from truebook.messages.envelope import Source
from truebook.models.registry import ModelRegistry
from truebook.runtime.collection import startup_kept
from truebook.runtime.context import Context
from truebook.runtime.correlation import Correlations
from truebook.runtime.frames import Service
from truebook.runtime.logs import logger
from truebook.runtime.metrics import Metrics
from truebook.runtime.state_folder import StateFolder
from truebook_services.embedded.journal import open_journal
from truebook_services.embedded.lockstep import open_in_lockstep
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.embedded.statistics import Statistics
from truebook_services.embedded.surroundings import LEDGER, open_surroundings
from truebook_services.embedded.wind_down import resume_after_wind_down
from truebook_services.execution.service import build as build_execution
from truebook_services.fill_listener.service import build as build_fill_listener
from truebook_services.ingest.service import build as build_ingest
from truebook_services.ingest.settings import IngestSettings
from truebook_services.observation.service import build as build_observation
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.policy.service import build as build_policy
from truebook_services.reconciler.service import build as build_reconciler
from truebook_services.reconciler.startup import begin
from truebook_services.serving.crash import crash_point

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class System:
    """What ``run`` needs of the running system."""

    settings: EmbeddedSettings
    folder: Path
    clock: Clock
    exchange: PaperExchange | None
    rest: RestClient
    ledger: LedgerStore
    services: tuple[Service, ...]
    statistics: Statistics
    log: Any


@asynccontextmanager
async def open_system(settings: EmbeddedSettings, say: Say) -> AsyncIterator[System]:
    """Build everything, ready to be run; raises what can't be reached or is refused, by name."""
    async with AsyncExitStack() as stack:
        registry = choose_model(settings)
        folder = stack.enter_context(
            StateFolder(
                settings.state_path,
                fresh=settings.fresh or settings.capture is not None,
                before_fresh=lambda path: end_server(path / LEDGER),
            )
        )
        log = logger("embedded")
        opening = open_in_lockstep if settings.in_lockstep else open_surroundings
        around = await opening(settings, folder.path, stack)
        clock, exchange, rest, ledger = around.clock, around.exchange, around.rest, around.ledger
        bus = MemoryBus()
        stack.push_async_callback(bus.aclose)
        crash = crash_point(settings.crash_at)
        metrics, correlations = Metrics("embedded"), Correlations()

        def context(service: str) -> Context:
            return Context(
                service=service, account=settings.account, strategy=settings.strategy, source=source_of(settings),
                clock=clock, bus=bus, metrics=metrics.for_service(service), log=logger(service), crash=crash,
                correlations=correlations,
            )  # fmt: skip

        if around.journal is not None:
            await open_journal(
                context("journal"), ledger, around.journal, keep=settings.reconciler.journal_keep, say=say, stack=stack
            )
        await begin(ledger)
        await resume_after_wind_down(ledger)
        statistics = Statistics()
        policy = settings.policy.model_copy(update={"model": Path(settings.model).stem})
        services = (
            Service(watching := context("statistics"), [statistics.consumer(watching)]),
            build_reconciler(
                context("reconciler"), settings.reconciler, rest=rest, ledger=ledger, journal=around.journal
            ),
            build_fill_listener(
                context("fill_listener"), settings.fill_listener, rest=rest, connector=around.connector, ledger=ledger
            ),
            build_execution(context("execution"), settings.execution, rest=rest, ledger=ledger),
            build_policy(context("policy"), policy, registry=registry),
            build_observation(context("observation"), settings.observation, ledger=ledger),
            build_ingest(
                context("ingest"), _ingest_settings(settings), rest=rest, connector=around.connector, ledger=ledger
            ),
        )
        stack.enter_context(startup_kept())
        say(f"exchange {around.url}, account {settings.account}, state in {folder.path}")
        yield System(
            settings=settings, folder=folder.path, clock=clock, exchange=exchange, rest=rest, ledger=ledger,
            services=services, statistics=statistics, log=log,
        )  # fmt: skip


def choose_model(settings: EmbeddedSettings) -> ModelRegistry:
    """The registry of this account's models, with the wished one checked; raises ``ModelRefused``.

    A file is copied into the registry under its own name, so that what traded can be found again.
    """
    registry = ModelRegistry(settings.state_folder / "models")
    if settings.model.endswith(".onnx"):
        registry.add(Path(settings.model))
    registry.load(Path(settings.model).stem)
    return registry


def source_of(settings: EmbeddedSettings) -> Source:
    """Where this run's market data come from."""
    return Source.CAPTURE if settings.capture is not None else Source(settings.market_data)


def _ingest_settings(settings: EmbeddedSettings) -> IngestSettings:
    """A recording's markets are followed from its first frame on, whatever their books look like by then."""
    if settings.capture is None:
        return settings.ingest
    tickers = tuple(facts.ticker for facts in capture_facts(settings.capture))
    universe = settings.ingest.universe.model_copy(update={"tickers": tickers, "most_markets": len(tickers)})
    return settings.ingest.model_copy(update={"universe": universe})
