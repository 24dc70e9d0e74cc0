"""While order events can't be published, orders are cancelled and resolved all the same, and nothing is sent twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from support.execution_harness import ExecutionHarness, RecordingBus, ask, bid
from support.metrics import counted
from support.services import make_context, until
from truebook.bus.port import BusRefused, BusUnavailable, Partition
from truebook.clock import ManualClock
from truebook.ledger.verbs import Hold, Mode, OrderState
from truebook.messages.actions import OmittedSides
from truebook.messages.envelope import BookSide
from truebook.messages.orders import OrderOutcome
from truebook.messages.reasons import Reason
from truebook.messages.topics import ACTIONS, ORDERS, Topic
from truebook.venue.account import OrderStatus
from truebook_services.execution.report_queue import ReportQueue
from truebook_services.execution.reports import Reports


class StalledForOrders(RecordingBus):
    """A bus that accepts order events only while ``flowing`` is set; with ``error``, it raises instead of waiting."""

    def __init__(self) -> None:
        super().__init__(partitions=2)
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.error: Exception | None = None

    async def publish_many(self, topic: Topic, records: Sequence[tuple[str, bytes]]) -> None:
        if topic is ORDERS:
            if self.error is not None:
                raise self.error
            await self.flowing.wait()
        await super().publish_many(topic, records)


def resting(harness: ExecutionHarness) -> set[str]:
    """Tickers of the markets in which the exchange has a resting order of the account."""
    orders = harness.exchange.engine.queries.orders("sim-main")
    return {order.ticker for order in orders if order.status is OrderStatus.RESTING}


async def test_orders_are_cancelled_while_reports_wait() -> None:
    bus = StalledForOrders()
    async with ExecutionHarness(bus=bus) as harness:
        actions = {}
        for ticker in ("STALE", "HELD"):
            await harness.open_market(ticker)
            actions[ticker] = await harness.send(harness.action(bid(), ticker=ticker))
            await harness.outcome(actions[ticker])
        bus.flowing.clear()
        await harness.mark_stale("STALE")
        for _ in range(11):
            await harness.clock.advance(1.0)
            await harness.snapshot("HELD")
        await until(lambda: resting(harness) == {"HELD"}, "the order on the stale book is cancelled")
        await harness.ledger.apply(Hold(name="operator", mode=Mode.HALTED, owner="operator"))
        await harness.clock.advance(0.6)
        await until(lambda: not resting(harness), "the other order is cancelled under the hold", 5)
        await harness.clock.advance(2.1)
        assert "order events wait for the bus" in "; ".join(harness.service.not_ready())
        bus.flowing.set()
        cancels = (OrderOutcome.CANCEL_SENT, OrderOutcome.CANCELLED)
        await until(lambda: sum(event.outcome in cancels for event in harness.events()) == 4, "all are published")
        for ticker, reason in (("STALE", Reason.STALE_BOOK), ("HELD", Reason.HOLD)):
            outcomes = [(event.outcome, event.reason) for event in harness.events() if event.ticker == ticker]
            assert outcomes == [
                (OrderOutcome.SENT, None), (OrderOutcome.ACKNOWLEDGED, None), *((cancel, reason) for cancel in cancels),
            ]  # fmt: skip
        await until(lambda: not harness.service.not_ready(), "the service is ready again")


async def test_actions_are_handled_while_reports_wait() -> None:
    bus = StalledForOrders()
    async with ExecutionHarness(bus=bus) as harness:
        await harness.open_market()
        bus.flowing.clear()
        await harness.send(harness.action(bid()))
        await until(lambda: len(harness.exchange.posted) == 1, "the order is sent")
        harness.clock.set(harness.clock.now_us() + 300_000)
        await harness.snapshot()
        await harness.send(harness.action(ask(), omitted_sides=OmittedSides.CANCEL))
        await until(lambda: len(harness.exchange.posted) == 2, "the next order of that market is sent")
        orders = harness.exchange.engine.queries.orders
        await until(
            lambda: OrderStatus.CANCELED in {order.status for order in orders("sim-main")}, "the first is cancelled"
        )
        bus.flowing.set()
        await until(lambda: len(harness.events()) == 6, "all events are published")


async def test_unknown_orders_are_resolved_while_reports_wait() -> None:
    bus = StalledForOrders()
    async with ExecutionHarness(bus=bus) as harness:
        actions = []
        bus.flowing.clear()
        for ticker in ("M", "N"):
            await harness.open_market(ticker)
            harness.exchange.lose_response("create_order")
            actions.append(await harness.send(harness.action(bid(), ticker=ticker)))

        async def states() -> set[OrderState]:
            orders = [order for ticker in ("M", "N") for order in await harness.open_orders(ticker)]
            return {order.state for order in orders} if len(orders) == 2 else set()

        for _ in range(20):
            await harness.clock.advance(0.5)
            if await states() == {OrderState.ACKNOWLEDGED}:
                break
        assert await states() == {OrderState.ACKNOWLEDGED}
        bus.flowing.set()
        for action in actions:
            await until(lambda action=action: len(harness.events(action)) == 2, "sent and unknown")
        await until(lambda: sum(event.outcome is OrderOutcome.RESOLVED for event in harness.events()) == 2, "resolved")


async def test_a_crash_loses_no_order_whose_report_waits() -> None:
    bus = StalledForOrders()
    async with ExecutionHarness(bus=bus) as harness:
        await harness.open_market()
        bus.flowing.clear()
        action = await harness.send(harness.action(bid(), deadline_s=60))
        await until(lambda: len(harness.exchange.posted) == 1, "the order is sent")
        metrics = harness.service.context.metrics
        await until(lambda: counted(metrics, "order_events") == 2, "its events are queued")
        assert harness.running is not None
        harness.running.task.cancel()
        await asyncio.gather(harness.running.task, return_exceptions=True)
        bus.flowing.set()
        assert harness.events() == []
        order = await harness.order(action, BookSide.BID)
        recorded = [(entry.verb, entry.result) for entry in await harness.ledger.journal()]
        assert order.state is OrderState.ACKNOWLEDGED
        assert ("reserve", "reserved") in recorded and ("acknowledge", "acknowledged") in recorded
        harness.start()
        events = await harness.outcome(action)
        assert [(event.outcome, event.detail) for event in events] == [(OrderOutcome.KEPT, "exists:acknowledged")]
        assert len(harness.exchange.posted) == 1


async def test_a_failed_publish_is_retried_without_a_second_send() -> None:
    bus = StalledForOrders()
    async with ExecutionHarness(bus=bus) as harness:
        await harness.open_market()
        bus.error = BusUnavailable("no broker")
        action = await harness.send(harness.action(bid()))
        await until(lambda: counted(harness.service.context.metrics, "failures") > 0, "the publish has failed")
        assert "no broker" in "; ".join(harness.service.not_ready())
        bus.error = None
        await harness.clock.advance(1.0)
        events = await harness.outcome(action)
        assert [event.outcome for event in events] == [OrderOutcome.SENT, OrderOutcome.ACKNOWLEDGED]
        assert len(harness.exchange.posted) == 1


async def test_an_action_reported_as_superseded_is_not_sent() -> None:
    """A publish that failed once ended with the newer action reported as superseded and sent, and no further commit."""
    bus, posted, release = StalledForOrders(), asyncio.Event(), asyncio.Event()
    async with ExecutionHarness(bus=bus) as harness:
        await harness.open_market()

        async def delay(request: object) -> None:
            posted.set()
            await release.wait()

        harness.exchange.before["create_order"] = delay
        first = await harness.send(harness.action(bid()))
        await posted.wait()
        bus.error = BusUnavailable("no broker")
        older = await harness.send(harness.action(ask(6100)))
        newer = await harness.send(harness.action(ask(6200)))
        await until(lambda: counted(harness.service.context.metrics, "failures") > 0, "the publish has failed")
        bus.error = None
        await harness.clock.advance(1.0)
        release.set()
        for action in (first, older, newer):
            await harness.outcome(action)
        events = harness.events()
        assert [event.action_id for event in events if event.reason is Reason.SUPERSEDED] == [older.id]
        assert [event.action_id for event in events if event.outcome is OrderOutcome.SENT] == [first.id, newer.id]
        await harness.clock.advance(1.1)
        channels = [bus.channel(Partition(ACTIONS.name, number)) for number in range(2)]

        def uncommitted() -> int:
            return sum(share.log.end - share.committed for channel in channels for share in channel.shares)

        await until(lambda: uncommitted() == 0, "every action is committed")


async def test_events_left_at_a_stop_are_published() -> None:
    bus = StalledForOrders()
    harness = ExecutionHarness(bus=bus)
    async with harness:
        await harness.open_market()
        bus.flowing.clear()
        await harness.send(harness.action(bid()))
        await until(lambda: len(harness.exchange.posted) == 1, "the order is sent")
        asyncio.get_running_loop().call_later(0.3, bus.flowing.set)
    assert [event.outcome for event in harness.events()] == [OrderOutcome.SENT, OrderOutcome.ACKNOWLEDGED]


async def test_a_stop_does_not_wait_for_a_bus_that_is_away() -> None:
    bus, harness = StalledForOrders(), ExecutionHarness()
    context = make_context("execution", ManualClock(), bus)
    queue = ReportQueue(context)
    Reports(context, harness.ledger, queue).refuse(harness.action(), [bid()], Reason.THROTTLE)
    bus.flowing.clear()
    stop = asyncio.Event()
    stop.set()
    with capture_logs() as lines:
        async with asyncio.timeout(60):
            await queue.run(stop)
    assert [(line["event"], line["events"]) for line in lines] == [("order events not published", 1)]


async def test_a_refused_publish_ends_the_service() -> None:
    bus = StalledForOrders()
    harness = ExecutionHarness(bus=bus)
    with pytest.raises(BusRefused):
        async with harness:
            await harness.open_market()
            bus.error = BusRefused("no right to write")
            await harness.send(harness.action(bid()))
            assert harness.running is not None
            await harness.running.task


async def test_no_order_is_sent_while_the_queue_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ReportQueue.__init__.__kwdefaults__, "max_queued", 2)
    bus = StalledForOrders()
    async with ExecutionHarness(bus=bus) as harness:
        for ticker in ("M", "N"):
            await harness.open_market(ticker)
        bus.flowing.clear()
        await harness.send(harness.action(bid(), ticker="M"))
        await until(lambda: len(harness.exchange.posted) == 1, "the first order is sent")
        metrics = harness.service.context.metrics
        await until(lambda: counted(metrics, "order_events", outcome="acknowledged") == 1, "two events wait")
        await harness.send(harness.action(bid(), ticker="N"))
        await until(lambda: counted(metrics, "order_events_dropped") == 1, "the second is refused")
        bus.flowing.set()
        await until(lambda: len(harness.events()) == 2, "the events are published")
        harness.clock.set(harness.clock.now_us() + 300_000)
        await harness.snapshot("N")
        await harness.do(bid(), ticker="N")
        assert len(harness.exchange.posted) == 2


async def test_a_full_queue_keeps_what_happened_to_orders() -> None:
    harness, bus = ExecutionHarness(), StalledForOrders()
    context = make_context("execution", ManualClock(), bus)
    queue = ReportQueue(context, max_queued=3)
    reports = Reports(context, harness.ledger, queue)
    actions = [harness.action(bid()) for _ in range(6)]
    sent = [reports.of_target(action, bid(), OrderOutcome.SENT) for action in actions]
    reports.add(*sent[:2], *sent[:2])
    assert (len(queue), queue.is_full) == (2, False), "each once"
    reports.refuse(actions[2], [bid()], Reason.THROTTLE)
    assert queue.is_full
    reports.refuse(actions[3], [bid()], Reason.THROTTLE)
    reports.add(*sent[4:])
    assert len(queue) == 5, "only the refusal is dropped"
    assert counted(context.metrics, "order_events_dropped") == 1
    stop = asyncio.Event()
    stop.set()
    await queue.run(stop)
    assert Counter(event.outcome for event in bus.of(ORDERS)) == {OrderOutcome.SENT: 4, OrderOutcome.REFUSED: 1}
    assert actions[3].id not in {event.action_id for event in bus.of(ORDERS)}
