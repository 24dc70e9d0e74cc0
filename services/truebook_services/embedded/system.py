"""The whole system in one process: its composition root.

``open_system`` builds, in this order: the state folder's lock, the services' resources (``resources``, or
``lockstep``), the bus and the services. It closes them in reverse.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from truebook.bus.memory.bus import MemoryBus
from truebook.bus.port import Bus
from truebook.capture.market_metadata import capture_metadata
from truebook.clock import Clock
from truebook.features.plugins import find_layout
from truebook.kalshi.port import RestClient
from truebook.ledger.port import LedgerStore
from truebook.ledger.redis.bundled import BundledServer, end_server
from truebook.messages.envelope import Source
from truebook.models.recorded_use import RecordedUses
from truebook.models.registry import ModelRegistry
from truebook.runtime.context import Context
from truebook.runtime.correlation import Correlations
from truebook.runtime.frames import Service
from truebook.runtime.gc import frozen_modules, frozen_startup_objects
from truebook.runtime.logs import logger
from truebook.runtime.metrics import Metrics
from truebook.runtime.service_reports import Reported, ServiceReports, process_name
from truebook.runtime.state_folder import StateFolder
from truebook_services.alerts.service import build as build_alerts
from truebook_services.embedded.lockstep import lockstep_bus, open_in_lockstep
from truebook_services.embedded.model_history import read_uses
from truebook_services.embedded.resources import Resources, journal_upkeep, open_resources
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.embedded.wind_down import resume_after_wind_down
from truebook_services.execution.service import build as build_execution
from truebook_services.fill_listener.service import build as build_fill_listener
from truebook_services.ingest.service import build as build_ingest
from truebook_services.ingest.settings import IngestSettings
from truebook_services.observation.service import build as build_observation
from truebook_services.operator.live import LiveSource
from truebook_services.operator.live_memory import MemoryLive, live_state
from truebook_services.operator.model_failures import read_pointer
from truebook_services.operator.run_files import LEDGER, read_history
from truebook_services.operator.statistics import Statistics
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.policy.active_model import ActiveModel
from truebook_services.policy.service import build as build_policy
from truebook_services.reconciler.limits import apply_limits
from truebook_services.reconciler.recovery import recover
from truebook_services.reconciler.relay import Relay
from truebook_services.reconciler.service import build as build_reconciler
from truebook_services.reconciler.startup import hold_until_reconciled
from truebook_services.serving.binding import check_exchange
from truebook_services.serving.crash import crash_point

Report = Callable[[str], None]
"""Shows a line of progress to a person."""


@dataclass(frozen=True, kw_only=True)
class System:
    """The open system, as ``run`` needs it."""

    settings: EmbeddedSettings
    folder: Path
    clock: Clock
    exchange: PaperExchange | None
    rest: RestClient
    ledger: LedgerStore
    server: BundledServer | None
    active: ActiveModel
    bus: Bus
    services: tuple[Service, ...]
    statistics: Statistics
    live: LiveSource | None
    """What a page reads; None in lock-step."""
    log: Any


@asynccontextmanager
async def open_system(settings: EmbeddedSettings, report: Report) -> AsyncIterator[System]:
    """Build everything, ready to run; raises what can't be reached or is refused."""
    async with AsyncExitStack() as stack:
        stack.enter_context(frozen_modules())
        registry, uses = choose_model(settings), _uses(settings)
        folder = stack.enter_context(
            StateFolder(
                settings.state_path,
                fresh=settings.fresh or settings.capture is not None,
                before_fresh=lambda path: end_server(path / LEDGER),
            )
        )
        log = logger("embedded")
        open_all = open_in_lockstep if settings.in_lockstep else open_resources
        resources = await open_all(settings, folder.path, stack)
        clock, exchange, rest, ledger = resources.clock, resources.exchange, resources.rest, resources.ledger
        bus = lockstep_bus() if settings.in_lockstep else MemoryBus()
        stack.push_async_callback(bus.aclose)
        crash = crash_point(settings.crash_at)
        metrics, correlations = Metrics("embedded"), Correlations()

        def context(service: str) -> Context:
            return Context(
                service=service, account=settings.account, strategy=settings.strategy, source=source_of(settings),
                clock=clock, bus=bus, metrics=metrics.for_service(service), log=logger(service), crash=crash,
                correlations=correlations,
            )  # fmt: skip

        await _open_journal(context("journal"), settings, resources, report, stack)
        await check_exchange(ledger, rest)
        await hold_until_reconciled(ledger)
        await resume_after_wind_down(ledger)
        for difference in await apply_limits(ledger, settings.limits.given(), log):
            report(str(difference))
        statistics = _statistics(settings, folder.path, clock)
        active = _active_model(context("policy"), settings, registry, uses)
        services: tuple[Service, ...] = (
            Service(watching := context("statistics"), [statistics.consumer(watching)]),
            _reconciler(context("reconciler"), settings, resources, registry),
            build_fill_listener(
                context("fill_listener"),
                settings.fill_listener,
                rest=rest,
                connector=resources.connector,
                ledger=ledger,
            ),
            build_execution(context("execution"), settings.execution, rest=rest, ledger=ledger),
            _policy(context("policy"), settings, registry, ledger, active),
            build_observation(context("observation"), settings.observation, ledger=ledger),
            build_ingest(
                context("ingest"), _ingest_settings(settings), rest=rest, connector=resources.connector, ledger=ledger
            ),
        )
        if settings.capture is None:
            services = (*services, _alerts(context("alerts"), settings, ledger, folder.path))
        if not settings.in_lockstep:
            services = (*services, _reporting(context("reports"), services[1:]))
        stack.enter_context(frozen_startup_objects())
        report(f"exchange {resources.url}, account {settings.account}, state in {folder.path}")
        yield System(
            settings=settings, folder=folder.path, clock=clock, exchange=exchange, rest=rest, ledger=ledger,
            server=resources.server, active=active, bus=bus, services=services, statistics=statistics, log=log,
            live=_live(settings, resources, statistics),
        )  # fmt: skip


def _alerts(context: Context, settings: EmbeddedSettings, ledger: LedgerStore, folder: Path) -> Service:
    """Return the service that notifies operators; a replay has none."""
    return build_alerts(context, settings.alerts, open_ledger=lambda: opened(ledger), folder=folder)


def _reconciler(
    context: Context, settings: EmbeddedSettings, resources: Resources, registry: ModelRegistry
) -> Service:  # fmt: skip
    return build_reconciler(
        context, settings.reconciler, rest=resources.rest, ledger=resources.ledger, journal=resources.journal,
        upkeep=journal_upkeep(settings, resources),
        models=None if settings.model or settings.capture is not None else registry.files,
        reports=not settings.in_lockstep,
    )  # fmt: skip


def _statistics(settings: EmbeddedSettings, folder: Path, clock: Clock) -> Statistics:
    """Return new statistics, with the state of a page but in lock-step; its history continues that of earlier runs."""
    statistics = Statistics()
    if not settings.in_lockstep:
        statistics.live = live_state(statistics, clock.now_us(), f"run {os.getpid()}")
        statistics.live.account.restore(read_history(folder))
    return statistics


def _live(settings: EmbeddedSettings, resources: Resources, statistics: Statistics) -> LiveSource | None:
    if statistics.live is None:
        return None
    pointer = partial(read_pointer, settings.models_path)
    return MemoryLive(statistics, resources.clock, resources.ledger.view, pointer)


def _reporting(context: Context, services: Sequence[Service]) -> Service:
    """Return the service that reports on the others; not in lock-step, where nothing may depend on it."""
    reports = ServiceReports(context, process_name(), lambda: [Reported(each.name, [each]) for each in services])
    return Service(context, [reports])


def _uses(settings: EmbeddedSettings) -> RecordedUses | None:
    """Load the models that a replay switches between; raises as ``read_uses`` does."""
    if settings.model_history is None or settings.capture is None:
        return None
    return read_uses(settings, settings.capture, settings.model_history)


def _active_model(
    context: Context, settings: EmbeddedSettings, registry: ModelRegistry, uses: RecordedUses | None
) -> ActiveModel:  # fmt: skip
    """Return the model in use; a replay leaves the registry of the live systems as it is."""
    policy = settings.policy.model_copy(update={"model": Path(settings.model).stem})
    return ActiveModel(context, policy, registry, is_replay=settings.capture is not None, uses=uses)


def _policy(
    context: Context, settings: EmbeddedSettings, registry: ModelRegistry, ledger: LedgerStore, active: ActiveModel
) -> Service:  # fmt: skip
    return build_policy(
        context, settings.policy, registry=registry, open_ledger=lambda: opened(ledger),
        instance=f"{settings.account}-{settings.market_data}", active=active,
    )  # fmt: skip


async def opened(ledger: LedgerStore) -> LedgerStore:
    """Return the ledger, which is open in this process already."""
    return ledger


async def _open_journal(
    context: Context, settings: EmbeddedSettings, resources: Resources, report: Report, stack: AsyncExitStack
) -> None:
    """Restore the ledger from its journal where it lacks changes; ``stack`` copies the last entries at the end."""
    ledger, journal = resources.ledger, resources.journal
    if journal is None:
        return
    replayed = await recover(ledger, journal, context.log)
    if replayed:
        report(
            f"the ledger lacked its newest {replayed} changes: restored from its journal; "
            "now comparing with the exchange"
        )
    stack.push_async_callback(Relay(context, ledger, journal, keep=settings.reconciler.journal_keep).finish)


def choose_model(settings: EmbeddedSettings) -> ModelRegistry:
    """Return the registry of this account's models, the selected one checked; raises ``ModelRefused``.

    A file is copied into the registry under its own name, so that the model that traded can be found later.
    """
    registry = ModelRegistry(settings.models_path, trades_on=find_layout(settings.observation.layout))
    if settings.model.endswith(".onnx"):
        registry.add(Path(settings.model))
    if settings.model:
        registry.load(Path(settings.model).stem)
    else:
        registry.active()
    return registry


def source_of(settings: EmbeddedSettings) -> Source:
    """Return the source of this run's market data."""
    return Source.CAPTURE if settings.capture is not None else Source(settings.market_data)


def _ingest_settings(settings: EmbeddedSettings) -> IngestSettings:
    """Return ingest's settings; a recording's markets are selected from its first frame on, whatever their books."""
    if settings.capture is None:
        return settings.ingest
    tickers = tuple(market.ticker for market in capture_metadata(settings.capture))
    universe = settings.ingest.universe.model_copy(update={"tickers": tickers, "max_markets": len(tickers)})
    update: dict[str, Any] = {"universe": universe}
    if settings.in_lockstep:
        update["linger_ms"] = 0  # collecting messages saves work of a machine, which takes no virtual time
    return settings.ingest.model_copy(update=update)
