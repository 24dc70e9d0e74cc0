"""One run of the whole system under one seed: at least 300 s of market time with faults, then the judgement."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import msgspec

from chaos.books import BookReader
from chaos.bus_port import Broker
from chaos.exchange import LISTS, Exchange
from chaos.faults import AT_THE_EXCHANGE, Fault, Kind, exchange_schedule, plan
from chaos.fleet import Fleet, Machine, ServiceLog
from chaos.habits import draw
from chaos.history import START_US, History, Violation
from chaos.invariants import Watch
from chaos.ledger_port import LedgerServer
from chaos.loop import run_to_end
from chaos.processes import Process, without_last_words
from chaos.rest_http import http_rest
from chaos.rest_twin import TwinRest
from chaos.sockets import Network
from chaos.verdict import judge
from chaos.weather import Weather
from truebook.clock import Clock
from truebook.kalshi.port import RestClient
from truebook.runtime.virtual_loop import VirtualClock
from truebook_services.embedded.wind_down import wind_down

SECONDS = 300.0
MOST_SECONDS = 900.0
LEAST_ORDERS = 100
LEAST_FAULTS = 5
HTTP_EVERY = 10
"""Each tenth seed talks to the exchange's REST application by httpx, the others to its core."""
RECOVERS_WITHIN_S = 90.0
"""The longest pause for thought is the clock's: three measurements, ten seconds apart."""
NEW_ORDERS = 3
READ_EVERY_S = 1.0


class Outcome(msgspec.Struct, kw_only=True):
    """What a run came to."""

    seed: int
    digest: str
    seconds: float = 0.0
    orders: int = 0
    fills: int = 0
    faults: int = 0
    kinds: tuple[str, ...] = ()
    deaths: int = 0
    checkpoints: tuple[str, ...] = ()
    counts: dict[str, int] = {}
    failure: str = ""
    """Empty when all held; else the rule that broke, with the history that led there."""


class Run:
    """Everything of one seed."""

    def __init__(self, seed: int, *, change: Callable[[Run], None] | None = None, seconds: float = SECONDS) -> None:
        self.seed = seed
        self.change = change
        self.seconds = seconds
        self.faults = plan(seed, seconds - 15.0)
        self.habits = draw(seed)
        self.violation: BaseException | None = None
        self.struck: set[str] = set()
        self._works: list[asyncio.Task[None]] = []

    async def go(self) -> None:
        """Build the world, let it run, judge it."""
        loop = asyncio.get_running_loop()
        habits = self.habits
        self.clock: Clock = VirtualClock(START_US)
        self.history = History(self.clock.now_us)
        self.weather = Weather(self.seed, self.history, loop.time)
        self.exchange = Exchange(
            self.seed, self.clock, ServiceLog(self.history, "paper_exchange"), history=self.history,
            weather=self.weather, schedule=exchange_schedule(self.faults),
        )  # fmt: skip
        self.broker = Broker(self.seed, self.weather, self.history, is_slow=habits.is_jittery)
        self.server = LedgerServer(self.seed, self.history, self.weather)
        self.weather.is_jittery = habits.is_jittery
        self.watch = self.server.ledger.watch = Watch(self.server.ledger, self.exchange)
        self.server.ledger.violated = self.fail
        self.network = Network(self.seed, self.exchange, self.weather, self.history)
        self.fleet = Fleet(
            self.clock, self.exchange, self.network, broker=self.broker, server=self.server, history=self.history,
            make_rest=self.rest, machine=Machine(self.clock, habits.skew_us) if habits.is_skewed else None,
            habits=habits, failed=self.fail,
        )  # fmt: skip
        if self.change is not None:
            self.change(self)
        self._over = loop.create_future()
        pump = loop.create_task(self.exchange.run(), name="exchange")
        pump.add_done_callback(lambda task: task.cancelled() or self.fail(task.exception()))
        life = loop.create_task(self._live(), name="run")
        life.add_done_callback(lambda task: self._end(task.exception()))
        try:
            await self._over
        finally:
            pump.cancel()
            life.cancel()

    def rest(self, clock: Clock, process: Process | None) -> RestClient:
        """The REST client of a process (null: of the harness)."""
        if self.seed % HTTP_EVERY == 0:
            return http_rest(self.exchange, clock, process)
        return TwinRest(self.exchange, clock, process)

    def fail(self, error: BaseException | None) -> None:
        """Take the first error, if it is one: then the run is over."""
        if error is not None:
            self.violation = self.violation or error
            self._end(None)

    def _end(self, error: BaseException | None) -> None:
        if error is not None and self.violation is None and not isinstance(error, asyncio.CancelledError):
            self.violation = error
        if not self._over.done():
            self._over.set_result(None)

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        for fault in self.faults:
            loop.call_at(fault.at_s, self._strike, fault)
        await self.fleet.start_all()
        books = BookReader(self.broker, self.exchange)
        while loop.time() < self.seconds or (
            len(self.exchange.orders) < LEAST_ORDERS and loop.time() < MOST_SECONDS
        ):  # fmt: skip
            await asyncio.sleep(READ_EVERY_S)
            await books.look()
        self.weather.calm()
        await self.fleet.bring_back()
        await self._until_it_trades()
        await books.check()
        rest = self.rest(self.clock, None)
        differences = await wind_down(rest, self.server.store, self.clock, asyncio.sleep)
        late = await self.fleet.stop()
        self.watch.everything()
        judge(self, differences, late)

    async def _until_it_trades(self) -> None:
        """Raise unless the system comes back by itself once all is calm: no hold, and a new order."""
        loop, orders = asyncio.get_running_loop(), self.exchange.orders
        before, until_s = len(orders), loop.time() + RECOVERS_WITHIN_S
        while self.server.ledger.state.holds or len(orders) < before + NEW_ORDERS:
            if loop.time() > until_s:
                why = f"holds {sorted(self.server.ledger.state.holds)}, {len(orders) - before} new orders"
                raise Violation("trading goes on when all is calm", why)
            if self.server.ledger.state.holds:
                before = len(orders)
            await asyncio.sleep(READ_EVERY_S)

    def _strike(self, fault: Fault) -> None:
        kind, weather = fault.kind, self.weather
        detail = str(fault)
        match kind:
            case (
                Kind.LOST_ACK | Kind.LOST_REQUEST | Kind.LATE_REQUEST | Kind.DOUBLED_REQUEST | Kind.LOST_CANCEL
            ):  # fmt: skip
                weather.owe(kind, fault.count)
            case Kind.DROP_SOCKET:
                detail += f": {self.network.drop()} connections"
            case Kind.MUTE_SOCKET:
                detail += f": {self.network.mute()} connections"
            case Kind.NO_UPGRADE:
                weather.begin(kind, fault.lasts_s)
                self.network.drop()
            case Kind.CRASH_AT_LABEL:
                self.fleet.armed.append(fault)
            case Kind.CRASH_AT_USE:
                self.fleet.kill_at_use(fault)
            case Kind.STALL:
                self._do(self.fleet.stall(fault))
            case Kind.SECOND:
                self._do(self.fleet.second(fault))
            case Kind.RESTART:
                self._do(self.fleet.restart(fault))
            case Kind.CLOCK_JUMP:
                if self.fleet.machine is not None:
                    self.fleet.machine.skew_us += int(fault.jump_s * 1e6)
            case Kind.POWER_CUT:
                self.fleet.cut_power(fault.restart_s)
            case Kind.STALE_READS:
                random = Random(f"{self.seed}:stale:{fault.at_s}")
                weather.frozen_lists = frozenset(name for name in LISTS if random.random() < 0.7)
                detail += f": {','.join(sorted(weather.frozen_lists))}"
                weather.begin(kind, fault.lasts_s)
            case _ if kind in AT_THE_EXCHANGE:
                pass  # its schedule has it
            case _:
                weather.begin(kind, fault.lasts_s)
        self.struck.add(str(kind))
        self.history.fault(kind, detail)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        """Carry out a fault that takes time."""
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(lambda done: done.cancelled() or self.fail(done.exception()))
        self._works.append(task)


def run_seed(seed: int, *, change: Callable[[Run], None] | None = None, seconds: float = SECONDS) -> Outcome:
    """Run one seed; ``change`` may put a bug into the world before it starts."""
    with without_last_words():
        run = Run(seed, change=change, seconds=seconds)
        try:
            run_to_end(run.go(), run.fail)
        except Exception as error:  # noqa: BLE001 - whatever ends a run is its outcome
            run.violation = run.violation or error
        outcome = _outcome(run)
        vars(run).clear()
    return outcome


def _outcome(run: Run) -> Outcome:
    history = run.history
    return Outcome(
        seed=run.seed, digest=history.hexdigest(), seconds=history.last_s, orders=len(run.exchange.orders),
        fills=len(run.exchange.fills), faults=len(history.faults), kinds=tuple(sorted(run.struck)),
        deaths=sum(run.fleet.deaths.values()), checkpoints=tuple(history.checkpoints), counts=dict(history.counts),
        failure=_tell(run, run.violation) if run.violation is not None else "",
    )  # fmt: skip


def _tell(run: Run, error: BaseException) -> str:
    subject = error.subject if isinstance(error, Violation) else ""
    told = [f"seed {run.seed}: {error}" if isinstance(error, Violation) else f"seed {run.seed}: {error!r}"]
    if not isinstance(error, Violation):
        told += traceback.format_exception(error)[-12:]
    told += [run.history.tell(subject), f"again: make chaos SEEDS=1 FIRST={run.seed}"]
    return "\n".join(told)
