"""Dispatcher, consumer, clock watch and the classification of send errors."""

from __future__ import annotations

import asyncio

import pytest

from support.execution_harness import ExecutionHarness, RecordingBus, ask, bid
from support.in_memory_exchange import InMemoryExchange, shifted
from support.in_memory_rest import Shown
from support.ledger_verbs import a_reserve
from support.services import make_context, until
from truebook.bus.port import Record
from truebook.clock import ExchangeClock, ManualClock
from truebook.execution.book_states import BookStates
from truebook.execution.send_errors import classify
from truebook.kalshi.port import (
    AlreadyExists,
    BadResponse,
    ExchangeError,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Unreachable,
)
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import StoreUnavailable
from truebook.ledger.verbs import Hold, Mode, OpenAccount, Release, ResultT, Verb
from truebook.messages.actions import OmittedSides
from truebook.messages.reasons import Reason
from truebook.messages.topics import ORDERS
from truebook.runtime.frames import Incoming
from truebook_services.execution.action_consumer import ActionConsumer
from truebook_services.execution.clock_watch import ClockWatch
from truebook_services.execution.dispatcher import Dispatcher, Job
from truebook_services.execution.report_queue import ReportQueue
from truebook_services.execution.reports import Reports

ERRORS: list[tuple[ExchangeError, bool]] = [
    (Refused(400, "invalid_order"), True),
    (Refused(409, "fill_or_kill_insufficient_resting_volume"), True),
    (Refused(401, "header_timestamp_expired"), True),
    (NotFound(404, "market_not_found"), True),
    (RateLimited(429, "too_many_requests"), True),
    (Unreachable("connection refused"), True),
    (AlreadyExists(409, "order_already_exists"), False),
    (OutcomeUnknown("timed out"), False),
    (BadResponse("no order id"), False),
    (ExchangeError("something new"), False),
]


@pytest.mark.parametrize(("error", "proven"), ERRORS, ids=[str(row[0]) for row in ERRORS])
def test_only_a_certain_rejection_releases_the_reservation(error: ExchangeError, proven: bool) -> None:
    assert classify(error).proven is proven


async def test_free_places_go_by_cancel_reducing_edge_age() -> None:
    harness = ExecutionHarness()
    done: list[str] = []
    release = asyncio.Event()

    async def handle(job: Job) -> None:
        if job.action.ticker == "FIRST":
            await release.wait()
        done.append(job.action.ticker)

    dispatcher = Dispatcher(make_context("execution", harness.clock, RecordingBus()), handle, max_concurrent=1)
    stop = asyncio.Event()
    running = asyncio.create_task(dispatcher.run(stop))
    await until(lambda: dispatcher.not_ready() is None, "the dispatcher runs")
    for ticker, targets, edge in (
        ("FIRST", (bid(),), 0), ("OLD", (bid(),), 50), ("NEW", (bid(),), 50), ("EDGE", (bid(),), 90),
        ("REDUCES", (ask(reduce_only=True),), 0), ("PULL", (), 0),
    ):  # fmt: skip
        dispatcher.offer(Job(harness.action(*targets, ticker=ticker, edge_cc=edge), 0, lambda: None))
    await asyncio.sleep(0)
    release.set()
    await until(lambda: len(done) == 6, "all are handled")
    assert done == ["FIRST", "PULL", "REDUCES", "EDGE", "OLD", "NEW"]
    stop.set()
    await running


async def test_queued_jobs_are_not_done_when_the_service_stops() -> None:
    harness = ExecutionHarness()
    finished: list[str] = []
    release = asyncio.Event()

    async def handle(_: Job) -> None:
        await release.wait()

    dispatcher = Dispatcher(make_context("execution", harness.clock, RecordingBus()), handle, max_concurrent=1)
    stop = asyncio.Event()
    running = asyncio.create_task(dispatcher.run(stop))
    await until(lambda: dispatcher.not_ready() is None, "the dispatcher runs")
    for ticker in ("A", "B"):
        dispatcher.offer(Job(harness.action(bid(), ticker=ticker), 0, lambda ticker=ticker: finished.append(ticker)))
    await asyncio.sleep(0)
    stop.set()
    await asyncio.sleep(0)
    release.set()
    await running
    assert finished == ["A"]


async def test_a_clock_jump_holds_trading_until_the_clock_is_stable() -> None:
    base = ManualClock()
    clock = ExchangeClock(base)
    exchange = InMemoryExchange(base)
    ledger = MemoryStore("clock")
    watch = ClockWatch(make_context("execution", clock, RecordingBus()), clock, exchange, ledger, stable_checks=3)

    async def holds() -> list[str]:
        return [hold.name for hold in (await ledger.view(())).account.holds]

    await watch.check()
    assert await holds() == []
    exchange.views[Shown.EXCHANGE_TIME_US] = shifted(900_000)
    await watch.check()
    assert await holds() == [], "under a second is a correction"
    exchange.views[Shown.EXCHANGE_TIME_US] = shifted(3_000_000)
    await watch.check()
    assert await holds() == ["clock"]
    for _ in range(3):  # the first of these confirms the jump
        await watch.check()
        assert await holds() == ["clock"]
    await watch.check()
    assert await holds() == []
    assert clock.now_us() - base.now_us() == 3_000_000


async def test_a_ledger_clock_far_ahead_holds_trading() -> None:
    """After a run with a wrong date the ledger refuses every order as too late; the hold makes that visible."""
    base = ManualClock()
    clock = ExchangeClock(base)
    ledger = MemoryStore("clock")
    await ledger.apply(OpenAccount(balance_micros=1_000_000))
    await ledger.apply(a_reserve(now_us=base.now_us() + 3_600_000_000, deadline_us=base.now_us() + 3_601_000_000))
    watch = ClockWatch(make_context("execution", clock, RecordingBus()), clock, InMemoryExchange(base), ledger, 3)
    await watch.check()
    assert [hold.name for hold in (await ledger.view(())).account.holds] == ["clock"]
    base.set(base.now_us() + 3_600_000_000)
    for _ in range(3):
        await watch.check()
    assert not (await ledger.view(())).account.holds


async def test_a_hold_of_an_earlier_instance_is_released() -> None:
    base = ManualClock()
    clock = ExchangeClock(base)
    ledger = MemoryStore("clock")
    await ledger.apply(Hold(name="clock", mode=Mode.HALTED, owner="execution"))
    watch = ClockWatch(make_context("execution", clock, RecordingBus()), clock, InMemoryExchange(base), ledger, 3)
    await watch.check()
    assert not (await ledger.view(())).account.holds


async def test_the_clock_hold_is_released_after_a_ledger_outage() -> None:
    base = ManualClock()
    clock = ExchangeClock(base)
    ledger = LosesReleases("clock")
    await ledger.apply(Hold(name="clock", mode=Mode.HALTED, owner="execution"))
    watch = ClockWatch(make_context("execution", clock, RecordingBus()), clock, InMemoryExchange(base), ledger, 3)
    ledger.outages = 2
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await watch.check()
    await watch.check()
    assert not (await ledger.view(())).account.holds


async def test_a_hold_of_another_instance_needs_the_same_checks() -> None:
    base = ManualClock()
    clock = ExchangeClock(base)
    ledger = MemoryStore("clock")
    watch = ClockWatch(make_context("execution", clock, RecordingBus()), clock, InMemoryExchange(base), ledger, 3)
    for _ in range(4):
        await watch.check()
    await ledger.apply(Hold(name="clock", mode=Mode.HALTED, owner="execution"))
    for _ in range(2):
        await watch.check()
        assert (await ledger.view(())).account.holds, "the other instance's clock may still be unstable"
    await watch.check()
    assert not (await ledger.view(())).account.holds


class LosesReleases(MemoryStore):
    """A ledger that is unavailable for the first releases."""

    outages = 0

    async def apply(self, verb: Verb[ResultT]) -> ResultT:
        if self.outages and isinstance(verb, Release):
            self.outages -= 1
            raise StoreUnavailable("connection refused")
        return await super().apply(verb)


async def test_no_action_reads_nothing_and_supersedes_queued_actions() -> None:
    harness, handled, committed = ExecutionHarness(), list[str](), list[str]()
    release = asyncio.Event()

    async def handle(job: Job) -> None:
        handled.append(job.action.id)
        await release.wait()

    dispatcher, bus = (
        Dispatcher(make_context("execution", harness.clock, RecordingBus()), handle, max_concurrent=1),
        RecordingBus(),
    )
    queue = ReportQueue(make_context("execution", harness.clock, bus))
    reports = Reports(make_context("execution", harness.clock, bus), harness.ledger, queue)
    consumer = ActionConsumer(BookStates(harness.clock), dispatcher, reports, queue)
    stop = asyncio.Event()
    publishing = asyncio.create_task(queue.run(stop))
    running = asyncio.create_task(dispatcher.run(stop))
    await until(lambda: dispatcher.not_ready() is None, "the dispatcher runs")
    busy, queued, no_action = (
        harness.action(bid(), ticker="BUSY"),
        harness.action(bid()),
        harness.action(omitted_sides=OmittedSides.KEEP),
    )
    for action in (busy, queued, no_action):
        record = Record("actions", 0, 0, action.ticker, b"")
        await consumer.handle([Incoming(record, action, lambda action=action: committed.append(action.id))])
        await asyncio.sleep(0)
    await until(lambda: len(committed) == 2, "both are done")
    assert committed == [no_action.id, queued.id], "the one that was superseded once that is published"
    assert [(event.action_id, event.reason) for event in bus.of(ORDERS)] == [(queued.id, Reason.SUPERSEDED)]
    release.set()
    stop.set()
    await asyncio.gather(running, publishing)
    assert handled == [busy.id]
