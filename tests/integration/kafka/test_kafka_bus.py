"""Properties of the bus over Kafka only: static members, retention, outages, refusals."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from support.bus_contract import Seen, behind, take, values
from support.kafka_broker import create_topic
from truebook.bus.kafka.bus import KafkaBus
from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.port import BusRefused, BusUnavailable, Partition, RecordTooLarge
from truebook.messages.topics import StartAt, Topic

pytestmark = [pytest.mark.containers]

PARTITIONS = 4
WITHIN_S = 60.0
LONG_SESSION_S = 30.0

MakeBus = Callable[..., Awaitable[KafkaBus]]


@pytest.fixture
async def make_bus(kafka_address: str) -> AsyncIterator[MakeBus]:
    made: list[KafkaBus] = []

    async def make(**more: object) -> KafkaBus:
        settings = {"servers": kafka_address, "session_s": 3.0, **more}
        made.append(await KafkaBus.connect(KafkaConnection(**settings)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for bus in made:
        await bus.aclose()


@pytest.fixture
async def topic(kafka_address: str) -> Topic:
    name = f"bus-{uuid.uuid4().hex[:8]}"
    await create_topic(kafka_address, name, PARTITIONS)
    return Topic(name=name, carries=(), start_at=StartAt.COMMITTED)


async def test_a_restarted_static_member_gets_its_partitions_at_once(make_bus: MakeBus, topic: Topic) -> None:
    first = await make_bus(instance="static", session_s=LONG_SESSION_S)
    await first.consumer(topic.name, [topic])
    await first.aclose()
    second = await make_bus(instance="static", session_s=LONG_SESSION_S)
    seen = Seen()
    async with asyncio.timeout(LONG_SESSION_S / 2):  # and not after the old session's end
        await second.consumer(topic.name, [topic], rebalance=seen)
    assert len(seen.owned) == PARTITIONS


async def test_a_new_process_replaces_one_of_the_same_static_name(make_bus: MakeBus, topic: Topic) -> None:
    dead = await make_bus(instance="leader", session_s=LONG_SESSION_S)
    await dead.consumer(topic.name, [topic])
    seen = Seen()
    async with asyncio.timeout(LONG_SESSION_S / 2):
        await (await make_bus(instance="leader")).consumer(topic.name, [topic], rebalance=seen)
    assert len(seen.owned) == PARTITIONS


async def test_topics_of_equal_partition_counts_are_assigned_alike(
    make_bus: MakeBus, kafka_address: str, topic: Topic
) -> None:
    other = Topic(name=f"{topic.name}-b", carries=(), start_at=StartAt.END)
    await create_topic(kafka_address, other.name, PARTITIONS)
    seen = [Seen(), Seen(), Seen()]
    readers = []
    for each in seen:
        bus = await make_bus()
        joining = asyncio.create_task(bus.consumer(topic.name, [topic, other], rebalance=each))
        while not joining.done():
            for reader in readers:
                await reader.poll(1, 0.05)
            await asyncio.sleep(0.01)
        readers.append(joining.result())
    async with asyncio.timeout(WITHIN_S):
        while sum(len(each.owned) for each in seen) != 2 * PARTITIONS or not all(each.owned for each in seen):
            for reader in readers:
                await reader.poll(1, 0.05)
    for each in seen:
        numbers = {name: {p.number for p in each.owned if p.topic == name} for name in (topic.name, other.name)}
        assert numbers[topic.name] == numbers[other.name]


async def test_records_deleted_by_retention_count_as_missed(
    make_bus: MakeBus, kafka_address: str, topic: Topic
) -> None:
    bus = await make_bus()
    first = await bus.consumer(topic.name, [topic])
    for number in range(10):
        await bus.publish(topic, "one", b"%d" % number)
    records = await take(first, 3)
    await first.commit(behind(records))
    await first.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_address)
    await admin.start()
    try:
        part = TopicPartition(topic.name, records[0].partition)
        await admin.delete_records({part: RecordsToDelete(before_offset=7)})
    finally:
        await admin.close()
    second = await bus.consumer(topic.name, [topic])
    found = await take(second, 3)
    assert [(record.value, record.missed) for record in found] == [(b"7", 4), (b"8", 0), (b"9", 0)]


async def test_a_failure_of_the_owners_callback_is_raised_by_its_next_poll(make_bus: MakeBus, topic: Topic) -> None:
    class Fails(Seen):
        async def revoked(self, partitions: frozenset[Partition]) -> None:
            raise RuntimeError("can't fence")

    first = await (await make_bus()).consumer(topic.name, [topic], rebalance=Fails())
    joining = asyncio.create_task((await make_bus()).consumer(topic.name, [topic]))
    with pytest.raises(RuntimeError, match="can't fence"):
        async with asyncio.timeout(WITHIN_S):
            while True:
                await first.poll(1, 0.1)
    await joining


async def test_a_record_that_is_too_large_is_refused_and_harms_no_other(make_bus: MakeBus, topic: Topic) -> None:
    bus = await make_bus()
    with pytest.raises(RecordTooLarge):
        await bus.publish(topic, "one", bytes(5_000_000))
    await bus.publish(topic, "one", b"small")
    assert values(await take(await bus.consumer(topic.name, [topic]), 1)) == [b"small"]


async def test_many_large_records_at_once_all_arrive(make_bus: MakeBus, topic: Topic) -> None:
    """More than a batch holds, so that sending has to wait for the broker in between."""
    bus = await make_bus()
    consumer = await bus.consumer(topic.name, [topic])
    await bus.publish_many(topic, [("one", b"%04d" % number + bytes(100_000)) for number in range(60)])
    assert [int(record.value[:4]) for record in await take(consumer, 60)] == list(range(60))


async def test_compressed_records_are_read_by_everyone(make_bus: MakeBus, topic: Topic) -> None:
    await (await make_bus(compression="gzip")).publish(topic, "one", b"x" * 1000)
    assert values(await take(await (await make_bus()).consumer(topic.name, [topic]), 1)) == [b"x" * 1000]


async def test_a_session_timeout_below_the_brokers_is_refused(make_bus: MakeBus, topic: Topic) -> None:
    bus = await make_bus(session_s=3_600.0)
    with pytest.raises(BusRefused, match="TRUEBOOK_KAFKA_SESSION_S"):
        await bus.consumer(topic.name, [topic])


async def test_a_wrong_address_is_unavailable_after_the_time_for_a_start() -> None:
    with pytest.raises(BusUnavailable):
        await KafkaBus.connect(KafkaConnection(servers="127.0.0.1:1"), within_s=0.5)


async def test_the_lag_of_a_process_is_reported_per_group(make_bus: MakeBus, topic: Topic) -> None:
    bus = await make_bus()
    await bus.consumer(topic.name, [topic])
    await bus.publish(topic, "one", b"x")
    assert await bus.lag() == {topic.name: {topic.name: 1}}
    assert bus.assigned() == {topic.name: PARTITIONS}


async def test_two_members_of_one_name_are_named(kafka_address: str, make_bus: MakeBus) -> None:
    topic = Topic(name=f"named-{uuid.uuid4().hex[:8]}", carries=(), start_at=StartAt.COMMITTED)
    await create_topic(kafka_address, topic.name, PARTITIONS)

    async def read(bus: KafkaBus) -> None:
        consumer = await bus.consumer(f"truebook.{topic.name}", [topic])
        while True:
            await consumer.poll(10, 0.25)

    buses = [await make_bus(instance="same") for _ in range(2)]
    async with asyncio.timeout(60):
        with pytest.raises(BusUnavailable, match="under the same name: give each process its own TRUEBOOK_INSTANCE"):
            await asyncio.gather(*map(read, buses))
