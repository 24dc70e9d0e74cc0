"""One run of the whole system under one seed: at least 300 s of market time with faults, then the checks."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Coroutine
from functools import partial
from random import Random
from typing import Any

import msgspec
from structlog.testing import capture_logs

from chaos.books import BookReader
from chaos.bus_port import Broker
from chaos.conditions import NetworkConditions
from chaos.drawn_settings import draw
from chaos.exchange import LISTS, Exchange
from chaos.faults import AT_THE_EXCHANGE, Fault, Kind, exchange_schedule, plan
from chaos.fleet import Fleet, Machine, ServiceLog
from chaos.history import START_US, History, Violation
from chaos.invariants import InvariantChecker
from chaos.ledger_port import LedgerServer
from chaos.loop import run_to_end
from chaos.processes import Process, silence_abandoned_frames
from chaos.rest_http import http_rest
from chaos.rest_in_memory import ProcessRest
from chaos.sockets import Network
from chaos.verdict import judge
from truebook.clock import Clock
from truebook.kalshi.port import RestClient
from truebook.messages.market_metadata import LINEAR_CENT, MarketStatus, PriceRange
from truebook.runtime.virtual_loop import VirtualClock
from truebook_services.embedded.wind_down import wind_down

SECONDS = 300.0
MAX_SECONDS = 900.0
MIN_ORDERS = 100
MIN_FAULTS = 5
HTTP_EVERY = 10
"""Each tenth seed uses the exchange's REST application through httpx, the others its core."""
MOVED_EVERY_S = 37.0
"""Interval between transfers that others make between shards."""
NEW_LEDGER_EVERY = 12
"""Each twelfth seed loses its ledger in the middle, and begins another one on the same exchange."""
DOWN_S = 40.0
RECOVERY_S = 90.0
"""The slowest recovery is the clock's: three measurements, ten seconds apart."""
NEW_ORDERS = 3
FIVE_CENTS = (PriceRange(0, 10_000, 500),)
READ_EVERY_S = 1.0


class Outcome(msgspec.Struct, kw_only=True):
    """The result of a run."""

    seed: int
    digest: str
    seconds: float = 0.0
    orders: int = 0
    fills: int = 0
    faults: int = 0
    kinds: tuple[str, ...] = ()
    kills: int = 0
    checkpoints: tuple[str, ...] = ()
    counts: dict[str, int] = {}
    failure: str = ""
    """Empty on success; else the broken rule and the history before it."""


class Run:
    """The state of one seed's run."""

    def __init__(self, seed: int, *, change: Callable[[Run], None] | None = None, seconds: float = SECONDS) -> None:
        self.seed = seed
        self.change = change
        self.seconds = seconds
        self.faults = plan(seed, seconds - 15.0)
        self.drawn = draw(seed)
        self.violation: BaseException | None = None
        self.struck: set[str] = set()
        self.reopened: set[str] = set()
        """Markets that were paused and opened again."""
        self._works: list[asyncio.Task[None]] = []

    async def go(self) -> None:
        """Build the system, run it, check the result."""
        loop = asyncio.get_running_loop()
        drawn = self.drawn
        self.clock: Clock = VirtualClock(START_US)
        self.history = History(self.clock.now_us)
        self.conditions = NetworkConditions(self.seed, self.history, loop.time)
        self.exchange = Exchange(
            self.seed, self.clock, ServiceLog(self.history, "paper_exchange"), history=self.history,
            conditions=self.conditions, schedule=exchange_schedule(self.faults), shards=drawn.shards,
        )  # fmt: skip
        self.broker = Broker(self.seed, self.conditions, self.history, is_slow=drawn.is_jittery)
        self.server = LedgerServer(self.seed, self.history, self.conditions)
        self.conditions.is_jittery = drawn.is_jittery
        self.conditions.has_transfer_faults = bool(drawn.shards)
        self._check_ledger()
        self.network = Network(self.seed, self.exchange, self.conditions, self.history)
        self.fleet = Fleet(
            self.clock, self.exchange, self.network, broker=self.broker, server=self.server, history=self.history,
            make_rest=self.rest, machine=Machine(self.clock, drawn.skew_us) if drawn.is_skewed else None,
            drawn=drawn, failed=self.fail,
        )  # fmt: skip
        if self.change is not None:
            self.change(self)
        self._over = loop.create_future()
        pump = loop.create_task(self.exchange.run(), name="exchange")
        pump.add_done_callback(lambda task: task.cancelled() or self.fail(task.exception()))
        instance = loop.create_task(self._run(), name="run")
        instance.add_done_callback(lambda task: self._end(task.exception()))
        try:
            await self._over
        finally:
            pump.cancel()
            instance.cancel()

    def _check_ledger(self) -> None:
        self.checker = self.server.ledger.checker = InvariantChecker(self.server.ledger, self.exchange)
        self.server.ledger.violated = self.fail

    async def begin_ledger_again(self) -> None:
        """Stop everything, lose the ledger, and start with an empty one on the same exchange."""
        self.history.fault("new_ledger", f"down for {DOWN_S} s")
        self.struck.add("new_ledger")
        self.fleet.is_down = True
        self.conditions.end(Kind.WRONG_BALANCE)
        self.fleet.cut_power(-1.0)
        await asyncio.sleep(DOWN_S)  # no request is in flight any more
        self.server.begin()
        self._check_ledger()
        self.fleet.is_down = False
        await self.fleet.start_all()

    def rest(self, clock: Clock, process: Process | None) -> RestClient:
        """Return the REST client of a process (None: of the harness)."""
        if self.seed % HTTP_EVERY == 0:
            return http_rest(self.exchange, clock, process)
        return ProcessRest(self.exchange, clock, process)

    def fail(self, error: BaseException | None) -> None:
        """Record the first error and end the run."""
        if error is not None:
            self.violation = self.violation or error
            self._end(None)

    def _end(self, error: BaseException | None) -> None:
        if error is not None and self.violation is None and not isinstance(error, asyncio.CancelledError):
            self.violation = error
        if not self._over.done():
            self._over.set_result(None)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        for fault in self.faults:
            loop.call_at(fault.at_s, self._strike, fault)
        if self.seed % NEW_LEDGER_EVERY == 6:
            loop.call_at(self.seconds / 2, lambda: self._do(self.begin_ledger_again()))
        for number in range(1, int(self.seconds // MOVED_EVERY_S) if self.drawn.shards else 0):
            move = partial(self.exchange.move_elsewhere, Random(f"{self.seed}:elsewhere:{number}"))
            loop.call_at(number * MOVED_EVERY_S, lambda move=move: self._do(move()))
        await self.fleet.start_all()
        books = BookReader(self.broker, self.exchange)
        while loop.time() < self.seconds or (
            len(self.exchange.orders) < MIN_ORDERS and loop.time() < MAX_SECONDS
        ):  # fmt: skip
            await asyncio.sleep(READ_EVERY_S)
            await books.check_fresh()
        self.conditions.end_all()
        await self.fleet.bring_back()
        await self._until_it_trades()
        await books.check()
        await books.check_reopened(self.reopened)
        rest = self.rest(self.clock, None)
        differences = await wind_down(rest, self.server.store, self.clock, asyncio.sleep)
        late = await self.fleet.stop()
        self.checker.all_orders()
        judge(self, differences, late)

    async def _until_it_trades(self) -> None:
        """Raise unless the system recovers without faults: no trading hold, and new orders."""
        loop, orders = asyncio.get_running_loop(), self.exchange.orders
        before, until_s = len(orders), loop.time() + RECOVERY_S
        while self.server.ledger.state.holds or len(orders) < before + NEW_ORDERS:
            if loop.time() > until_s:
                why = f"holds {sorted(self.server.ledger.state.holds)}, {len(orders) - before} new orders"
                raise Violation("trading resumes without faults", why)
            if self.server.ledger.state.holds:
                before = len(orders)
            await asyncio.sleep(READ_EVERY_S)

    def _strike(self, fault: Fault) -> None:
        kind, conditions = fault.kind, self.conditions
        detail = str(fault)
        match kind:
            case (
                Kind.LOST_ACK | Kind.LOST_REQUEST | Kind.LATE_REQUEST | Kind.DUPLICATED_REQUEST | Kind.LOST_CANCEL
            ):  # fmt: skip
                conditions.strike_next(kind, fault.count)
            case Kind.DROP_SOCKET:
                detail += f": {self.network.drop()} connections"
            case Kind.MUTE_SOCKET:
                detail += f": {self.network.mute()} connections"
            case Kind.NO_UPGRADE:
                conditions.begin(kind, fault.lasts_s)
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
                conditions.frozen_lists = frozenset(name for name in LISTS if random.random() < 0.7)
                detail += f": {','.join(sorted(conditions.frozen_lists))}"
                conditions.begin(kind, fault.lasts_s)
            case Kind.MOVED_CASH:
                self._do(self.exchange.deposit(Random(f"{self.seed}:moved:{fault.at_s}")))
            case Kind.WRONG_BALANCE if self.fleet.is_down or not self.server.ledger.state.opened:
                return  # an account that is opened with a wrong balance differs for ever: nothing can show it earlier
            case Kind.REOPENED | Kind.GRID_CHANGE:
                detail += f": {self._change_market(fault)}"
            case _ if kind in AT_THE_EXCHANGE:
                pass  # in the exchange's own schedule
            case _:
                conditions.begin(kind, fault.lasts_s)
        self.struck.add(str(kind))
        self.history.fault(kind, detail)

    def _change_market(self, fault: Fault) -> str:
        """Pause a market, or make its price step coarser, and take that back later; return its ticker."""
        exchange = self.exchange
        ticker = exchange.pick_market(Random(f"{self.seed}:market:{fault.at_s}"), fault.lasts_s)
        if ticker is None:
            return "no market stays open"
        later = partial(asyncio.get_running_loop().call_later, fault.lasts_s)
        if fault.kind is Kind.REOPENED:
            self.reopened.add(ticker)
            exchange.set_status(ticker, MarketStatus.INACTIVE)
            later(exchange.set_status, ticker, MarketStatus.ACTIVE)
        else:
            exchange.set_grid(ticker, FIVE_CENTS)
            later(exchange.set_grid, ticker, LINEAR_CENT)
        return ticker

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a fault that takes time."""
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(lambda done: done.cancelled() or self.fail(done.exception()))
        self._works.append(task)


def run_seed(seed: int, *, change: Callable[[Run], None] | None = None, seconds: float = SECONDS) -> Outcome:
    """Run one seed; ``change`` may plant a bug before it starts."""
    with silence_abandoned_frames(), capture_logs():  # the clients' own lines would appear between the results
        run = Run(seed, change=change, seconds=seconds)
        try:
            run_to_end(run.go(), run.fail)
        except Exception as error:  # noqa: BLE001 - any error is the outcome of the run
            run.violation = run.violation or error
        outcome = _outcome(run)
        vars(run).clear()
    return outcome


def _outcome(run: Run) -> Outcome:
    history = run.history
    return Outcome(
        seed=run.seed, digest=history.hexdigest(), seconds=history.last_s, orders=len(run.exchange.orders),
        fills=len(run.exchange.fills), faults=len(history.faults), kinds=tuple(sorted(run.struck)),
        kills=sum(run.fleet.kills.values()), checkpoints=tuple(history.checkpoints), counts=dict(history.counts),
        failure=_failure_text(run, run.violation) if run.violation is not None else "",
    )  # fmt: skip


def _failure_text(run: Run, error: BaseException) -> str:
    subject = error.subject if isinstance(error, Violation) else ""
    lines = [f"seed {run.seed}: {error}" if isinstance(error, Violation) else f"seed {run.seed}: {error!r}"]
    if not isinstance(error, Violation):
        lines += traceback.format_exception(error)[-12:]
    lines += [run.history.text(subject), f"repeat with: make chaos SEEDS=1 FIRST={run.seed}"]
    return "\n".join(lines)
