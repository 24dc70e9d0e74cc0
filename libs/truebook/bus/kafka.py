"""Kafka as the bus: the same port and the same promises as in one process, between processes and machines.

What differs from the in-process bus: nothing pushes back on a publisher but the broker itself (a log on disk takes
what comes), so observer groups are groups like any other; and records that retention has deleted before a group came
to them are counted in ``Record.missed`` instead of coalesced ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Self

from truebook.bus.kafka_connection import KafkaConnection
from truebook.bus.kafka_consumer import KafkaConsumer
from truebook.bus.kafka_publisher import Publisher
from truebook.bus.port import Bus, BusClosed, Rebalance
from truebook.messages.topics import Topic

START_WITHIN_S: Final = 30.0
PROBE_WITHIN_S: Final = 3.0


class KafkaBus(Bus):
    """One process's way to a Kafka cluster. Make it by ``connect``, or ``start`` it; the topics must be there."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._publisher = Publisher(connection)
        self._consumers: set[KafkaConsumer] = set()
        self._closed = False

    @classmethod
    async def connect(cls, connection: KafkaConnection, *, within_s: float = START_WITHIN_S) -> Self:
        """Connect, giving a broker that is still starting time; raises ``BusUnavailable`` or ``BusRefused``."""
        bus = cls(connection)
        try:
            await bus.start(within_s)
        except BaseException:
            await bus.aclose()
            raise
        return bus

    async def start(self, within_s: float = START_WITHIN_S) -> None:
        """Connect, for who has made the bus before; raises ``BusUnavailable`` or ``BusRefused``."""
        await self._publisher.start(within_s)

    async def publish(self, topic: Topic, key: str, value: bytes) -> None:
        await self._publisher.publish(topic.name, key, value)

    async def publish_many(self, topic: Topic, records: Sequence[tuple[str, bytes]]) -> None:
        await self._publisher.publish_many(topic.name, records)

    async def consumer(
        self, group: str, topics: Sequence[Topic], *, observer: bool = False, rebalance: Rebalance | None = None
    ) -> KafkaConsumer:
        if self._closed:
            raise BusClosed("the bus is closed")
        member = KafkaConsumer(self._connection, group, topics, rebalance, self._consumers.discard)
        self._consumers.add(member)
        try:
            await member.join(START_WITHIN_S)
        except BaseException:
            await member.close()
            raise
        return member

    async def probe(self) -> None:
        """Check that the cluster answers; raises ``BusUnavailable``: for readiness."""
        await self._publisher.probe(PROBE_WITHIN_S)

    def assigned(self) -> dict[str, int]:
        """Per group that this process is a member of, how many partitions are its own now: for gauges."""
        return {consumer.group: consumer.assigned for consumer in self._consumers}

    async def lag(self) -> dict[str, dict[str, int]]:
        """Per group that this process is a member of and per topic, how many records wait for it: for gauges."""
        found: dict[str, dict[str, int]] = {}
        for consumer in tuple(self._consumers):
            with suppress(BusClosed):  # it may leave while it is asked
                found[consumer.group] = await consumer.lag()
        return found

    async def flush(self) -> None:
        await self._publisher.flush()

    async def aclose(self) -> None:
        """Leave all groups, send what waits, close for good: within a few seconds, also when the broker is away."""
        self._closed = True
        await asyncio.gather(*(consumer.close() for consumer in tuple(self._consumers)))
        await self._publisher.aclose()
