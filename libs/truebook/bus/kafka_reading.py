"""Reading a topic of Kafka once, to where it ends now, as no group: for tools, and for what is looked up at a start."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from truebook.bus.kafka_connection import KafkaConnection
from truebook.bus.kafka_errors import translating
from truebook.bus.port import Record, TopicMismatch
from truebook.messages.topics import Topic

POLL_MS: Final = 500


async def read_topic(
    connection: KafkaConnection, topic: Topic, partitions: int, *, newest: int | None = None
) -> AsyncGenerator[Record, None]:
    """Give the records that the topic holds now, in order per partition; raises ``BusError``.

    ``newest``: only so many of each partition's last ones.
    """
    client = AIOKafkaConsumer(**connection.options(), auto_offset_reset="earliest", enable_auto_commit=False)
    parts = [TopicPartition(topic.name, number) for number in range(topic.partitions or partitions)]
    try:
        with translating():
            await client.start()
            if topic.name not in await client.topics():
                raise TopicMismatch(f"topic {topic.name} is missing; create the topics with `truebook topics --create`")
            client.assign(parts)
            firsts, ends = await client.beginning_offsets(parts), await client.end_offsets(parts)
            if newest is not None:
                firsts = {part: max(first, ends[part] - newest) for part, first in firsts.items()}
                for part, first in firsts.items():
                    client.seek(part, first)
            left = {part: ends[part] for part in parts if ends[part] > firsts[part]}
            while left:
                for part, records in (await client.getmany(*left, timeout_ms=POLL_MS)).items():
                    for found in records:
                        if found.offset < ends[part]:
                            key = (found.key or b"").decode("utf-8", "replace")
                            yield Record(found.topic, found.partition, found.offset, key, found.value or b"")
                left = {part: end for part, end in left.items() if await client.position(part) < end}
    finally:
        await client.stop()
