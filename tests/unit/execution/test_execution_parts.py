"""The smaller parts of execution: the dispatcher's order, the clock watch, what an error means."""

from __future__ import annotations

import asyncio

import pytest

from support.execution_rig import RecordingBus, Rig, ask, bid, make_context, until
from support.fakes_exchange import FakeExchange
from support.ledger_verbs import a_reserve
from truebook.bus.port import Record
from truebook.clock import ExchangeClock, ManualClock
from truebook.kalshi.port import (
    AlreadyExists,
    BadAnswer,
    ExchangeError,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Unreachable,
)
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import StoreUnavailable
from truebook.messages.actions import Unmentioned
from truebook.messages.reasons import Reason
from truebook.messages.topics import ORDERS
from truebook.runtime.frames import Incoming
from truebook_services.execution.answers import meaning_of
from truebook_services.execution.books import Books
from truebook_services.execution.clock_watch import ClockWatch
from truebook_services.execution.dispatcher import Dispatcher, Job
from truebook_services.execution.intake import Intake
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
    (BadAnswer("no order id"), False),
    (ExchangeError("something new"), False),
]


@pytest.mark.parametrize(("error", "proven"), ERRORS, ids=[str(row[0]) for row in ERRORS])
def test_only_a_certain_no_releases_the_promise(error: ExchangeError, proven: bool) -> None:
    assert meaning_of(error).proven is proven


async def test_free_places_go_to_pulls_then_to_what_reduces_then_to_edge_then_to_age() -> None:
    rig = Rig()
    done: list[str] = []
    release = asyncio.Event()

    async def carry_out(job: Job) -> None:
        if job.action.ticker == "FIRST":
            await release.wait()
        done.append(job.action.ticker)

    dispatcher = Dispatcher(make_context("execution", rig.clock, RecordingBus()), carry_out, most_at_once=1)
    stop = asyncio.Event()
    running = asyncio.create_task(dispatcher.run(stop))
    await until(lambda: dispatcher.not_ready() is None, "the dispatcher runs")
    for ticker, targets, edge in (
        ("FIRST", (bid(),), 0), ("OLD", (bid(),), 50), ("YOUNG", (bid(),), 50), ("EDGE", (bid(),), 90),
        ("REDUCES", (ask(reduce_only=True),), 0), ("PULL", (), 0),
    ):  # fmt: skip
        dispatcher.offer(Job(rig.action(*targets, ticker=ticker, edge_cc=edge), 0, lambda: None))
    await asyncio.sleep(0)
    release.set()
    await until(lambda: len(done) == 6, "all are carried out")
    assert done == ["FIRST", "PULL", "REDUCES", "EDGE", "OLD", "YOUNG"]
    stop.set()
    await running


async def test_what_waits_at_the_end_is_not_done_so_that_it_is_delivered_again() -> None:
    rig = Rig()
    finished: list[str] = []
    release = asyncio.Event()

    async def carry_out(_: Job) -> None:
        await release.wait()

    dispatcher = Dispatcher(make_context("execution", rig.clock, RecordingBus()), carry_out, most_at_once=1)
    stop = asyncio.Event()
    running = asyncio.create_task(dispatcher.run(stop))
    await until(lambda: dispatcher.not_ready() is None, "the dispatcher runs")
    for ticker in ("A", "B"):
        dispatcher.offer(Job(rig.action(bid(), ticker=ticker), 0, lambda ticker=ticker: finished.append(ticker)))
    await asyncio.sleep(0)
    stop.set()
    await asyncio.sleep(0)
    release.set()
    await running
    assert finished == ["A"]


async def test_a_jump_of_the_exchanges_clock_holds_trading_until_it_is_stable() -> None:
    base = ManualClock()
    clock = ExchangeClock(base)
    exchange = FakeExchange(base)
    ledger = MemoryStore("clock")
    watch = ClockWatch(make_context("execution", clock, RecordingBus()), clock, exchange, ledger, stable_checks=3)

    async def holds() -> list[str]:
        return [hold.name for hold in (await ledger.view(())).account.holds]

    await watch.check()
    assert await holds() == []
    exchange.time_offset_us = 900_000
    await watch.check()
    assert await holds() == [], "under a second is a correction"
    exchange.time_offset_us = 3_000_000
    await watch.check()
    assert await holds() == ["clock"]
    for _ in range(3):  # the first of these confirms the jump
        await watch.check()
        assert await holds() == ["clock"]
    await watch.check()
    assert await holds() == []
    assert clock.now_us() - base.now_us() == 3_000_000


async def test_a_ledger_whose_clock_is_far_ahead_holds_trading_and_says_why() -> None:
    """A machine that ran with another date: every order would be refused as too late, and nobody knew why."""
    base = ManualClock()
    clock = ExchangeClock(base)
    ledger = MemoryStore("clock")
    await ledger.open_account(1_000_000, ())
    await ledger.reserve(a_reserve(now_us=base.now_us() + 3_600_000_000, deadline_us=base.now_us() + 3_601_000_000))
    watch = ClockWatch(make_context("execution", clock, RecordingBus()), clock, FakeExchange(base), ledger, 3)
    await watch.check()
    assert [hold.name for hold in (await ledger.view(())).account.holds] == ["clock"]
    base.set(base.now_us() + 3_600_000_000)
    for _ in range(3):
        await watch.check()
    assert not (await ledger.view(())).account.holds


async def test_a_hold_that_a_former_life_left_ends_with_a_good_measurement() -> None:
    base = ManualClock()
    clock = ExchangeClock(base)
    ledger = MemoryStore("clock")
    await ledger.hold("clock", "halted", "execution")
    watch = ClockWatch(make_context("execution", clock, RecordingBus()), clock, FakeExchange(base), ledger, 3)
    await watch.check()
    assert not (await ledger.view(())).account.holds


async def test_the_clocks_hold_ends_although_the_ledger_could_not_be_reached_when_it_was_to_end() -> None:
    base = ManualClock()
    clock = ExchangeClock(base)
    ledger = LosesReleases("clock")
    await ledger.hold("clock", "halted", "execution")
    watch = ClockWatch(make_context("execution", clock, RecordingBus()), clock, FakeExchange(base), ledger, 3)
    ledger.outages = 2
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await watch.check()
    await watch.check()
    assert not (await ledger.view(())).account.holds


async def test_a_hold_of_another_execution_that_went_away_ends_after_as_many_good_measurements_as_ones_own() -> None:
    base = ManualClock()
    clock = ExchangeClock(base)
    ledger = MemoryStore("clock")
    watch = ClockWatch(make_context("execution", clock, RecordingBus()), clock, FakeExchange(base), ledger, 3)
    for _ in range(4):
        await watch.check()
    await ledger.hold("clock", "halted", "execution")
    for _ in range(2):
        await watch.check()
        assert (await ledger.view(())).account.holds, "the other one's clock may still be moving"
    await watch.check()
    assert not (await ledger.view(())).account.holds


class LosesReleases(MemoryStore):
    """A ledger that can't be reached for a few releases."""

    outages = 0

    async def release(self, name: str, owner: str) -> str:
        if self.outages:
            self.outages -= 1
            raise StoreUnavailable("connection refused")
        return await super().release(name, owner)


async def test_a_decision_to_hold_reads_nothing_and_overtakes_what_waits() -> None:
    rig, carried, committed = Rig(), list[str](), list[str]()
    release = asyncio.Event()

    async def carry_out(job: Job) -> None:
        carried.append(job.action.id)
        await release.wait()

    dispatcher, bus = (
        Dispatcher(make_context("execution", rig.clock, RecordingBus()), carry_out, most_at_once=1),
        RecordingBus(),
    )
    intake = Intake(Books(rig.clock), dispatcher, Reports(make_context("execution", rig.clock, bus)))
    stop = asyncio.Event()
    running = asyncio.create_task(dispatcher.run(stop))
    await until(lambda: dispatcher.not_ready() is None, "the dispatcher runs")
    busy, waits, holds = rig.action(bid(), ticker="BUSY"), rig.action(bid()), rig.action(unmentioned=Unmentioned.KEEP)
    for action in (busy, waits, holds):
        record = Record("actions", 0, 0, action.ticker, b"")
        await intake.take([Incoming(record, action, lambda action=action: committed.append(action.id))])
        await asyncio.sleep(0)
    assert committed == [holds.id, waits.id], "the hold is done at once, and so is what it has overtaken"
    assert [(event.action_id, event.reason) for event in bus.of(ORDERS)] == [(waits.id, Reason.SUPERSEDED)]
    release.set()
    stop.set()
    await running
    assert carried == [busy.id]
