"""The topics in Kafka: created as ``messages.topics`` declares them, compared with it, and how far their readers are.

Creating is idempotent. A topic that is there with another partition count is refused, never altered: keys would move
to other partitions, and with them the order of their records and the meaning of epochs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from truebook.bus.kafka_connection import KafkaConnection
from truebook.bus.kafka_door import entering
from truebook.bus.kafka_errors import translated, translating
from truebook.bus.port import BusError, TopicMismatch
from truebook.messages.topics import TOPICS, Topic

GROUPS: Final = "truebook."
"""What the names of our consumer groups begin with."""
MOST_REPLICAS: Final = 3
CONNECT_AGAIN_S: Final = 0.5
SEEN_WITHIN_S: Final = 10.0
"""So long new topics may take until every broker tells of them."""
_ALREADY_EXISTS: Final = 36
_SEGMENTS: Final = 8
"""Kafka deletes whole segments of a log: so many for what is kept makes the bound about an eighth too late."""
_MOST_SEGMENT_MS: Final = 24 * 3_600 * 1_000


class TopicState(msgspec.Struct, frozen=True, kw_only=True):
    """One topic as it is declared and as it is; ``partitions`` 0: it is missing."""

    name: str
    declared: int
    partitions: int
    records: int = 0
    """What its partitions hold now, as the distance of their ends (on compacted topics an upper bound)."""

    @property
    def problem(self) -> str | None:
        if self.partitions == 0:
            return f"{self.name} is missing"
        if self.partitions != self.declared:
            return f"{self.name} has {self.partitions} partitions instead of {self.declared}"
        return None


def configs_of(topic: Topic) -> dict[str, str]:
    """Kafka's settings for a topic: what it keeps, and segments small enough that it holds to that."""
    configs = {
        "cleanup.policy": "compact" if topic.compacted else "delete",
        "retention.ms": "-1" if topic.kept_s is None else str(topic.kept_s * 1_000),
        "retention.bytes": "-1" if topic.kept_bytes is None else str(topic.kept_bytes),
    }
    if topic.kept_s is not None:
        configs["segment.ms"] = str(min(topic.kept_s * 1_000 // _SEGMENTS, _MOST_SEGMENT_MS))
    if topic.kept_bytes is not None:
        configs["segment.bytes"] = str(topic.kept_bytes // _SEGMENTS)
    if topic.compacted:
        configs |= {"segment.ms": str(3_600 * 1_000), "min.cleanable.dirty.ratio": "0.2"}
    return configs


class TopicsAdmin:
    """Looks after the topics of one cluster. Use ``TopicsAdmin.connected``."""

    def __init__(
        self, admin: AIOKafkaAdminClient, reader: AIOKafkaConsumer, partitions: int, topics: Sequence[Topic] = TOPICS
    ) -> None:
        self._admin = admin
        self._reader = reader
        self._partitions = partitions
        self._topics = topics

    @classmethod
    @asynccontextmanager
    async def connected(
        cls, connection: KafkaConnection, partitions: int, *, topics: Sequence[Topic] = TOPICS, within_s: float = 30.0
    ) -> AsyncIterator[TopicsAdmin]:
        """Connect while entered; ``partitions`` is the count of market-keyed topics. Raises ``BusError``."""
        deadline = asyncio.get_running_loop().time() + within_s
        while True:
            admin = AIOKafkaAdminClient(**connection.options())
            reader = AIOKafkaConsumer(**connection.options())
            try:
                async with entering(connection):
                    await admin.start()
                    await reader.start()
                break
            except BusError as error:
                await admin.close()
                await reader.stop()
                if not error.retry or asyncio.get_running_loop().time() >= deadline:
                    raise
                await asyncio.sleep(CONNECT_AGAIN_S)
        try:
            yield cls(admin, reader, partitions, topics)
        finally:
            await admin.close()
            await reader.stop()

    async def states(self) -> list[TopicState]:
        """Every declared topic, as it is."""
        found = await self._found()
        sizes = await self._sizes({name: count for name, count in found.items() if count})
        return [
            TopicState(
                name=topic.name, declared=self._declared(topic), partitions=found[topic.name],
                records=sizes.get(topic.name, 0),
            )
            for topic in self._topics
        ]  # fmt: skip

    async def check(self, within_s: float = 0.0, tell: Callable[[str], None] | None = None) -> None:
        """Compare all topics with what is declared, waiting for missing ones; raises ``TopicMismatch`` with all.

        ``tell`` is told what is waited for.
        """
        deadline = asyncio.get_running_loop().time() + within_s
        while True:
            found = await self._found()
            states = [
                TopicState(name=topic.name, declared=self._declared(topic), partitions=found[topic.name])
                for topic in self._topics
            ]
            problems = "; ".join(state.problem for state in states if state.problem is not None)
            if any(state.partitions not in (0, state.declared) for state in states):
                raise TopicMismatch(
                    f"topics in Kafka are not as declared: {problems}. Set TRUEBOOK_KAFKA_PARTITIONS to what is there, "
                    "or make new topics while nothing runs: moving keys would mix up their order"
                )
            if not problems:
                return
            if asyncio.get_running_loop().time() >= deadline:
                raise TopicMismatch(f"{problems}: create the topics with `truebook topics --create`")
            if tell is not None:
                tell(problems)
            await asyncio.sleep(CONNECT_AGAIN_S)

    async def create(self, replicas: int | None = None) -> list[str]:
        """Create what is missing; answer its names. Raises ``TopicMismatch`` where something is there but different.

        ``replicas`` null: three, or as many as there are brokers.
        """
        found = await self._found()
        with translating():
            brokers = len((await self._admin.describe_cluster())["brokers"])
        wanted = [
            NewTopic(
                topic.name, self._declared(topic), replicas or min(MOST_REPLICAS, brokers),
                topic_configs=configs_of(topic),
            )
            for topic in self._topics
            if not found[topic.name]
        ]  # fmt: skip
        if wanted:
            with translating():
                answer = await self._admin.create_topics(wanted)
            for name, code, *detail in answer.topic_errors:
                if code not in (0, _ALREADY_EXISTS):  # another process may have been quicker
                    error = translated(for_code(code)())
                    raise type(error)(f"topic {name} could not be created: {detail[0] if detail else error}")
        await self.check(SEEN_WITHIN_S)
        return [topic.name for topic in wanted]

    async def lag(self) -> dict[str, dict[str, int]]:
        """Per group of ours and per topic that it has committed on: how many records lie behind its commits.

        Groups that read a topic from its end or its start are shown too; for them it tells how old their commit is.
        A broker that has just made its first topics can't answer yet, and is given time.
        """
        deadline = asyncio.get_running_loop().time() + SEEN_WITHIN_S
        while True:
            try:
                with translating():
                    return await self._lag()
            except BusError as error:
                if not error.retry or asyncio.get_running_loop().time() >= deadline:
                    raise
                await asyncio.sleep(CONNECT_AGAIN_S)

    async def _lag(self) -> dict[str, dict[str, int]]:
        groups = sorted(name for name, *_ in await self._admin.list_consumer_groups() if name.startswith(GROUPS))
        lag: dict[str, dict[str, int]] = {}
        for group in groups:
            commits = await self._admin.list_consumer_group_offsets(group)
            ends = await self._reader.end_offsets([at for at, commit in commits.items() if commit.offset >= 0])
            by_topic = lag.setdefault(group, {})
            for at, end in ends.items():
                by_topic[at.topic] = by_topic.get(at.topic, 0) + max(0, end - commits[at].offset)
        return lag

    def _declared(self, topic: Topic) -> int:
        return topic.partitions or self._partitions

    async def _found(self) -> dict[str, int]:
        """The partition counts of our topics; asks for all topics, since asking by name could create them."""
        with translating():
            described: list[dict[str, Any]] = await self._admin.describe_topics()
        counts = {each["topic"]: len(each["partitions"]) for each in described}
        return {topic.name: counts.get(topic.name, 0) for topic in self._topics}

    async def _sizes(self, counts: dict[str, int]) -> dict[str, int]:
        parts = [TopicPartition(name, number) for name, count in counts.items() for number in range(count)]
        with translating():
            firsts = await self._reader.beginning_offsets(parts)
            ends = await self._reader.end_offsets(parts)
        sizes = dict.fromkeys(counts, 0)
        for part in parts:
            sizes[part.topic] += ends[part] - firsts[part]
        return sizes
