"""Our orders belong to one order group of the exchange, which a halt triggers before single cancels."""

from __future__ import annotations

import asyncio

import pytest

from support.execution_harness import ExecutionHarness
from support.in_memory_exchange import InMemoryExchange
from support.services import make_context, until
from truebook.clock import ManualClock
from truebook.kalshi.port import NotFound, OutcomeUnknown, Refused
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.trading_holds import OPERATOR, ORDER_GROUP
from truebook.ledger.verbs import Mode
from truebook.messages.actions import Target
from truebook.messages.envelope import BookSide
from truebook.messages.orders import OrderOutcome
from truebook.pacing.tokens import TokenBucket
from truebook.venue.account import OrderStatus
from truebook_services.execution import order_group
from truebook_services.execution.order_group import OrderGroup
from truebook_services.execution.settings import ExecutionSettings
from truebook_services.operator.holds import resume_trading

TARGET = Target(book_side=BookSide.BID, price_cc=4_000, size_centi=500)
ASK = Target(book_side=BookSide.ASK, price_cc=6_500, size_centi=500)


async def sweep(rig: ExecutionHarness, seconds: float = 0.6) -> None:
    await rig.clock.advance(seconds)
    for _ in range(50):
        await asyncio.sleep(0)


async def open_group(rig: ExecutionHarness) -> None:
    await rig.open_market()
    await sweep(rig)


def failing(call: str, *errors: Exception) -> ExecutionHarness:
    """Execution whose exchange fails from the start."""
    clock = ManualClock()
    exchange = InMemoryExchange(clock)
    exchange.fail(call, *errors)
    return ExecutionHarness(clock=clock, exchange=exchange)


def groups(rig: ExecutionHarness) -> list[tuple[int, bool]]:
    return [(one.limit_centi, one.is_triggered) for one in rig.exchange.engine.groups.of_account("sim-main")]


def holds(rig: ExecutionHarness) -> set[str]:
    return {hold.name for hold in rig.ledger.ledger.account().holds}


async def test_orders_belong_to_one_group() -> None:
    async with ExecutionHarness() as rig:
        await open_group(rig)
        await rig.do(TARGET, ASK)
        (group,) = rig.exchange.engine.groups.of_account("sim-main")
        assert len(group.orders) == 2


async def test_a_restart_reuses_the_group() -> None:
    async with ExecutionHarness() as rig:
        await open_group(rig)
        assert rig.running is not None
        await rig.running.stop()
        rig.start()
        await sweep(rig)
        assert groups(rig) == [(10_000_000, False)]


async def test_a_halt_triggers_the_group_before_single_cancels() -> None:
    async with ExecutionHarness() as rig:
        await open_group(rig)
        await rig.do(TARGET, ASK)
        await rig.ledger.apply(OPERATOR.place())
        before = len(rig.exchange.calls)
        await sweep(rig)
        calls = [call for call, _ in rig.exchange.calls[before:]]
        assert "trigger_order_group" in calls and "cancel_order" not in calls
        assert rig.exchange.own(OrderStatus.RESTING) == []
        await sweep(rig)
        await until(lambda: not rig.ledger.ledger.account().reserved_micros, "the ledger has the cancels")


async def test_after_a_halt_the_group_takes_orders_again() -> None:
    async with ExecutionHarness() as rig:
        await open_group(rig)
        await rig.ledger.apply(OPERATOR.place())
        await sweep(rig)
        assert groups(rig) == [(10_000_000, True)]
        await resume_trading(rig.ledger)
        await sweep(rig)
        assert groups(rig) == [(10_000_000, False)]
        await rig.snapshot()
        events = await rig.do(TARGET)
        assert events[-1].outcome is OrderOutcome.ACKNOWLEDGED


async def test_a_failed_trigger_leaves_it_to_single_cancels() -> None:
    async with ExecutionHarness() as rig:
        await open_group(rig)
        await rig.do(TARGET, ASK)
        rig.exchange.fail("trigger_order_group", OutcomeUnknown("timed out"))
        await rig.ledger.apply(OPERATOR.place())
        await sweep(rig)
        await until(lambda: not rig.exchange.own(OrderStatus.RESTING), "single cancels")
        await sweep(rig)
        assert groups(rig) == [(10_000_000, True)], "the trigger is repeated"


@pytest.mark.parametrize("error", [NotFound(404, "not_found"), Refused(405, "method_not_allowed")])
async def test_an_exchange_without_groups_is_traded_without_one(error: Refused) -> None:
    async with failing("order_groups", *[error] * 9) as rig:
        await open_group(rig)
        await rig.do(TARGET)
        await rig.ledger.apply(OPERATOR.place())
        await sweep(rig)
        await until(lambda: not rig.exchange.own(OrderStatus.RESTING), "single cancels")
        assert rig.exchange.count("order_groups") == 1 and groups(rig) == []


async def test_a_refusal_for_now_is_retried() -> None:
    async with failing("create_order_group", Refused(409, "exchange_is_paused")) as rig:
        await open_group(rig)
        assert groups(rig) == []
        for _ in range(10):
            await sweep(rig)
        assert groups(rig) == [(10_000_000, False)]


async def test_no_group_is_used_without_a_limit() -> None:
    async with ExecutionHarness(ExecutionSettings(tier="prestige", order_group_limit_centi=0)) as rig:
        await open_group(rig)
        await rig.do(TARGET)
        assert groups(rig) == []


async def test_a_group_that_the_exchange_triggers_halts_trading() -> None:
    async with ExecutionHarness() as rig:
        await open_group(rig)
        (group,) = rig.exchange.engine.groups.of_account("sim-main")
        await rig.exchange.trigger_order_group(group.group_id)
        events = await rig.do(TARGET)
        assert events[-1].outcome is OrderOutcome.REJECTED
        assert holds(rig) == {ORDER_GROUP.name}
        await sweep(rig, 2)
        assert holds(rig) == {ORDER_GROUP.name}, "only an operator ends it"
        await resume_trading(rig.ledger, ORDER_GROUP.name)
        await sweep(rig)
        await rig.snapshot()
        events = await rig.do(TARGET)
        assert events[-1].outcome is OrderOutcome.ACKNOWLEDGED


async def test_a_deleted_group_is_created_again() -> None:
    async with ExecutionHarness() as rig:
        await open_group(rig)
        rig.exchange.fail("create_order", Refused(404, "order_group_not_found"))
        await rig.do(TARGET)
        await sweep(rig)
        await rig.snapshot()
        events = await rig.do(TARGET)
        assert events[-1].outcome is OrderOutcome.ACKNOWLEDGED
        assert holds(rig) == set()


class Groups(InMemoryExchange):
    """An exchange that counts the look-ups of groups and may never return from one."""

    def __init__(self, *, hangs: bool) -> None:
        super().__init__(ManualClock())
        self.hangs = hangs
        self.look_ups = 0

    async def order_groups(self) -> dict[str, int]:
        self.look_ups += 1
        if self.hangs:
            await asyncio.Event().wait()
        return {}


def group_on(rest: Groups, tokens: TokenBucket) -> OrderGroup:
    return OrderGroup(make_context("execution", ManualClock()), rest, MemoryStore(), tokens=tokens, limit_centi=1)


@pytest.mark.parametrize("mode", [Mode.RUNNING, Mode.HALTED])
async def test_a_hanging_request_keeps_no_cancel_waiting(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_group, "REQUEST_WITHIN_S", 0.01)
    group = group_on(Groups(hangs=True), TokenBucket(100, 0))
    async with asyncio.timeout(60):
        assert not await group.follow(mode)
    assert group.id_for_orders is None


async def test_a_halt_without_a_group_leaves_the_tokens_to_cancels() -> None:
    rest, tokens = Groups(hangs=False), TokenBucket(100, 0)
    group = group_on(rest, tokens)
    for _ in range(20):
        assert not await group.follow(Mode.HALTED)
    assert (rest.look_ups, tokens.available(0)) == (1, 100)
