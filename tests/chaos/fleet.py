"""The six services, each a simulated process that may die and is started again, as a supervisor would."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from chaos.bus_port import Broker, BusPort
from chaos.exchange import ACCOUNT, Exchange
from chaos.faults import SERVICES
from chaos.history import History
from chaos.ledger_port import LedgerPort, LedgerServer
from chaos.processes import Process, outside
from chaos.sockets import MemoryConnector, Network
from truebook.clock import Clock
from truebook.kalshi.port import RestClient
from truebook.messages.envelope import Source
from truebook.models.registry import ModelRegistry
from truebook.runtime.context import Context
from truebook.runtime.frames import Service
from truebook.runtime.metrics import Metrics
from truebook_services.execution.service import build as build_execution
from truebook_services.execution.settings import ExecutionSettings
from truebook_services.fill_listener.service import build as build_fill_listener
from truebook_services.fill_listener.settings import FillListenerSettings
from truebook_services.ingest.service import build as build_ingest
from truebook_services.ingest.settings import IngestSettings, UniverseSettings
from truebook_services.observation.service import build as build_observation
from truebook_services.observation.settings import ObservationSettings
from truebook_services.policy.service import build as build_policy
from truebook_services.policy.settings import PolicySettings
from truebook_services.reconciler.service import build as build_reconciler
from truebook_services.reconciler.settings import ReconcilerSettings
from truebook_services.reconciler.startup import begin

MODEL = "maker"
STOPPED_WITHIN_S = 8.0


@lru_cache(maxsize=1)
def models() -> ModelRegistry:
    """The shipped models, loaded once for all runs of this process: they hold no state."""
    return ModelRegistry(Path("no models of our own"))


class ServiceLog:
    """A service's logger: it writes into the history."""

    def __init__(self, history: History, service: str) -> None:
        self._history = history
        self._service = service

    def debug(self, event: str, **fields: Any) -> None:
        """Too much to keep."""

    def info(self, event: str, **fields: Any) -> None:
        told = " ".join(f"{name}={value}" for name, value in fields.items())
        self._history.note(self._service, str(fields.get("ticker", "")), f"{event} {told}")

    warning = info

    def error(self, event: str, **fields: Any) -> None:
        self._history.counts["log:error"] += 1
        self.info(f"ERROR {event}", **fields)


class Life:
    """One life of one service."""

    def __init__(self, service: str, process: Process) -> None:
        self.service = service
        self.process = process
        self.stop = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class Fleet:
    """Starts, kills and restarts services."""

    def __init__(
        self, clock: Clock, exchange: Exchange, network: Network, *, broker: Broker, server: LedgerServer,
        history: History, make_rest: Callable[[Process | None], RestClient], failed: Callable[[BaseException], None],
    ) -> None:  # fmt: skip
        self.lives: dict[str, Life] = {}
        self.deaths: Counter[str] = Counter()
        self.armed: list[tuple[str, str, int, float]] = []
        """Labelled crashes to come: (service, label, how many passes yet, restart after seconds)."""
        self._clock = clock
        self._exchange = exchange
        self._network = network
        self._broker = broker
        self._server = server
        self._history = history
        self._make_rest = make_rest
        self._failed = failed
        self._stopping = False
        self._restart_s: dict[str, float] = {}

    async def start_all(self) -> None:
        """Start as the embedded system does: the hold first."""
        await begin(self._server.store)
        for service in SERVICES:
            self.start(service)

    def start(self, service: str) -> None:
        """Begin a new life, unless one is there or all is about to end."""
        running = self.lives.get(service)
        if self._stopping or (running is not None and not running.process.dead):
            return
        process = Process(service, lambda: self._died(service, process))
        life = self.lives[service] = Life(service, process)
        self._history.note("fleet", service, f"{service} starts")
        life.task = process.spawn(self._live(life))
        outside(life.task.add_done_callback, lambda task: self._ended(life, task))

    def kill(self, service: str, restart_s: float) -> None:
        """Kill one service now and start it again later."""
        self._restart_s[service] = restart_s
        self.lives[service].process.kill()

    def kill_at_step(self, service: str, steps: int, restart_s: float) -> None:
        """Kill one service after so many more of its steps."""
        process = self.lives[service].process
        self._restart_s[service] = restart_s
        process.kill_at_step = process.steps + steps

    def cut_power(self, restart_s: float) -> None:
        """Kill all services and lose the bus; start all again later, as the embedded system starts."""
        for life in list(self.lives.values()):
            self._restart_s[life.service] = -1.0
            life.process.kill()
        self._broker.lose_all()
        loop = asyncio.get_running_loop()
        outside(loop.call_later, restart_s, lambda: outside(loop.create_task, self.start_all()))

    async def bring_back(self) -> None:
        """Start what is down, and let nothing die any more."""
        self.armed.clear()
        for life in self.lives.values():
            life.process.kill_at_step = None
        for service in SERVICES:
            self.start(service)

    async def stop(self) -> list[str]:
        """Stop all gracefully; answers the services that did not end in time."""
        self._stopping = True
        for life in self.lives.values():
            life.stop.set()
        tasks = [life.task for life in self.lives.values() if life.task is not None]
        await asyncio.wait(tasks, timeout=STOPPED_WITHIN_S)
        return [life.service for life in self.lives.values() if life.task is not None and not life.task.done()]

    def unready(self) -> list[str]:
        return [service for service in SERVICES if (life := self.lives.get(service)) is None or life.process.dead]

    # One life

    async def _live(self, life: Life) -> None:
        ledger = LedgerPort(self._server, life.process)
        if life.service == "reconciler":
            await begin(ledger)  # type: ignore[arg-type]
        await self._build(life, ledger).run(life.stop)

    def _build(self, life: Life, ledger: Any) -> Service:
        process = life.process
        rest = self._make_rest(process)
        connector = MemoryConnector(self._network, process)
        context = Context(
            service=life.service, account=ACCOUNT, strategy="default", source=Source.SIMULATED, clock=self._clock,
            bus=BusPort(self._broker, process), metrics=Metrics(life.service),
            log=ServiceLog(self._history, life.service), crash=lambda label: self._passed(life, label),
        )  # fmt: skip
        match life.service:
            case "ingest":
                universe = UniverseSettings(most_markets=100, least_time_to_close_s=10)
                settings = IngestSettings(universe=universe, gather_ms=10)
                return build_ingest(context, settings, rest=rest, connector=connector, ledger=ledger)
            case "observation":
                return build_observation(context, ObservationSettings(throttle_ms=500, release_ms=250), ledger=ledger)
            case "policy":
                return build_policy(context, PolicySettings(model=MODEL), registry=models())
            case "execution":
                execution = ExecutionSettings(tier="premier", near_close_s=5)
                return build_execution(context, execution, rest=rest, ledger=ledger)
            case "fill_listener":
                return build_fill_listener(
                    context, FillListenerSettings(), rest=rest, connector=connector, ledger=ledger
                )  # fmt: skip
            case _:
                return build_reconciler(context, ReconcilerSettings(), rest=rest, ledger=ledger)

    def _passed(self, life: Life, label: str) -> None:
        """A labelled point was passed: die there, if it is the one."""
        for number, (service, wanted, left, restart_s) in enumerate(self.armed):
            if service != life.service or wanted != label:
                continue
            if left > 1:
                self.armed[number] = (service, wanted, left - 1, restart_s)
                return
            del self.armed[number]
            self._history.fault("crash", f"{service} at {label!r}")
            self._restart_s[service] = restart_s
            life.process.kill()
            return

    def _died(self, service: str, process: Process) -> None:
        self.deaths[service] += 1
        self._history.fault("kill", f"{service} after {process.steps} steps")
        self._network.died(process)
        self._broker.died(process)
        restart_s = self._restart_s.pop(service, 0.5)
        if restart_s >= 0:
            outside(asyncio.get_running_loop().call_later, restart_s, self.start, service)

    def _ended(self, life: Life, task: asyncio.Task[None]) -> None:
        if life.process.dead:
            return
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._failed(error)
        elif not self._stopping:
            self._failed(RuntimeError(f"{life.service} ended by itself"))
