"""Create the topics that ``messages.topics`` declares, compare them with it, and report the lag of their readers.

Creation is idempotent. An existing topic with another partition count is refused, never altered: keys would move to
other partitions, which breaks the order of their records and the meaning of epochs. Another compaction or a shorter
retention than declared is reported: the topic loses records that a reader relies on.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import ClusterAuthorizationFailedError, TopicAuthorizationFailedError, for_code

from truebook.bus.kafka.connect import entering
from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.kafka.errors import translated, translating
from truebook.bus.port import BusError, TopicMismatch
from truebook.messages.topics import TOPICS, Topic

GROUPS: Final = "truebook."
"""Prefix of the names of our consumer groups."""
MAX_REPLICAS: Final = 3
RETRY_S: Final = 0.5
SEEN_WITHIN_S: Final = 10.0
"""How long new topics may take until every broker reports them."""
POLICY: Final = "cleanup.policy"
RETENTION: Final = ("retention.ms", "retention.bytes")
_ALREADY_EXISTS: Final = 36
_NOT_ALLOWED: Final = (TopicAuthorizationFailedError.errno, ClusterAuthorizationFailedError.errno)
_SEGMENTS: Final = 8
"""Kafka deletes whole segments of a log: with so many per retention, deletion is about an eighth late."""
_MAX_SEGMENT_MS: Final = 24 * 3_600 * 1_000


class TopicState(msgspec.Struct, frozen=True, kw_only=True):
    """One topic, declared and actual; ``partitions`` 0: it is missing."""

    name: str
    declared: int
    partitions: int
    records: int = 0
    """End offsets minus first offsets of its partitions (an upper bound on compacted topics)."""
    settings: dict[str, str] | None = None
    """Its compaction and retention in Kafka; None if Kafka does not show them to this user."""
    differences: tuple[str, ...] = ()
    """How they differ from their declaration."""

    @property
    def problem(self) -> str | None:
        if self.partitions == 0:
            return f"{self.name} is missing"
        if self.partitions != self.declared:
            return f"{self.name} has {self.partitions} partitions instead of {self.declared}"
        if self.differences:
            return f"{self.name} has {', '.join(self.differences)}"
        return None


def configs_of(topic: Topic) -> dict[str, str]:
    """Return Kafka's settings of a topic: its retention, and segments small enough for it."""
    configs = {
        "cleanup.policy": "compact" if topic.compacted else "delete",
        "retention.ms": "-1" if topic.retention_s is None else str(topic.retention_s * 1_000),
        "retention.bytes": "-1" if topic.retention_bytes is None else str(topic.retention_bytes),
    }
    if topic.retention_s is not None:
        configs["segment.ms"] = str(min(topic.retention_s * 1_000 // _SEGMENTS, _MAX_SEGMENT_MS))
    if topic.retention_bytes is not None:
        configs["segment.bytes"] = str(topic.retention_bytes // _SEGMENTS)
    if topic.compacted:
        configs |= {"segment.ms": str(3_600 * 1_000), "min.cleanable.dirty.ratio": "0.2"}
    return configs


def differences(topic: Topic, settings: Mapping[str, str]) -> tuple[str, ...]:
    """Return by which settings a topic loses records that its declaration keeps, or is not compacted."""
    declared = configs_of(topic)
    if set(settings[POLICY].split(",")) != {declared[POLICY]}:
        return (f"{POLICY} {settings[POLICY]} instead of {declared[POLICY]}",)
    if topic.compacted:
        return ()
    return tuple(
        f"{name} {settings[name]} instead of {declared[name]}"
        for name in RETENTION
        if _bound(settings[name]) < _bound(declared[name])
    )


def _bound(value: str) -> float:
    """Read a retention; -1 is no bound."""
    return math.inf if int(value) < 0 else int(value)


class TopicsAdmin:
    """Administers the topics of one cluster. Use ``TopicsAdmin.connected``."""

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
                await asyncio.sleep(RETRY_S)
        try:
            yield cls(admin, reader, partitions, topics)
        finally:
            await admin.close()
            await reader.stop()

    async def states(self) -> list[TopicState]:
        """Return the state of every declared topic."""
        found = await self._found()
        sizes = await self._sizes({name: count for name, count in found.items() if count})
        settings = await self._settings([name for name, count in found.items() if count])
        return [
            TopicState(
                name=topic.name, declared=self._declared(topic), partitions=found[topic.name],
                records=sizes.get(topic.name, 0), settings=settings.get(topic.name),
                differences=differences(topic, settings[topic.name]) if topic.name in settings else (),
            )
            for topic in self._topics
        ]  # fmt: skip

    async def check(self, within_s: float = 0.0, report: Callable[[str], None] | None = None) -> None:
        """Compare all topics with their declarations, waiting for missing ones; raises ``TopicMismatch``.

        ``report`` is called with what is missing.
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
                    f"topics in Kafka differ from their declaration: {problems}. Set TRUEBOOK_KAFKA_PARTITIONS, or "
                    "create new topics while nothing runs: moved keys would lose their order"
                )
            if not problems:
                return
            if asyncio.get_running_loop().time() >= deadline:
                raise TopicMismatch(f"{problems}: create the topics with `truebook topics --create`")
            if report is not None:
                report(problems)
            await asyncio.sleep(RETRY_S)

    async def create(self, replicas: int | None = None) -> list[str]:
        """Create the missing topics and return their names; raises ``TopicMismatch`` for one that differs.

        ``replicas`` None: three, or the number of brokers if that is lower.
        """
        found = await self._found()
        with translating():
            brokers = len((await self._admin.describe_cluster())["brokers"])
        missing = [
            NewTopic(
                topic.name, self._declared(topic), replicas or min(MAX_REPLICAS, brokers),
                topic_configs=configs_of(topic),
            )
            for topic in self._topics
            if not found[topic.name]
        ]  # fmt: skip
        if missing:
            with translating():
                response = await self._admin.create_topics(missing)
            for name, code, *detail in response.topic_errors:
                if code not in (0, _ALREADY_EXISTS):  # another process may have created it
                    error = translated(for_code(code)())
                    raise type(error)(f"topic {name} could not be created: {detail[0] if detail else error}")
        await self.check(SEEN_WITHIN_S)
        return [topic.name for topic in missing]

    async def lag(self) -> dict[str, dict[str, int]]:
        """Return, per group and topic with commits, how many records follow the commits.

        Groups that read a topic from its end or start are included; theirs shows the age of the commit. Retries while a
        broker that has just created its first topics can't respond yet.
        """
        deadline = asyncio.get_running_loop().time() + SEEN_WITHIN_S
        while True:
            try:
                with translating():
                    return await self._lag()
            except BusError as error:
                if not error.retry or asyncio.get_running_loop().time() >= deadline:
                    raise
                await asyncio.sleep(RETRY_S)

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
        """Return the partition counts of our topics. Requests all topics, since a request by name could create them."""
        with translating():
            described: list[dict[str, Any]] = await self._admin.describe_topics()
        counts = {each["topic"]: len(each["partitions"]) for each in described}
        return {topic.name: counts.get(topic.name, 0) for topic in self._topics}

    async def _settings(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return compaction and retention of these topics, without those that this user may not see."""
        if not names:
            return {}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        with translating():
            responses: list[Any] = await self._admin.describe_configs(resources)
        settings = {}
        for code, _, _, name, entries in (each for response in responses for each in response.resources):
            if code in _NOT_ALLOWED:
                continue
            if code:
                raise translated(for_code(code)())
            settings[name] = {key: value for key, value, *_ in entries if key in (POLICY, *RETENTION)}
        return settings

    async def _sizes(self, counts: dict[str, int]) -> dict[str, int]:
        parts = [TopicPartition(name, number) for name, count in counts.items() for number in range(count)]
        with translating():
            firsts = await self._reader.beginning_offsets(parts)
            ends = await self._reader.end_offsets(parts)
        sizes = dict.fromkeys(counts, 0)
        for part in parts:
            sizes[part.topic] += ends[part] - firsts[part]
        return sizes
