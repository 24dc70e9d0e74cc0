"""The bus over Kafka: the same port and guarantees as in process, between processes and machines.

Differences to the in-process bus: only the broker exerts back-pressure on publishers, so observer groups are groups
like any other; ``Record.missed`` counts records that retention deleted before a group read them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Self

from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.kafka.consumer import KafkaConsumer
from truebook.bus.kafka.publisher import Publisher
from truebook.bus.port import Bus, BusClosed, Rebalance
from truebook.messages.topics import Topic

START_WITHIN_S: Final = 30.0
PROBE_WITHIN_S: Final = 3.0


class KafkaBus(Bus):
    """A process's connection to a Kafka cluster, by ``connect`` or ``start``. The topics must exist."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._publisher = Publisher(connection)
        self._consumers: set[KafkaConsumer] = set()
        self._closed = False

    @classmethod
    async def connect(cls, connection: KafkaConnection, *, within_s: float = START_WITHIN_S) -> Self:
        """Connect, waiting for a broker that is still starting; raises ``BusUnavailable`` or ``BusRefused``."""
        bus = cls(connection)
        try:
            await bus.start(within_s)
        except BaseException:
            await bus.aclose()
            raise
        return bus

    async def start(self, within_s: float = START_WITHIN_S) -> None:
        """Connect an existing bus; raises ``BusUnavailable`` or ``BusRefused``."""
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
        """Check that the cluster responds, for readiness; raises ``BusUnavailable``."""
        await self._publisher.probe(PROBE_WITHIN_S)

    def assigned(self) -> dict[str, int]:
        """Return, per group of this process, the number of its assigned partitions: for gauges."""
        return {consumer.group: consumer.assigned for consumer in self._consumers}

    async def lag(self) -> dict[str, dict[str, int]]:
        """Return, per group of this process and topic, the number of unread records: for gauges."""
        found: dict[str, dict[str, int]] = {}
        for consumer in tuple(self._consumers):
            with suppress(BusClosed):  # it may leave meanwhile
                found[consumer.group] = await consumer.lag()
        return found

    async def flush(self) -> None:
        await self._publisher.flush()

    async def aclose(self) -> None:
        """Leave all groups, send what is queued and close: within seconds, also if the broker is down."""
        self._closed = True
        await asyncio.gather(*(consumer.close() for consumer in tuple(self._consumers)))
        await self._publisher.aclose()
