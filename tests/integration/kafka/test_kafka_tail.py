"""A Kafka topic is followed from its beginning, its end or its newest records."""

from __future__ import annotations

import uuid
from contextlib import aclosing

import pytest
from aiokafka import AIOKafkaProducer

from support.kafka_broker import create_topic
from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.kafka.tailing import tail_topic
from truebook.bus.port import TopicMismatch
from truebook.messages.topics import StartAt, Topic

pytestmark = [pytest.mark.containers]

PARTITIONS = 3
FIRST_MS = 1_767_225_600_000
BEFORE = 10


@pytest.mark.parametrize(("last", "from_beginning"), [(0, True), (4, False), (100, False)])
async def test_earlier_records_come_first_and_later_ones_follow(
    kafka_address: str, last: int, from_beginning: bool
) -> None:
    topic = Topic(name=f"tail-{uuid.uuid4().hex[:8]}", carries=(), start_at=StartAt.COMMITTED)
    await create_topic(kafka_address, topic.name, PARTITIONS)
    connection = KafkaConnection(servers=kafka_address)
    producer = AIOKafkaProducer(bootstrap_servers=kafka_address)
    await producer.start()

    async def write(number: int) -> None:
        await producer.send_and_wait(
            topic.name, b"%d" % number, partition=number % PARTITIONS, timestamp_ms=FIRST_MS + number
        )

    for number in range(BEFORE):
        await write(number)
    expected = list(range(BEFORE)) if from_beginning else list(range(BEFORE))[-last:]
    found = []
    async with aclosing(tail_topic(connection, topic, PARTITIONS, from_beginning=from_beginning, last=last)) as records:
        async for record, at_us in records:
            found.append(int(record.value))
            assert at_us == (FIRST_MS + found[-1]) * 1_000
            if len(found) == len(expected):
                await write(BEFORE)
            elif len(found) == len(expected) + 1:
                break
    await producer.stop()
    assert (found if last else [*sorted(found[:-1]), found[-1]]) == [*expected, BEFORE]


async def test_a_missing_topic_is_named(kafka_address: str) -> None:
    topic = Topic(name=f"missing-{uuid.uuid4().hex[:8]}", carries=(), start_at=StartAt.COMMITTED)
    with pytest.raises(TopicMismatch, match=topic.name):
        async for _ in tail_topic(KafkaConnection(servers=kafka_address), topic, PARTITIONS):
            pass
