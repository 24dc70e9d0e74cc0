"""Follow Kafka topics outside of any group: for readers that only watch, of which there may be any number.

Nothing is committed, and no group is left behind at the broker.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from truebook.bus.kafka.connect import entering, stop_consumer
from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.kafka.errors import translating
from truebook.bus.port import BusUnavailable, Record, TopicMismatch
from truebook.messages.topics import StartAt, Topic

POLL_MS: Final = 250
MAX_RECORDS: Final = 2_000
FETCH_WAIT_MS: Final = 100
"""How long a broker holds an empty fetch."""

PROBE_AFTER_S: Final = 2.0
PROBE_WITHIN_S: Final = 3.0


class Follower:
    """Reads topics from a time on; ``positions`` outlives a lost connection, so that the next one continues."""

    def __init__(self, connection: KafkaConnection, topics: Sequence[tuple[Topic, int]], partitions: int) -> None:
        """``topics``: each with the time from which on it is read the first time, in microseconds.

        A topic that starts at its beginning is read from there, whatever the time.
        """
        self._connection = connection
        self._topics = {topic.name: (topic, since_us) for topic, since_us in topics}
        self._partitions = partitions
        self._positions: dict[TopicPartition, int] = {}

    async def batches(self) -> AsyncGenerator[list[Record], None]:
        """Yield batches of records, an empty one if there was none for a moment; raises ``BusError``."""
        client = AIOKafkaConsumer(
            **self._connection.options(), auto_offset_reset="latest", enable_auto_commit=False,
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )  # fmt: skip
        parts = [
            TopicPartition(topic.name, number)
            for topic, _ in self._topics.values()
            for number in range(topic.partitions or self._partitions)
        ]
        try:
            async with entering(self._connection):
                await client.start()
            with translating():
                missing = sorted(self._topics.keys() - await client.topics())
                if missing:
                    what = f"missing topics: {', '.join(missing)}"
                    raise TopicMismatch(f"{what}; create them with `truebook topics --create`")
                client.assign(parts)
                for part, offset in (await self._starts(client, parts)).items():
                    client.seek(part, offset)
                async for batch in self._poll(client):
                    yield batch
        finally:
            await stop_consumer(client)

    async def _poll(self, client: Any) -> AsyncGenerator[list[Record], None]:
        """Yield what is fetched; without any record for a while, check that the cluster responds.

        The client itself returns nothing for as long as it can't reach a broker, without an error.
        """
        loop = asyncio.get_running_loop()
        received_s = loop.time()
        while True:
            batch = self._records(await client.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS))
            if batch:
                received_s = loop.time()
            elif loop.time() - received_s >= PROBE_AFTER_S:
                await _probe(client, next(iter(self._positions)))
                received_s = loop.time()
            yield batch

    async def _starts(self, client: Any, parts: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        new = [part for part in parts if part not in self._positions]
        from_first = [part for part in new if self._topics[part.topic][0].start_at is StartAt.BEGINNING]
        timed = {part: self._topics[part.topic][1] // 1000 for part in new if part not in from_first}
        firsts: dict[TopicPartition, int] = await client.beginning_offsets(from_first)
        ends = await client.end_offsets(list(timed))
        found = await client.offsets_for_times(timed) if timed else {}
        since = {part: ends[part] if found[part] is None else found[part].offset for part in timed}
        self._positions |= firsts | since
        return dict(self._positions)

    def _records(self, batches: dict[TopicPartition, list[Any]]) -> list[Record]:
        records: list[Record] = []
        for part, found in batches.items():
            for each in found:
                key = (each.key or b"").decode("utf-8", "replace")
                records.append(Record(each.topic, each.partition, each.offset, key, each.value or b""))
            if found:
                self._positions[part] = found[-1].offset + 1
        return records


async def _probe(client: Any, part: TopicPartition) -> None:
    """Request an offset; raises ``BusUnavailable`` without a response."""
    try:
        async with asyncio.timeout(PROBE_WITHIN_S):
            await client.end_offsets([part])
    except TimeoutError as error:
        raise BusUnavailable(f"Kafka does not respond within {PROBE_WITHIN_S:g} s") from error
