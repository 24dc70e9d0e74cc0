"""The six services, each a simulated process that may die and is started again, as a supervisor would."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from chaos.bus_port import SESSION_S, Broker, BusPort
from chaos.exchange import ACCOUNT, Exchange
from chaos.faults import SERVICES, Fault
from chaos.habits import Habits
from chaos.history import History, Violation
from chaos.ledger_port import LedgerPort, LedgerServer
from chaos.processes import Process, outside
from chaos.sockets import MemoryConnector, Network
from truebook.bus.port import BusClosed
from truebook.clock import Clock, ExchangeClock
from truebook.kalshi.port import ExchangeError, RestClient
from truebook.ledger.facts import persist
from truebook.messages.envelope import Source
from truebook.models.registry import ModelRegistry
from truebook.runtime.context import Context
from truebook.runtime.frames import Service
from truebook.runtime.metrics import Metrics
from truebook_services.execution.service import build as build_execution
from truebook_services.fill_listener.service import build as build_fill_listener
from truebook_services.fill_listener.settings import FillListenerSettings
from truebook_services.ingest.service import build as build_ingest
from truebook_services.observation.service import build as build_observation
from truebook_services.policy.service import build as build_policy
from truebook_services.policy.settings import PolicySettings
from truebook_services.reconciler.service import build as build_reconciler
from truebook_services.reconciler.settings import ReconcilerSettings
from truebook_services.reconciler.startup import begin

MODEL = "maker"
STOPPED_WITHIN_S = 8.0
RESTART_S = 0.5
FORCED = "log:stopped by force"
"""Said where calls to the exchange hang while a service is stopped; when all is calm it must not be."""


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
        self._history.counts[f"log:{event}"] += 1
        told = " ".join(f"{name}={value}" for name, value in fields.items())
        self._history.note(self._service, str(fields.get("ticker", "")), f"{event} {told}")

    warning = info

    def error(self, event: str, **fields: Any) -> None:
        self.info(f"ERROR {event}", **fields)


class Machine(Clock):
    """The clock of the machine that execution runs on: ahead of the exchange's or behind it, and it may jump."""

    def __init__(self, clock: Clock, skew_us: int) -> None:
        self._clock = clock
        self.skew_us = skew_us

    def now_us(self) -> int:
        return self._clock.now_us() + self.skew_us

    def monotonic_us(self) -> int:
        return self._clock.monotonic_us()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


class Life:
    """One life of one service."""

    def __init__(self, service: str, process: Process) -> None:
        self.service = service
        self.process = process
        self.stop = asyncio.Event()
        self.is_superfluous = False
        """Another one has taken over: nobody restarts it, and it may end by itself."""
        self.has_stalled = False
        self.task: asyncio.Task[None] | None = None

    @property
    def runs(self) -> bool:
        return not self.process.dead and self.task is not None and not self.task.done()


class Fleet:
    """Starts, stops, stalls, kills and restarts services."""

    def __init__(
        self, clock: Clock, exchange: Exchange, network: Network, *, broker: Broker, server: LedgerServer,
        history: History, make_rest: Callable[[Clock, Process | None], RestClient], machine: Machine | None,
        habits: Habits, failed: Callable[[BaseException], None],
    ) -> None:  # fmt: skip
        self.deaths: Counter[str] = Counter()
        self.armed: list[Fault] = []
        """Labelled crashes to come."""
        self.machine = machine
        """Execution's own clock; null where it goes by the exchange's."""
        self._lives: list[Life] = []
        self._clock = clock
        self._exchange = exchange
        self._network = network
        self._broker = broker
        self._server = server
        self._history = history
        self._make_rest = make_rest
        self._habits = habits
        self._failed = failed
        self._stopping = False
        self._restart_s: dict[Process, float] = {}

    async def start_all(self) -> None:
        """Start as the embedded system does: the hold first."""
        await begin(self._server.store)
        for service in SERVICES:
            self.start(service)

    def running(self, service: str) -> list[Life]:
        """The lives of a service, oldest first."""
        return [life for life in self._lives if life.service == service and life.runs]

    def start(self, service: str) -> None:
        """Begin a new life, unless one is there."""
        if not [life for life in self.running(service) if not life.is_superfluous]:
            self._begin(service)

    def kill(self, life: Life, restart_s: float) -> None:
        """Kill one life now and start the service again later."""
        self._restart_s[life.process] = restart_s
        life.process.kill()

    def kill_at_use(self, fault: Fault) -> None:
        """Kill a service at one of its next uses of a port."""
        for life in self.running(fault.service)[:1]:
            self._restart_s[life.process] = fault.restart_s
            life.process.kill_at_use = life.process.uses + fault.count

    def cut_power(self, restart_s: float) -> None:
        """Kill all services and lose the bus; start all again later, as the embedded system starts."""
        for life in self._lives:
            if life.runs:
                self.kill(life, -1.0)
        self._broker.lose_all()
        loop = asyncio.get_running_loop()
        outside(loop.call_later, restart_s, lambda: outside(loop.create_task, self.start_all()))

    async def stall(self, fault: Fault) -> None:
        """Let a service stand still; after a while another one takes its place, and then the first goes on."""
        for life in self.running(fault.service)[:1]:
            life.process.stall()
            life.has_stalled = True
            self._broker.stalled(life.process)
            takes_over_s = min(fault.lasts_s, fault.restart_s + SESSION_S)
            await asyncio.sleep(takes_over_s)
            if takes_over_s < fault.lasts_s:
                life.is_superfluous = True
                self.start(fault.service)
                await asyncio.sleep(fault.lasts_s - takes_over_s)
            self._history.fault("resume", fault.service)
            life.process.resume()
            if life.is_superfluous:
                await asyncio.sleep(fault.restart_s)
                life.stop.set()

    async def second(self, fault: Fault) -> None:
        """Let another one run beside the first; then one of the two stops, or dies."""
        self._begin(fault.service)
        await asyncio.sleep(fault.lasts_s)
        lives = self.running(fault.service)
        if len(lives) < 2:
            return
        # Of two ingests the elder goes: readers follow the newest epoch, and it would be the other's.
        life = lives[0] if fault.restart_s < 1 or fault.service == "ingest" else lives[-1]
        life.is_superfluous = True
        if fault.restart_s > 4:
            self.kill(life, -1.0)
        else:
            life.stop.set()

    async def restart(self, fault: Fault) -> None:
        """Stop a service gracefully and start it again."""
        for life in self.running(fault.service)[:1]:
            life.is_superfluous = True
            life.stop.set()
            if life.task is not None:
                await asyncio.wait((life.task,), timeout=STOPPED_WITHIN_S)
            if life.runs and not life.process.stalled:
                self._failed(Violation("services stop in time", fault.service))
            await asyncio.sleep(fault.restart_s)
        self.start(fault.service)

    async def bring_back(self) -> None:
        """Start what is down, and let nothing die any more."""
        self.armed.clear()
        for life in self._lives:
            life.process.kill_at_use = None
            if life.process.stalled:
                life.process.resume()
        for service in SERVICES:
            self.start(service)

    async def stop(self) -> list[str]:
        """Stop all gracefully; answers the services that did not end in time."""
        self._stopping = True
        forced = self._history.counts[FORCED]
        for life in self._lives:
            life.stop.set()
        tasks = [life.task for life in self._lives if life.task is not None and life.runs]
        if tasks:
            await asyncio.wait(tasks, timeout=STOPPED_WITHIN_S)
        late = [life.service for life in self._lives if life.runs]
        return late + [FORCED] * (self._history.counts[FORCED] - forced)

    def _begin(self, service: str) -> None:
        if self._stopping:
            return
        process = Process(service, lambda: self._died(life))
        life = Life(service, process)
        self._lives.append(life)
        self._history.note("fleet", service, f"{service} starts")
        life.task = process.spawn(self._live(life))
        outside(life.task.add_done_callback, lambda task: self._ended(life, task))

    # One life

    async def _live(self, life: Life) -> None:
        ledger: Any = LedgerPort(self._server, life.process)
        clock = self._clock
        if life.service == "reconciler":
            await persist(clock, lambda: begin(ledger))
        if life.service == "execution" and self.machine is not None:
            clock = await self._measured(life.process, self.machine)
        await self._build(life, clock, ledger).run(life.stop)

    async def _measured(self, process: Process, machine: Machine) -> ExchangeClock:
        """A clock that goes by the exchange, from its first measurement on."""
        clock = ExchangeClock(machine)
        while True:
            try:
                clock.observe(await self._make_rest(clock, process).exchange_time_us())
            except ExchangeError:
                await clock.sleep(0.5)
            else:
                return clock

    def _build(self, life: Life, clock: Clock, ledger: Any) -> Service:
        process, habits = life.process, self._habits
        rest = self._make_rest(clock, process)
        connector = MemoryConnector(self._network, process)
        context = Context(
            service=life.service, account=ACCOUNT, strategy="default", source=Source.SIMULATED, clock=clock,
            bus=BusPort(self._broker, process), metrics=Metrics(life.service),
            log=ServiceLog(self._history, life.service), crash=lambda label: self._passed(life, label),
        )  # fmt: skip
        match life.service:
            case "ingest":
                return build_ingest(context, habits.ingest, rest=rest, connector=connector, ledger=ledger)
            case "observation":
                return build_observation(context, habits.observation, ledger=ledger)
            case "policy":
                return build_policy(context, PolicySettings(model=MODEL), registry=models())
            case "execution":
                return build_execution(context, habits.execution, rest=rest, ledger=ledger)
            case "fill_listener":
                settings = FillListenerSettings()
                return build_fill_listener(context, settings, rest=rest, connector=connector, ledger=ledger)
            case _:
                return build_reconciler(context, ReconcilerSettings(), rest=rest, ledger=ledger)

    def _passed(self, life: Life, label: str) -> None:
        """A labelled point was passed: die there, if it is the one."""
        for number, fault in enumerate(self.armed):
            if fault.service != life.service or fault.label != label:
                continue
            if fault.count > 1:
                self.armed[number] = msgspec.structs.replace(fault, count=fault.count - 1)
                return
            del self.armed[number]
            self._history.fault("crash", f"{life.service} at {label!r}")
            self.kill(life, fault.restart_s)
            return

    def _died(self, life: Life) -> None:
        self.deaths[life.service] += 1
        self._history.fault("kill", f"{life.service} after {life.process.uses} uses of ports")
        self._network.died(life.process)
        self._broker.died(life.process)
        restart_s = self._restart_s.pop(life.process, RESTART_S)
        if restart_s >= 0:
            outside(asyncio.get_running_loop().call_later, restart_s, self.start, life.service)

    def _ended(self, life: Life, task: asyncio.Task[None]) -> None:
        if life.process.dead:
            return
        error = None if task.cancelled() else task.exception()
        self._network.died(life.process)
        if isinstance(error, BusClosed) and life.has_stalled:
            # The broker has dropped it while it stood still: it ends, and a supervisor starts the next one.
            if not self._stopping:
                outside(asyncio.get_running_loop().call_later, RESTART_S, self.start, life.service)
        elif error is not None:
            self._failed(error)
        elif not self._stopping and not life.is_superfluous:
            self._failed(RuntimeError(f"{life.service} ended by itself"))
