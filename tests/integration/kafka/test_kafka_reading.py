"""A Kafka topic is read, or only counted, from a given time on."""

from __future__ import annotations

import uuid

import pytest
from aiokafka import AIOKafkaProducer

from support.kafka_broker import create_topic
from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.kafka.reading import count_since, read_topic
from truebook.clock import SystemClock
from truebook.messages.topics import StartAt, Topic

pytestmark = [pytest.mark.containers]

PARTITIONS = 3
RECORDS = 10


@pytest.mark.parametrize(("since", "newer"), [(0, 10), (6, 4), (9, 1), (10, 0)])
async def test_records_before_a_time_are_not_read(kafka_address: str, since: int, newer: int) -> None:
    """The records are a second apart; the time is that of number ``since``."""
    topic = Topic(name=f"reading-{uuid.uuid4().hex[:8]}", carries=(), start_at=StartAt.COMMITTED)
    await create_topic(kafka_address, topic.name, PARTITIONS)
    first_ms = SystemClock().now_us() // 1_000 - RECORDS * 1_000
    producer = AIOKafkaProducer(bootstrap_servers=kafka_address)
    await producer.start()
    for number in range(RECORDS):
        at_ms = first_ms + number * 1_000
        await producer.send_and_wait(topic.name, b"%d" % number, key=b"%d" % number, timestamp_ms=at_ms)
    await producer.stop()
    connection, since_us = KafkaConnection(servers=kafka_address), (first_ms + since * 1_000) * 1_000
    found = [record async for record in read_topic(connection, topic, PARTITIONS, since_us=since_us)]
    assert sorted(int(record.value) for record in found) == list(range(RECORDS))[RECORDS - newer :]
    assert await count_since(connection, [topic], PARTITIONS, since_us) == {topic.name: newer}
