"""Follow a Kafka topic for a person: every record as it is, with its time, outside of any group."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final, NamedTuple

from aiokafka import TopicPartition

from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.kafka.reading import reading_all, record_of
from truebook.bus.port import Record
from truebook.messages.topics import Topic

POLL_MS: Final = 200


class Tailed(NamedTuple):
    """A record and the time that its topic has for it."""

    record: Record
    at_us: int


async def tail_topic(
    connection: KafkaConnection, topic: Topic, partitions: int, *, from_beginning: bool = False, last: int = 0
) -> AsyncGenerator[Tailed, None]:
    """Yield the records from now on until closed; raises ``BusError``.

    ``from_beginning``: first all that the topic has. ``last``: first so many of the newest, in the order of time.
    """
    async with reading_all(connection, topic, partitions) as (client, parts):
        firsts, ends = await client.beginning_offsets(parts), await client.end_offsets(parts)
        for part in parts:
            client.seek(part, firsts[part] if from_beginning else max(firsts[part], ends[part] - last))
        if last:
            newest = [tailed async for tailed in _until(client, ends)]
            for tailed in sorted(newest, key=lambda each: each.at_us)[-last:]:
                yield tailed
        while True:
            for tailed in await _poll(client, parts):
                yield tailed


async def _until(client: Any, ends: dict[TopicPartition, int]) -> AsyncGenerator[Tailed, None]:
    """Yield the records before these offsets. A partition is left there, even if more was read with it."""
    left = [part for part, end in ends.items() if await client.position(part) < end]
    while left:
        for tailed in await _poll(client, left):
            if tailed.record.offset < ends[TopicPartition(tailed.record.topic, tailed.record.partition)]:
                yield tailed
        left = [part for part in left if await client.position(part) < ends[part]]
    for part, end in ends.items():
        client.seek(part, end)


async def _poll(client: Any, parts: list[TopicPartition]) -> list[Tailed]:
    return [
        Tailed(record_of(found), found.timestamp * 1_000)
        for records in (await client.getmany(*parts, timeout_ms=POLL_MS)).values()
        for found in records
    ]
