"""The six services, each a simulated process that may die and is restarted, as by a supervisor."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from chaos.bus_port import SESSION_S, Broker, BusPort
from chaos.drawn_settings import DrawnSettings
from chaos.exchange import ACCOUNT, Exchange
from chaos.faults import SERVICES, Fault
from chaos.history import History, Violation
from chaos.ledger_port import LedgerPort, LedgerServer
from chaos.processes import Process, outside
from chaos.sockets import Network, ProcessConnector
from truebook.bus.port import BusClosed
from truebook.clock import Clock, ExchangeClock
from truebook.kalshi.port import ExchangeError, RestClient
from truebook.ledger.exchange_reports import persist
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
from truebook_services.reconciler.limits import apply_limits
from truebook_services.reconciler.service import build as build_reconciler
from truebook_services.reconciler.startup import hold_until_reconciled

MODEL = "maker"
STOPPED_WITHIN_S = 8.0
STOPS_APART_S = 0.1
RESTART_S = 0.5
FORCED = "log:frame cancelled: did not stop in time"
"""Logged when calls to the exchange are pending at a stop; must not occur without faults."""


@lru_cache(maxsize=1)
def models() -> ModelRegistry:
    """Load the bundled models once for all runs of this process: they are stateless."""
    return ModelRegistry(Path("no models of our own"))


class ServiceLog:
    """A service's logger that writes to the history."""

    def __init__(self, history: History, service: str) -> None:
        self._history = history
        self._service = service

    def debug(self, event: str, **fields: Any) -> None:
        """Debug lines are not recorded."""

    def info(self, event: str, **fields: Any) -> None:
        self._history.counts[f"log:{event}"] += 1
        text = " ".join(f"{name}={value}" for name, value in fields.items())
        self._history.note(self._service, str(fields.get("ticker", "")), f"{event} {text}")

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


class Instance:
    """One run of one service as a process, from its start to its end."""

    def __init__(self, service: str, process: Process) -> None:
        self.service = service
        self.process = process
        self.stop = asyncio.Event()
        self.is_replaced = False
        """Another instance has taken over: this one may exit and is not restarted."""
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
        drawn: DrawnSettings, failed: Callable[[BaseException], None],
    ) -> None:  # fmt: skip
        self.kills: Counter[str] = Counter()
        self.armed: list[Fault] = []
        """Labelled crashes that have not happened yet."""
        self.machine = machine
        """Execution's own clock; None where it uses the exchange's."""
        self._instances: list[Instance] = []
        self._clock = clock
        self._exchange = exchange
        self._network = network
        self._broker = broker
        self._server = server
        self._history = history
        self._make_rest = make_rest
        self._settings = drawn
        self._failed = failed
        self._stopping = False
        self.is_down = False
        """Nothing is started meanwhile."""
        self._restart_s: dict[Process, float] = {}

    async def start_all(self) -> None:
        """Start as the embedded system does: place the startup hold first."""
        await hold_until_reconciled(self._server.store)
        for service in SERVICES:
            self.start(service)

    def running(self, service: str) -> list[Instance]:
        """Return the running instances of a service, oldest first."""
        return [instance for instance in self._instances if instance.service == service and instance.runs]

    def start(self, service: str) -> None:
        """Start an instance, unless one is running."""
        if not [instance for instance in self.running(service) if not instance.is_replaced]:
            self._begin(service)

    def kill(self, instance: Instance, restart_s: float) -> None:
        """Kill one instance now and restart the service later."""
        self._restart_s[instance.process] = restart_s
        instance.process.kill()

    def kill_at_use(self, fault: Fault) -> None:
        """Kill a service at one of its next uses of a port."""
        for instance in self.running(fault.service)[:1]:
            self._restart_s[instance.process] = fault.restart_s
            instance.process.kill_at_use = instance.process.uses + fault.count

    def cut_power(self, restart_s: float) -> None:
        """Kill all services and lose the bus; restart all later, as the embedded system starts."""
        for instance in self._instances:
            if instance.runs:
                self.kill(instance, -1.0)
        self._broker.lose_all()
        loop = asyncio.get_running_loop()
        outside(loop.call_later, restart_s, lambda: outside(loop.create_task, self.start_all()))

    async def stall(self, fault: Fault) -> None:
        """Stall an instance; later another one takes over, and then the first resumes."""
        for instance in self.running(fault.service)[:1]:
            instance.process.stall()
            instance.has_stalled = True
            self._broker.stalled(instance.process)
            takes_over_s = min(fault.lasts_s, fault.restart_s + SESSION_S)
            await asyncio.sleep(takes_over_s)
            if takes_over_s < fault.lasts_s:
                instance.is_replaced = True
                self.start(fault.service)
                await asyncio.sleep(fault.lasts_s - takes_over_s)
            self._history.fault("resume", fault.service)
            instance.process.resume()
            if instance.is_replaced:
                await asyncio.sleep(fault.restart_s)
                instance.stop.set()

    async def second(self, fault: Fault) -> None:
        """Run a second instance beside the first; then one of the two stops or is killed."""
        self._begin(fault.service)
        await asyncio.sleep(fault.lasts_s)
        instances = self.running(fault.service)
        if len(instances) < 2:
            return
        # Of two ingest instances stop the older: readers follow the newest epoch, which belongs to the other.
        instance = instances[0] if fault.restart_s < 1 or fault.service == "ingest" else instances[-1]
        instance.is_replaced = True
        if fault.restart_s > 4:
            self.kill(instance, -1.0)
        else:
            instance.stop.set()

    async def restart(self, fault: Fault) -> None:
        """Stop a service gracefully and start it again."""
        for instance in self.running(fault.service)[:1]:
            instance.is_replaced = True
            instance.stop.set()
            if instance.task is not None:
                await asyncio.wait((instance.task,), timeout=STOPPED_WITHIN_S)
            if instance.runs and not instance.process.stalled:
                self._failed(Violation("services stop in time", fault.service))
            await asyncio.sleep(fault.restart_s)
        self.start(fault.service)

    async def bring_back(self) -> None:
        """Start every stopped service and disarm all pending crashes."""
        self.armed.clear()
        for instance in self._instances:
            instance.process.kill_at_use = None
            if instance.process.stalled:
                instance.process.resume()
        for service in SERVICES:
            self.start(service)

    async def stop(self) -> list[str]:
        """Stop all gracefully; return the services that did not end in time."""
        self._stopping = True
        forced = self._history.counts[FORCED]
        for instance in self._instances:
            instance.stop.set()
            # What two services publish at the same instant depends on how the interpreter schedules their tasks.
            await asyncio.sleep(STOPS_APART_S)
        tasks = [instance.task for instance in self._instances if instance.task is not None and instance.runs]
        if tasks:
            await asyncio.wait(tasks, timeout=STOPPED_WITHIN_S)
        late = [instance.service for instance in self._instances if instance.runs]
        return late + [FORCED] * (self._history.counts[FORCED] - forced)

    def _begin(self, service: str) -> None:
        if self._stopping or self.is_down:
            return
        process = Process(service, lambda: self._killed(instance))
        instance = Instance(service, process)
        self._instances.append(instance)
        self._history.note("fleet", service, f"{service} starts")
        instance.task = process.spawn(self._run(instance))
        outside(instance.task.add_done_callback, lambda task: self._ended(instance, task))

    # One instance.

    async def _run(self, instance: Instance) -> None:
        ledger: Any = LedgerPort(self._server, instance.process)
        clock = self._clock
        if instance.service == "reconciler":
            await persist(clock, lambda: hold_until_reconciled(ledger))
            log = ServiceLog(self._history, instance.service)
            await persist(clock, lambda: apply_limits(ledger, self._settings.limits.given(), log))
        if instance.service == "execution" and self.machine is not None:
            clock = await self._measured(instance.process, self.machine)
        await self._build(instance, clock, ledger).run(instance.stop)

    async def _measured(self, process: Process, machine: Machine) -> ExchangeClock:
        """Return a clock that follows the exchange, after its first measurement."""
        clock = ExchangeClock(machine)
        while True:
            try:
                clock.observe(await self._make_rest(clock, process).exchange_time_us())
            except ExchangeError:
                await clock.sleep(0.5)
            else:
                return clock

    def _build(self, instance: Instance, clock: Clock, ledger: Any) -> Service:
        process, drawn = instance.process, self._settings
        rest = self._make_rest(clock, process)
        connector = ProcessConnector(self._network, process)
        context = Context(
            service=instance.service, account=ACCOUNT, strategy="default", source=Source.SIMULATED, clock=clock,
            bus=BusPort(self._broker, process), metrics=Metrics(instance.service),
            log=ServiceLog(self._history, instance.service), crash=lambda label: self._passed(instance, label),
        )  # fmt: skip
        match instance.service:
            case "ingest":
                return build_ingest(context, drawn.ingest, rest=rest, connector=connector, ledger=ledger)
            case "observation":
                return build_observation(context, drawn.observation, ledger=ledger)
            case "policy":
                return build_policy(context, PolicySettings(model=MODEL), registry=models())
            case "execution":
                return build_execution(context, drawn.execution, rest=rest, ledger=ledger)
            case "fill_listener":
                settings = FillListenerSettings()
                return build_fill_listener(context, settings, rest=rest, connector=connector, ledger=ledger)
            case _:
                return build_reconciler(context, drawn.reconciler, rest=rest, ledger=ledger)

    def _passed(self, instance: Instance, label: str) -> None:
        """Kill the instance if a crash is armed for this label."""
        for number, fault in enumerate(self.armed):
            if fault.service != instance.service or fault.label != label:
                continue
            if fault.count > 1:
                self.armed[number] = msgspec.structs.replace(fault, count=fault.count - 1)
                return
            del self.armed[number]
            self._history.fault("crash", f"{instance.service} at {label!r}")
            self.kill(instance, fault.restart_s)
            return

    def _killed(self, instance: Instance) -> None:
        self.kills[instance.service] += 1
        self._history.fault("kill", f"{instance.service} after {instance.process.uses} uses of ports")
        self._network.killed(instance.process)
        self._broker.killed(instance.process)
        restart_s = self._restart_s.pop(instance.process, RESTART_S)
        if restart_s >= 0:
            outside(asyncio.get_running_loop().call_later, restart_s, self.start, instance.service)

    def _ended(self, instance: Instance, task: asyncio.Task[None]) -> None:
        if instance.process.dead:
            return
        error = None if task.cancelled() else task.exception()
        self._network.killed(instance.process)
        if isinstance(error, BusClosed) and instance.has_stalled:
            # The broker dropped it while it was stalled: it exits, and a supervisor starts the next one.
            if not self._stopping:
                outside(asyncio.get_running_loop().call_later, RESTART_S, self.start, instance.service)
        elif error is not None:
            self._failed(error)
        elif not self._stopping and not instance.is_replaced:
            self._failed(RuntimeError(f"{instance.service} exited unexpectedly"))
