"""Read a Kafka topic once, to its current end, outside of any group: for tools and at the start of services."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from truebook.bus.kafka.connect import entering, stop_consumer
from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.kafka.errors import translating
from truebook.bus.port import Record, TopicMismatch
from truebook.messages.topics import Topic

POLL_MS: Final = 500


async def read_topic(
    connection: KafkaConnection, topic: Topic, partitions: int, *, newest: int | None = None, since_us: int = 0
) -> AsyncGenerator[Record, None]:
    """Yield the records that the topic has now, in order per partition; raises ``BusError``.

    ``newest``: only so many of the newest of each partition. ``since_us``: only those written since then.
    """
    async with reading_all(connection, topic, partitions) as (client, parts):
        firsts, ends = await _bounds(client, parts, since_us)
        if newest is not None:
            firsts = {part: max(first, ends[part] - newest) for part, first in firsts.items()}
        for part, first in firsts.items():
            client.seek(part, first)
        left = {part: ends[part] for part in parts if ends[part] > firsts[part]}
        while left:
            for part, records in (await client.getmany(*left, timeout_ms=POLL_MS)).items():
                for found in records:
                    if found.offset < ends[part]:
                        yield record_of(found)
            left = {part: end for part, end in left.items() if await client.position(part) < end}


@asynccontextmanager
async def reading_all(
    connection: KafkaConnection, topic: Topic, partitions: int
) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
    """Enter a client of all partitions of a topic, outside of any group; errors within are ``BusError`` too."""
    client = AIOKafkaConsumer(**connection.options(), auto_offset_reset="earliest", enable_auto_commit=False)
    parts = [TopicPartition(topic.name, number) for number in range(topic.partitions or partitions)]
    try:
        async with entering(connection):
            await client.start()
        with translating():
            if topic.name not in await client.topics():
                raise TopicMismatch(f"topic {topic.name} is missing; create the topics with `truebook topics --create`")
            client.assign(parts)
            yield client, parts
    finally:
        await stop_consumer(client)


def record_of(found: ConsumerRecord) -> Record:
    """Return a record as it is on the topic."""
    key = (found.key or b"").decode("utf-8", "replace")
    return Record(found.topic, found.partition, found.offset, key, found.value or b"")


async def count_since(
    connection: KafkaConnection, topics: Sequence[Topic], partitions: int, since_us: int
) -> dict[str, int]:
    """Count the records of each topic written since then and still kept, without reading them; raises ``BusError``."""
    client = AIOKafkaConsumer(**connection.options())
    counts: dict[str, int] = {}
    try:
        async with entering(connection):
            await client.start()
        with translating():
            for topic in topics:
                parts = [TopicPartition(topic.name, number) for number in range(topic.partitions or partitions)]
                firsts, ends = await _bounds(client, parts, since_us)
                counts[topic.name] = sum(ends[part] - firsts[part] for part in parts)
    finally:
        await stop_consumer(client)
    return counts


async def _bounds(
    client: AIOKafkaConsumer, parts: Sequence[TopicPartition], since_us: int
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """Return the first offset since then and the end offset of each partition."""
    ends: dict[TopicPartition, int] = await client.end_offsets(parts)
    if not since_us:
        return await client.beginning_offsets(parts), ends
    found = await client.offsets_for_times(dict.fromkeys(parts, since_us // 1000))
    # None: no record since then. A record appended after the end was read is left to the next reader.
    return {part: ends[part] if found[part] is None else min(found[part].offset, ends[part]) for part in parts}, ends
