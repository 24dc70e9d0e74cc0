"""Kafka passes the contract tests of all buses."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from support.bus_contract import PARTITIONS, BusContract, Harness
from support.kafka_broker import create_topic
from truebook.bus.kafka.bus import KafkaBus
from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.port import Bus, BusConsumer, Rebalance
from truebook.messages.topics import StartAt, Topic

pytestmark = [pytest.mark.containers]


class OwnGroups(KafkaBus):
    """A bus whose group names belong to one test, since the broker outlives it."""

    prefix = ""

    async def consumer(  # type: ignore[override]
        self, group: str, topics: list[Topic], *, observer: bool = False, rebalance: Rebalance | None = None
    ) -> BusConsumer:
        return await super().consumer(f"{self.prefix}{group}", topics, observer=observer, rebalance=rebalance)


class KafkaHarness:
    settle_s = 0.7

    def __init__(self, address: str) -> None:
        self._address = address
        self._name = uuid.uuid4().hex[:8]
        self._topics = 0
        self._bus: OwnGroups | None = None

    async def bus(self) -> Bus:
        if self._bus is None:
            self._bus = await OwnGroups.connect(KafkaConnection(servers=self._address, session_s=4))
            self._bus.prefix = f"{self._name}-"
        return self._bus

    async def topic(self, start_at: StartAt, *, compacted: bool = False) -> Topic:
        self._topics += 1
        name = f"contract-{self._name}-{self._topics}"
        configs = {"cleanup.policy": "compact"} if compacted else {}
        await create_topic(self._address, name, PARTITIONS, **configs)
        return Topic(name=name, carries=(), start_at=start_at, compacted=compacted)

    async def close(self) -> None:
        if self._bus is not None:
            await self._bus.aclose()


class TestKafkaBus(BusContract):
    @pytest.fixture
    async def harness(self, kafka_address: str) -> AsyncIterator[Harness]:
        harness = KafkaHarness(kafka_address)
        yield harness
        await harness.close()
