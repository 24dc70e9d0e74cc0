"""Orders without a known outcome, crashes and take-overs: never sent twice, never released without proof."""

from __future__ import annotations

import pytest

from support.execution_rig import RecordingBus, Rig, ask, bid, kill_at, until
from support.fakes_exchange import FakeExchange
from truebook.clock import ManualClock
from truebook.kalshi.port import AlreadyExists, BadAnswer
from truebook.ledger.facts import book_order
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import LedgerStore, OrderView, Reserve, StoreUnavailable
from truebook.messages.envelope import BookSide
from truebook.messages.orders import OrderOutcome
from truebook.messages.reasons import Reason


async def looks(rig: Rig, seconds: float) -> None:
    await rig.clock.advance(seconds)


async def test_a_lost_answer_is_found_by_look_up_and_not_sent_again() -> None:
    async with Rig() as rig:
        await rig.open_market()
        rig.exchange.lost_answers = 1
        action = await rig.send(rig.action(bid()))
        await until(lambda: rig.events(action) and not_open(rig), "unknown and resolved")
        order = await rig.order(action, BookSide.BID)
        assert order.state == "acknowledged"
        assert rig.exchange.posted == [order.order_id]
        assert [event.outcome for event in rig.events()] == [
            OrderOutcome.SENT, OrderOutcome.UNKNOWN, OrderOutcome.RESOLVED,
        ]  # fmt: skip


def not_open(rig: Rig) -> bool:
    return any(event.outcome is OrderOutcome.RESOLVED for event in rig.events())


@pytest.mark.parametrize("error", [AlreadyExists(409, "order_already_exists"), BadAnswer("no order id")])
async def test_what_is_no_proof_is_looked_up(error: Exception) -> None:
    async with Rig() as rig:
        await rig.open_market()
        rig.exchange.fail("create_order", error)
        action = await rig.send(rig.action(bid()))
        await rig.outcome(action)
        assert (await rig.order(action, BookSide.BID)).state == "unknown"
        assert (await rig.ledger.view()).account.promised_micros > 0


async def test_a_lost_request_is_absent_only_after_expiry_and_signature_and_two_agreeing_look_ups() -> None:
    async with Rig() as rig:
        await rig.open_market()
        rig.exchange.lost_requests = 1
        action = await rig.send(rig.action(bid()))
        await rig.outcome(action)
        await looks(rig, 15)
        assert (await rig.order(action, BookSide.BID)).state == "unknown", "its signature is over, its expiry is not"
        await looks(rig, 5.5)
        assert (await rig.order(action, BookSide.BID)).state == "unknown", "one look-up alone is no proof"
        await looks(rig, 2)
        assert (await rig.order(action, BookSide.BID)).state == "terminal"
        assert (await rig.ledger.view()).account.promised_micros == 0
        assert len(rig.exchange.posted) == 1


async def test_data_that_lag_prove_nothing() -> None:
    async with Rig() as rig:
        await rig.open_market()
        rig.exchange.lost_requests = 1
        rig.exchange.data_lag_us = 60_000_000
        action = await rig.send(rig.action(bid()))
        await rig.outcome(action)
        await looks(rig, 70)
        assert (await rig.order(action, BookSide.BID)).state == "unknown"
        rig.exchange.data_lag_us = 0
        await looks(rig, 3)
        assert (await rig.order(action, BookSide.BID)).state == "terminal"


async def test_an_unknown_order_blocks_its_market_and_no_other() -> None:
    async with Rig() as rig:
        await rig.open_market("M")
        await rig.open_market("N")
        rig.exchange.lost_requests = 1
        await rig.do(bid())
        rig.clock.set(rig.clock.now_us() + 300_000)
        await rig.snapshot("M")
        assert (await rig.do(bid()))[-1].reason is Reason.UNKNOWN_ORDER
        assert (await rig.do(ask()))[-1].reason is Reason.UNKNOWN_ORDER
        assert (await rig.do(bid(), ticker="N"))[-1].outcome is OrderOutcome.ACKNOWLEDGED


class Life:
    """Several lives of execution on one exchange, one ledger and one bus."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.exchange = FakeExchange(self.clock)
        self.ledger = MemoryStore("lives")
        self.bus = RecordingBus(partitions=2)

    def rig(self) -> Rig:
        return Rig(ledger=self.ledger, exchange=self.exchange, bus=self.bus, clock=self.clock)


async def killed_life(life: Life, label: str) -> Rig:
    rig = life.rig()
    await life.ledger.open_account(1_000_000_000, ())
    running = rig.start(kill_at(label))
    await until(lambda: not rig.service.not_ready(), "ready")
    await rig.open_market("M")
    await rig.open_market("N")
    await rig.send(rig.action(bid()))
    await running.killed()
    return rig


@pytest.mark.parametrize("label", ["reserved", "sent"])
async def test_after_a_crash_the_intent_is_resolved_before_anything_is_reserved(label: str) -> None:
    life = Life()
    dead = await killed_life(life, label)
    (order,) = await dead.open_orders()
    assert order.state == "reserved"
    async with life.rig() as rig:
        assert (await rig.open_orders("M"))[0].state == "unknown" or label == "sent"
        await rig.open_market_again("N")
        if label == "reserved":
            refused = await rig.do(bid(), ticker="N")
            assert refused[-1].reason is Reason.HOLD
            await looks(rig, 38)
            assert (await rig.ledger.order(order.order_id)).state == "terminal"
            await rig.open_market_again("N")
        else:
            await until(lambda: not_open(rig), "found at the exchange")
            assert (await rig.ledger.order(order.order_id)).state == "acknowledged"
        assert (await rig.do(bid(), ticker="N"))[-1].outcome is OrderOutcome.ACKNOWLEDGED
        assert life.exchange.posted.count(order.order_id) == (0 if label == "reserved" else 1)


async def test_the_older_owner_of_a_partition_can_no_longer_reserve() -> None:
    async with Rig() as rig:
        await rig.open_market()
        for partition in range(2):
            await rig.ledger.raise_epoch(partition, 1_000)
        assert (await rig.do(bid()))[-1].reason is Reason.EPOCH
        assert not rig.exchange.posted


class LosesAnswers:
    """A ledger whose answers to ``reserve`` get lost after the work was done."""

    def __init__(self, store: MemoryStore, lost: int) -> None:
        self._store = store
        self.lost = lost
        self.nonces: list[str] = []

    async def reserve(self, order: Reserve) -> str:
        self.nonces.append(order.nonce)
        answer = await self._store.reserve(order)
        if self.lost:
            self.lost -= 1
            raise StoreUnavailable("connection reset")
        return answer

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


class FailsToLookUp(MemoryStore):
    """A ledger whose look-ups fail once an order is there."""

    broken = False

    async def order(self, order_id: str) -> OrderView | None:
        if self.broken:
            raise StoreUnavailable("connection reset")
        return await super().order(order_id)

    async def mark_unknown(self, order_id: str) -> str:
        self.broken = True
        return await super().mark_unknown(order_id)


async def test_a_ledger_that_fails_during_the_look_up_postpones_it() -> None:
    async with Rig(ledger=FailsToLookUp("fails")) as rig:
        await rig.open_market()
        rig.exchange.lost_answers = 1
        action = await rig.send(rig.action(bid()))
        assert (await rig.outcome(action))[-1].outcome is OrderOutcome.UNKNOWN
        rig.ledger.broken = False  # type: ignore[attr-defined]
        await looks(rig, 1.5)
        await until(lambda: not_open(rig), "resolved later")
        assert (await rig.order(action, BookSide.BID)).state == "acknowledged"


async def with_lost_answers(lost: int) -> tuple[Rig, LosesAnswers]:
    ledger = MemoryStore("loses")
    store = LosesAnswers(ledger, lost)
    wrapped: LedgerStore = store  # type: ignore[assignment]
    return Rig(ledger=ledger, store=wrapped), store


async def test_a_lost_answer_of_the_ledger_is_asked_again_with_the_same_nonce() -> None:
    rig, store = await with_lost_answers(1)
    async with rig:
        await rig.open_market()
        assert (await rig.do(bid()))[-1].outcome is OrderOutcome.ACKNOWLEDGED
        assert len(set(store.nonces)) == 1
        assert len(rig.exchange.posted) == 1


async def test_a_ledger_that_stays_silent_means_nothing_is_sent_and_nothing_stays_promised() -> None:
    rig, _ = await with_lost_answers(3)
    async with rig:
        await rig.open_market()
        assert (await rig.do(bid()))[-1].reason is Reason.NO_LEDGER
        assert not rig.exchange.posted
        assert (await rig.ledger.view()).account.promised_micros == 0


async def test_an_outcome_that_the_exchanges_own_news_brought_is_told_as_resolved_once() -> None:
    async with Rig() as rig:
        await rig.open_market()
        rig.exchange.lost_answers = 1

        async def news_come_first(_: object) -> None:
            (shown,) = rig.exchange.own()
            await book_order(rig.ledger, rig.clock, shown, 0)

        rig.exchange.before["data_time_us"] = news_come_first
        action = await rig.send(rig.action(bid()))
        await until(lambda: not_open(rig), "resolved")
        await looks(rig, 3)
        outcomes = [event.outcome for event in rig.events() if event.client_order_id == rig.exchange.posted[0]]
        assert outcomes == [OrderOutcome.SENT, OrderOutcome.UNKNOWN, OrderOutcome.RESOLVED]
        assert (await rig.order(action, BookSide.BID)).state == "acknowledged"
