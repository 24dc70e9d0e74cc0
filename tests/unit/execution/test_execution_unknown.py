"""Orders without a known outcome, after errors and crashes: never sent twice, never released without proof."""

from __future__ import annotations

import msgspec
import pytest

from support.execution_harness import ExecutionHarness, RecordingBus, ask, bid
from support.in_memory_exchange import InMemoryExchange, odd, shifted
from support.in_memory_rest import Shown
from support.services import kill_at, until
from truebook.clock import ManualClock
from truebook.kalshi.port import AlreadyExists, BadResponse, OutcomeUnknown
from truebook.ledger.exchange_reports import OPENED, record_order
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import LedgerStore, OrderView, StoreUnavailable
from truebook.ledger.verbs import AdvanceWatermark, MarkUnknown, OpenAccount, RaiseEpoch, Reserve, ResultT, Verb
from truebook.messages.envelope import BookSide
from truebook.messages.ids import client_order_id
from truebook.messages.orders import OrderOutcome
from truebook.messages.reasons import Reason
from truebook.venue.account import OrderRequest


async def test_a_lost_response_is_looked_up_and_not_sent_again() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        harness.exchange.lose_response("create_order")
        action = await harness.send(harness.action(bid()))
        await until(lambda: harness.events(action) and is_resolved(harness), "unknown and resolved")
        order = await harness.order(action, BookSide.BID)
        assert order.state == "acknowledged"
        assert harness.exchange.posted == [order.order_id]
        assert [event.outcome for event in harness.events()] == [
            OrderOutcome.SENT, OrderOutcome.UNKNOWN, OrderOutcome.RESOLVED,
        ]  # fmt: skip


def is_resolved(harness: ExecutionHarness) -> bool:
    return any(event.outcome is OrderOutcome.RESOLVED for event in harness.events())


@pytest.mark.parametrize("error", [AlreadyExists(409, "order_already_exists"), BadResponse("no order id")])
async def test_an_error_without_proof_leads_to_a_look_up(error: Exception) -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        harness.exchange.fail("create_order", error)
        action = await harness.send(harness.action(bid()))
        await harness.outcome(action)
        assert (await harness.order(action, BookSide.BID)).state == "unknown"
        assert (await harness.ledger.view()).account.reserved_micros > 0


async def test_absence_needs_expiry_signature_and_two_look_ups() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        harness.exchange.fail("create_order", OutcomeUnknown("the request was lost"))
        action = await harness.send(harness.action(bid()))
        await harness.outcome(action)
        await harness.clock.advance(15)
        assert (await harness.order(action, BookSide.BID)).state == "unknown", (
            "its signature is invalid, but it has not expired"
        )
        await harness.clock.advance(5.5)
        assert (await harness.order(action, BookSide.BID)).state == "unknown", "one look-up is no proof"
        await harness.clock.advance(2)
        assert (await harness.order(action, BookSide.BID)).state == "terminal"
        assert (await harness.ledger.view()).account.reserved_micros == 0
        assert len(harness.exchange.posted) == 1


async def test_lagging_data_prove_nothing() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        harness.exchange.fail("create_order", OutcomeUnknown("the request was lost"))
        harness.exchange.views[Shown.DATA_TIME_US] = shifted(-60_000_000)
        action = await harness.send(harness.action(bid()))
        await harness.outcome(action)
        await harness.clock.advance(70)
        assert (await harness.order(action, BookSide.BID)).state == "unknown"
        harness.exchange.views.clear()
        await harness.clock.advance(3)
        assert (await harness.order(action, BookSide.BID)).state == "terminal"


async def test_an_item_without_a_readable_id_proves_no_absence() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        harness.exchange.lose_response("create_order")
        harness.exchange.odd_items[Shown.ORDERS] = lambda one: msgspec.structs.replace(odd(one), client_order_id="")
        action = await harness.send(harness.action(bid()))
        await harness.outcome(action)
        await harness.clock.advance(70)
        assert (await harness.order(action, BookSide.BID)).state == "unknown"
        assert (await harness.ledger.view()).account.reserved_micros > 0
        harness.exchange.end_faults()
        await harness.clock.advance(10)
        assert (await harness.order(action, BookSide.BID)).state == "terminal"


async def test_an_unknown_order_blocks_only_its_market() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market("M")
        await harness.open_market("N")
        harness.exchange.fail("create_order", OutcomeUnknown("the request was lost"))
        await harness.do(bid())
        harness.clock.set(harness.clock.now_us() + 300_000)
        await harness.snapshot("M")
        assert (await harness.do(bid()))[-1].reason is Reason.UNKNOWN_ORDER
        assert (await harness.do(ask()))[-1].reason is Reason.UNKNOWN_ORDER
        assert (await harness.do(bid(), ticker="N"))[-1].outcome is OrderOutcome.ACKNOWLEDGED


class Instances:
    """Several instances of execution on one exchange, ledger and bus."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.exchange = InMemoryExchange(self.clock)
        self.ledger = MemoryStore("instances")
        self.bus = RecordingBus(partitions=2)

    def next(self) -> ExecutionHarness:
        return ExecutionHarness(ledger=self.ledger, exchange=self.exchange, bus=self.bus, clock=self.clock)


async def killed_instance(instances: Instances, label: str) -> ExecutionHarness:
    harness = instances.next()
    await instances.ledger.apply(OpenAccount(balance_micros=1_000_000_000))
    running = harness.start(kill_at(label))
    await until(lambda: not harness.service.not_ready(), "ready")
    await harness.open_market("M")
    await harness.open_market("N")
    await harness.send(harness.action(bid()))
    await running.killed()
    return harness


@pytest.mark.parametrize("label", ["reserved", "sent"])
async def test_after_a_crash_open_orders_are_resolved_first(label: str) -> None:
    instances = Instances()
    killed = await killed_instance(instances, label)
    (order,) = await killed.open_orders()
    assert order.state == "reserved"
    async with instances.next() as harness:
        assert (await harness.open_orders("M"))[0].state == "unknown" or label == "sent"
        await harness.publish_market("N")
        if label == "reserved":
            refused = await harness.do(bid(), ticker="N")
            assert refused[-1].reason is Reason.HOLD
            await harness.clock.advance(38)
            assert (await harness.ledger.order(order.order_id)).state == "terminal"
            await harness.publish_market("N")
        else:
            await until(lambda: is_resolved(harness), "found at the exchange")
            assert (await harness.ledger.order(order.order_id)).state == "acknowledged"
        assert (await harness.do(bid(), ticker="N"))[-1].outcome is OrderOutcome.ACKNOWLEDGED
        assert instances.exchange.posted.count(order.order_id) == (0 if label == "reserved" else 1)


async def test_the_previous_owner_of_a_partition_cannot_reserve() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        for partition in range(2):
            await harness.ledger.apply(RaiseEpoch(partition=partition, epoch=1_000))
        assert (await harness.do(bid()))[-1].reason is Reason.EPOCH
        assert not harness.exchange.posted


class LosesResponses:
    """A ledger whose first results of ``reserve`` are lost after they were applied."""

    def __init__(self, store: MemoryStore, lost: int) -> None:
        self._store = store
        self.lost = lost
        self.nonces: list[str] = []

    async def apply(self, verb: Verb[ResultT]) -> ResultT:
        result = await self._store.apply(verb)
        if isinstance(verb, Reserve):
            self.nonces.append(verb.nonce)
            if self.lost:
                self.lost -= 1
                raise StoreUnavailable("connection reset")
        return result

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


class FailsToLookUp(MemoryStore):
    """A ledger whose look-ups fail after an order is marked as unknown."""

    broken = False

    async def order(self, order_id: str) -> OrderView | None:
        if self.broken:
            raise StoreUnavailable("connection reset")
        return await super().order(order_id)

    async def apply(self, verb: Verb[ResultT]) -> ResultT:
        self.broken = self.broken or isinstance(verb, MarkUnknown)
        return await super().apply(verb)


async def test_a_ledger_failure_postpones_the_look_up() -> None:
    async with ExecutionHarness(ledger=FailsToLookUp("fails")) as harness:
        await harness.open_market()
        harness.exchange.lose_response("create_order")
        action = await harness.send(harness.action(bid()))
        assert (await harness.outcome(action))[-1].outcome is OrderOutcome.UNKNOWN
        harness.ledger.broken = False  # type: ignore[attr-defined]
        await harness.clock.advance(1.5)
        await until(lambda: is_resolved(harness), "resolved later")
        assert (await harness.order(action, BookSide.BID)).state == "acknowledged"


async def with_lost_responses(lost: int) -> tuple[ExecutionHarness, LosesResponses]:
    ledger = MemoryStore("loses")
    store = LosesResponses(ledger, lost)
    wrapped: LedgerStore = store  # type: ignore[assignment]
    return ExecutionHarness(ledger=ledger, store=wrapped), store


async def test_a_lost_reserve_response_is_retried_with_its_nonce() -> None:
    harness, store = await with_lost_responses(1)
    async with harness:
        await harness.open_market()
        assert (await harness.do(bid()))[-1].outcome is OrderOutcome.ACKNOWLEDGED
        assert len(set(store.nonces)) == 1
        assert len(harness.exchange.posted) == 1


async def test_without_the_ledger_nothing_is_sent_or_reserved() -> None:
    harness, _ = await with_lost_responses(3)
    async with harness:
        await harness.open_market()
        assert (await harness.do(bid()))[-1].reason is Reason.NO_LEDGER
        assert not harness.exchange.posted
        assert (await harness.ledger.view()).account.reserved_micros == 0


async def test_an_outcome_reported_elsewhere_is_resolved_once() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        harness.exchange.lose_response("create_order")

        async def reported_first(_: object) -> None:
            (listed,) = harness.exchange.own()
            await record_order(harness.ledger, harness.clock, listed, 0)

        harness.exchange.before["data_time_us"] = reported_first
        action = await harness.send(harness.action(bid()))
        await until(lambda: is_resolved(harness), "resolved")
        await harness.clock.advance(3)
        outcomes = [event.outcome for event in harness.events() if event.client_order_id == harness.exchange.posted[0]]
        assert outcomes == [OrderOutcome.SENT, OrderOutcome.UNKNOWN, OrderOutcome.RESOLVED]
        assert (await harness.order(action, BookSide.BID)).state == "acknowledged"


async def test_another_ledger_repeats_no_client_order_id() -> None:
    instances = Instances()
    ids = []
    for name in ("first", "second"):
        harness = ExecutionHarness(
            ledger=MemoryStore(name), exchange=instances.exchange, clock=instances.clock, bus=RecordingBus(partitions=2)
        )
        async with harness:
            await harness.open_market()
            action = await harness.send(harness.action(bid()))
            assert (await harness.outcome(action))[-1].outcome is OrderOutcome.ACKNOWLEDGED
            ids.append((action.id, (await harness.order(action, BookSide.BID)).order_id))
    assert ids[0][0] == ids[1][0], "the same action"
    assert ids[0][1] != ids[1][1], "and another order"


async def test_an_order_from_before_the_opening_is_no_outcome() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        action = harness.action(bid())
        order_id = client_order_id(harness.ledger.ledger_id, action.id, BookSide.BID)
        harness.exchange.place_by_hand(
            OrderRequest(
                ticker="M", client_order_id=order_id, book_side=BookSide.BID, price_cc=3000, size_centi=100,
            )
        )  # fmt: skip
        await harness.clock.advance(1)
        await harness.ledger.apply(AdvanceWatermark(name=OPENED, to_us=harness.clock.now_us()))
        action = await harness.send(msgspec.structs.replace(action, deadline_us=harness.clock.now_us() + 5_000_000))
        await harness.snapshot()
        assert (await harness.outcome(action))[-1].outcome is OrderOutcome.UNKNOWN
        await harness.clock.advance(30)
        order = await harness.order(action, BookSide.BID)
        assert order.state == "terminal", "the exchange refused it, and its own look-ups show no order of this ledger"
        assert (await harness.ledger.view()).account.reserved_micros == 0
        resolved = [event for event in harness.events() if event.outcome is OrderOutcome.RESOLVED]
        assert len(resolved) == 1, "orders are counted, not look-ups"
