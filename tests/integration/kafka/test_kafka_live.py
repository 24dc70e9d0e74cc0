"""Live views over Kafka: the topics of all services, followed by one process, also over an outage of the broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest

from support.kafka_broker import BrokerContainer, start_broker
from support.samples import TICKER, account_report, action, samples, service_report
from support.services import until
from truebook.bus.kafka.bus import KafkaBus
from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.kafka.topics import TopicsAdmin
from truebook.clock import MICROS, ExchangeClock, SystemClock
from truebook.ledger.memory_store import MemoryStore
from truebook.messages.accounts import WINDOW_US, record_key
from truebook.messages.codec import encode
from truebook.messages.envelope import Message
from truebook.messages.orders import OrderOutcome
from truebook.messages.topics import TOPICS
from truebook.runtime.settings import TruebookSettings, load
from truebook_services.operator.live import LiveSource
from truebook_services.operator.live_kafka import TopicReader
from truebook_services.operator.live_memory import MemoryLive

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.long]

PARTITIONS = 2
WITHIN_S = 60.0
BY_TYPE = {kind: topic for topic in TOPICS for kind in topic.carries}


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerContainer]:
    broker = start_broker()
    try:
        asyncio.run(create_topics(broker.address))
        yield broker
    finally:
        broker.stop()


async def create_topics(address: str) -> None:
    async with TopicsAdmin.connected(KafkaConnection(servers=address), PARTITIONS) as admin:
        await admin.create()


async def publish(address: str, messages: Sequence[Message]) -> None:
    bus = await KafkaBus.connect(KafkaConnection(servers=address))
    try:
        for message in messages:
            await bus.publish(BY_TYPE[type(message)], key_of(message), encode(message))
    finally:
        await bus.aclose()


def key_of(message: Message) -> str:
    if type(message) is type(account_report()):
        return record_key(message)
    return message.ticker or "service/instance"


def sample(name: str, at_us: int, **changes: object) -> Message:
    return msgspec.structs.replace(samples()[name], produced_us=at_us, **changes)


@asynccontextmanager
async def following(address: str) -> AsyncIterator[tuple[LiveSource, TopicReader]]:
    """Follow the topics; the reader has read what they had at its start."""
    settings = load(TruebookSettings, kafka_servers=address, kafka_partitions=PARTITIONS, account="sim-main")
    clock, ledger = ExchangeClock(SystemClock()), MemoryStore("test")
    reader = TopicReader(settings, clock)
    live = MemoryLive(
        reader.statistics, clock, ledger.view, lambda: None,
        problem=lambda: "; ".join(reader.service.not_ready()) or None,
    )  # fmt: skip
    stop = asyncio.Event()
    task = asyncio.ensure_future(reader.service.run(stop))
    try:
        await until(lambda: not reader.service.not_ready(), "the first batch", WITHIN_S)
        yield live, reader
    finally:
        stop.set()
        await asyncio.wait_for(task, WITHIN_S)


async def test_history_and_updates_are_joined(broker: BrokerContainer) -> None:
    """What the services published before this process began is shown and not counted; all later is both."""
    now_us = SystemClock().now_us()
    before_us = now_us - 60 * MICROS
    reports = [
        account_report(produced_us=now_us - n * WINDOW_US, equity_micros=1_000_000_000 - n) for n in range(5, 0, -1)
    ]
    order = {"action_id": "aa", "client_order_id": "tb1-aa", "reason": None}
    await publish(broker.address, [
        sample("markets.market_updated", before_us, selected=True, exclusion=None), *reports,
        sample("observations.observation", now_us - 30 * MICROS, id="o"),
        action(id="aa", observation_id="o", produced_us=now_us - 30 * MICROS),
        sample("orders.order_event", now_us - 29 * MICROS, outcome=OrderOutcome.SENT, **order),
        service_report(produced_us=now_us, valid_us=now_us + 60 * MICROS),
    ])  # fmt: skip
    async with following(broker.address) as (live, reader):
        state = reader.statistics.live
        assert state is not None
        await until(lambda: state.account.state is not None, "the account", WITHIN_S)
        await until(lambda: state.lifecycle("aa") is not None, "the decision", WITHIN_S)
        first = await live.changes()
        assert [point.equity_micros for point in first.points] == [1_000_000_000 - n for n in range(5, 0, -1)]
        assert reader.statistics.counts["observations"] == 0
        assert first.services is not None and [each.service for each in first.services] == ["execution"]
        later_us = SystemClock().now_us()
        await publish(broker.address, [
            sample("orderbook.book_delta", later_us, version=41), sample("orderbook.book_snapshot", later_us),
            sample("observations.observation", later_us, id="o2"),
            sample("fills.fill_recorded", later_us, exchange_us=later_us),
        ])  # fmt: skip
        await until(lambda: reader.statistics.counts["fills"] == 1, "the fill", WITHIN_S)
        await until(lambda: TICKER in reader.statistics.books, "the book", WITHIN_S)
        changes = await live.changes(first.version)
        assert [(row.ticker, row.bid_cc, row.updates) for row in changes.rows] == [(TICKER, 4_600, 1)]
        life = await live.lifecycle("aa")
        assert life is not None and [fill.size_centi for fill in life.orders[0].fills] == [250]
        assert changes.note is None


async def test_an_outage_is_stated_and_loses_nothing(broker: BrokerContainer) -> None:
    async with following(broker.address) as (live, reader):
        await publish(broker.address, [sample("orderbook.book_snapshot", SystemClock().now_us(), version=50)])
        await until(lambda: TICKER in reader.statistics.books, "the book", WITHIN_S)
        await asyncio.to_thread(broker.shut_down)
        await until(lambda: bool(reader.service.not_ready()), "the outage is seen", WITHIN_S)
        changes = await live.changes()
        assert changes.note is not None and changes.rows
        await asyncio.to_thread(broker.start_again)
        await publish(broker.address, [
            sample("orderbook.book_delta", SystemClock().now_us(), version=51, price_cc=4_700, size_centi=100)
        ])  # fmt: skip
        await until(lambda: reader.statistics.books[TICKER].version == 51, "the change after it", WITHIN_S)
        await until(lambda: not reader.service.not_ready(), "the connection", WITHIN_S)
        assert (await live.changes()).note is None
