"""Execution while its broker is stopped: orders that must not rest are cancelled at once, and reported later."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from support.execution_harness import ExecutionHarness, bid
from support.kafka_broker import BrokerContainer, start_broker
from support.services import until
from truebook.bus.kafka.bus import KafkaBus
from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.kafka.reading import read_topic
from truebook.bus.kafka.topics import TopicsAdmin
from truebook.clock import SystemClock
from truebook.ledger.verbs import Hold, Mode
from truebook.messages.codec import decode
from truebook.messages.envelope import Message
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.reasons import Reason
from truebook.messages.topics import ORDERS, Topic
from truebook.venue.account import OrderStatus
from truebook_services.execution.settings import ExecutionSettings

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.long]

PARTITIONS = 2
STALE_AFTER_S = 4.0
STOPS_WITHIN_S = 13.0
"""A service and its bus without a broker; containers have 15 s."""
WITHIN_S = 8.0
"""Well below the time that a client of Kafka waits for a lost broker (30 s)."""


class RecordingKafkaBus(KafkaBus):
    """Keeps the order events that the broker has accepted."""

    def __init__(self, connection: KafkaConnection) -> None:
        super().__init__(connection)
        self.accepted: list[Message] = []

    async def publish_many(self, topic: Topic, records: Sequence[tuple[str, bytes]]) -> None:
        await super().publish_many(topic, records)
        self.accepted += [decode(topic, value) for _, value in records if topic is ORDERS]

    def of(self, topic: Topic) -> list[Message]:
        assert topic is ORDERS
        return self.accepted


@pytest.fixture
def broker() -> Iterator[BrokerContainer]:
    broker = start_broker()
    try:
        yield broker
    finally:
        broker.stop()


async def test_orders_are_cancelled_while_the_broker_is_stopped(broker: BrokerContainer) -> None:
    connection = KafkaConnection(servers=broker.address)
    async with TopicsAdmin.connected(connection, PARTITIONS) as admin:
        await admin.create()
    bus = await RecordingKafkaBus.connect(connection)
    settings = ExecutionSettings(tier="prestige", order_lifetime_s=600, cancel_stale_after_s=STALE_AFTER_S)
    harness = ExecutionHarness(settings, bus=bus, clock=SystemClock())  # type: ignore[arg-type]

    def resting() -> set[str]:
        orders = harness.exchange.engine.queries.orders("sim-main")
        return {order.ticker for order in orders if order.status is OrderStatus.RESTING}

    async with harness:
        for ticker in ("LOST", "HELD"):
            await harness.open_market(ticker)
            await harness.outcome(await harness.send(harness.action(bid(), ticker=ticker)))
        await harness.snapshot("HELD", age_s=-600)  # so that only the hold cancels it
        await harness.snapshot("LOST")
        await asyncio.to_thread(broker.shut_down)
        assert resting() == {"LOST", "HELD"}
        await until(lambda: resting() == {"HELD"}, "the order without a book is cancelled", STALE_AFTER_S + WITHIN_S)
        await harness.ledger.apply(Hold(name="operator", mode=Mode.HALTED, owner="operator"))
        await until(lambda: not resting(), "the order under the hold is cancelled", WITHIN_S)
        await until(lambda: "wait for the bus" in "; ".join(harness.service.not_ready()), "it is not ready", WITHIN_S)
        await asyncio.to_thread(broker.start_again)
        await until(lambda: len(bus.accepted) >= 8, "all events are published", 60)
        await until(lambda: not harness.service.not_ready(), "it is ready again", 60)
        published = [decode(ORDERS, record.value) async for record in read_topic(connection, ORDERS, PARTITIONS)]
        await asyncio.to_thread(broker.shut_down)
        stopped_s = asyncio.get_running_loop().time()
    await bus.aclose()
    assert asyncio.get_running_loop().time() - stopped_s < STOPS_WITHIN_S
    for ticker, reason in (("LOST", Reason.STALE_BOOK), ("HELD", Reason.HOLD)):
        cancels = [
            event.outcome
            for event in published
            if isinstance(event, OrderEvent) and (event.ticker, event.reason) == (ticker, reason)
        ]
        assert list(dict.fromkeys(cancels)) == [OrderOutcome.CANCEL_SENT, OrderOutcome.CANCELLED]
