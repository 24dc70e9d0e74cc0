"""A member of a Kafka consumer group.

aiokafka tells of a rebalance in its own task. This class turns that into the port's promises:

- *revoked* is awaited inside aiokafka's callback, so before partitions are given up; commits still count in there;
- *assigned* and the choice of where to read are done by the next ``poll`` (``_settle``), before records flow. They may
  fail and be tried again there, and they may take long: heartbeats go on meanwhile, which aiokafka stops during its own
  callback. Until then the partitions are paused.

Every assignment begins anew, also for partitions that this member keeps: where to read is decided by ``Topic.start_at``
alone. What was fetched under an earlier assignment is dropped, which loses nothing: positions start at the commits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from truebook.bus.kafka_connection import REBALANCE_WITHIN_S, KafkaConnection
from truebook.bus.kafka_door import entering
from truebook.bus.kafka_errors import translating
from truebook.bus.port import BusClosed, BusConsumer, BusUnavailable, Partition, Rebalance, Record
from truebook.messages.topics import StartAt, Topic

SETTLE_WITHIN_S: Final = 5.0
CLOSE_WITHIN_S: Final = 3.0
RETRY_AFTER_S: Final = 0.25
HEARTBEATS_PER_SESSION: Final = 8
"""The others of a group learn by their next heartbeat that one is gone: it adds to the session's time."""
FETCH_WAIT_MS: Final = 250
"""How long a broker holds a fetch that finds nothing: also how long a partition won in between waits for its turn."""


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Passes aiokafka's callbacks on."""

    def __init__(self, revoked: Callable[[], Any], assigned: Callable[[Iterable[TopicPartition]], None]) -> None:
        self._revoked = revoked
        self._assigned = assigned

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._revoked()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._assigned(assigned)


class KafkaConsumer(BusConsumer):
    """Make it by ``KafkaBus.consumer``."""

    client_of: Callable[..., Any] = AIOKafkaConsumer

    def __init__(
        self,
        connection: KafkaConnection,
        group: str,
        topics: Sequence[Topic],
        rebalance: Rebalance | None,
        on_close: Callable[[KafkaConsumer], None],
    ) -> None:
        self.group = group
        self._topics = {topic.name: topic for topic in topics}
        self._rebalance = rebalance
        self._on_close = on_close
        self._connection = connection
        self._client = self._new_client()
        self._generation = 0
        """Counts rebalances, so that what belongs to an earlier one is recognised."""
        self._unsettled: frozenset[TopicPartition] | None = None
        self._told: frozenset[Partition] = frozenset()
        self._positions: dict[TopicPartition, int] = {}
        self._callbacks = asyncio.Lock()
        self._has_joined = asyncio.Event()
        self._waiting: asyncio.Timeout | None = None
        self._failure: BaseException | None = None
        self._closed = False

    @property
    def assigned(self) -> int:
        """How many partitions are read by this member now."""
        return len(self._positions)

    async def join(self, within_s: float) -> None:
        """Join the group, waiting for a broker that is still starting, and be told of the first assignment."""
        deadline = asyncio.get_running_loop().time() + within_s
        while True:
            try:
                self._client.subscribe(list(self._topics), listener=_Listener(self._give_up, self._take_over))
                async with entering(self._connection):
                    await self._client.start()
                break
            except BusUnavailable:
                if asyncio.get_running_loop().time() >= deadline:
                    raise
                await self._replace_client()
                await asyncio.sleep(RETRY_AFTER_S)
        while not self._has_joined.is_set():
            await self._fetch(1, asyncio.get_running_loop().time() + RETRY_AFTER_S)
        while self._unsettled is not None:
            await self._settle()

    async def poll(self, max_records: int, timeout_s: float) -> Sequence[Record]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        await asyncio.sleep(0)  # so that a busy reader does not keep the others from running
        while True:
            self._check()
            if self._unsettled is not None:
                await self._settle()
            else:
                generation = self._generation
                batches = await self._fetch(max_records, deadline)
                self._check()
                if batches and generation == self._generation:
                    return self._records(batches)
            if loop.time() >= deadline:
                return []

    async def commit(self, offsets: dict[Partition, int]) -> None:
        self._check()
        owned = self._client.assignment()
        ours = {TopicPartition(p.topic, p.number): offset for p, offset in offsets.items()}
        ours = {partition: offset for partition, offset in ours.items() if partition in owned}
        if ours:
            # A group that has moved on meanwhile refuses the commit: the new owners handle those records again.
            with translating(), suppress(CommitFailedError, IllegalStateError):
                await self._client.commit(ours)

    async def lag(self) -> dict[str, int]:
        self._check()
        lag = dict.fromkeys(sorted(self._topics), 0)
        positions = dict(self._positions)
        if not positions:  # it is still joining, or others have all partitions: the client may not even run yet
            return lag
        with translating():
            ends = await self._client.end_offsets(list(positions))
        for partition, end in ends.items():
            lag[partition.topic] += max(0, end - positions[partition])
        return lag

    async def close(self) -> None:
        """Leave the group; one with a static name keeps its partitions until its session is over."""
        if self._closed:
            return
        self._closed = True
        self._interrupt()
        self._on_close(self)
        with suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._client.stop()

    def _new_client(self) -> Any:
        connection = self._connection
        session_ms = int(connection.session_s * 1000)
        # Range, not round-robin: topics of equal partition counts are then shared out alike, market by market.
        return self.client_of(
            **connection.options(), group_id=self.group, group_instance_id=connection.instance,
            enable_auto_commit=False, auto_offset_reset="earliest",
            partition_assignment_strategy=(RangePartitionAssignor,), fetch_max_wait_ms=FETCH_WAIT_MS,
            session_timeout_ms=session_ms, heartbeat_interval_ms=session_ms // HEARTBEATS_PER_SESSION,
            rebalance_timeout_ms=int(REBALANCE_WITHIN_S * 1000),
        )  # fmt: skip

    async def _replace_client(self) -> None:
        """Take a new client: one whose start has failed half-way, while it joined, can't be started again."""
        with suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._client.stop()
        self._unsettled = None
        self._has_joined.clear()
        self._client = self._new_client()

    async def _give_up(self) -> None:
        """A rebalance begins: have the owner finish with its partitions. Called by aiokafka, awaited by the group."""
        self._generation += 1
        self._interrupt()
        async with self._callbacks:
            told, self._told = self._told, frozenset()
            self._unsettled = None
            if told and self._rebalance is not None and not self._closed:
                # Not by try and except: whatever the owner's callback raises belongs to the owner's next poll.
                done = asyncio.ensure_future(self._rebalance.revoked(told))
                await asyncio.wait((done,))
                if self._failure is None and not done.cancelled():
                    self._failure = done.exception()
            self._positions.clear()

    def _take_over(self, assigned: Iterable[TopicPartition]) -> None:
        """A rebalance has ended: nothing flows until ``_settle``. Called by aiokafka."""
        self._unsettled = frozenset(assigned)
        self._client.pause(*self._unsettled)
        self._has_joined.set()
        self._interrupt()

    async def _settle(self) -> None:
        """Choose where to read the new partitions, tell the owner, let records flow; or leave it to the next poll."""
        generation, partitions = self._generation, self._unsettled or frozenset()
        try:
            async with asyncio.timeout(SETTLE_WITHIN_S):
                with translating():
                    positions = await self._starting_positions(partitions)
        except (BusUnavailable, TimeoutError):
            await asyncio.sleep(RETRY_AFTER_S)
            return
        async with self._callbacks:
            if generation != self._generation or self._closed:
                return
            for partition, offset in positions.items():
                self._client.seek(partition, offset)
            self._told = frozenset(Partition(each.topic, each.partition) for each in partitions)
            if self._told and self._rebalance is not None:
                await self._rebalance.assigned(self._told)
            if generation == self._generation:
                self._positions = positions
                self._unsettled = None
                self._client.resume(*partitions)

    async def _starting_positions(self, partitions: frozenset[TopicPartition]) -> dict[TopicPartition, int]:
        by_start: dict[StartAt, list[TopicPartition]] = {start: [] for start in StartAt}
        for partition in sorted(partitions):
            by_start[self._topics[partition.topic].start_at].append(partition)
        resuming = by_start[StartAt.COMMITTED]
        commits = await asyncio.gather(*(self._client.committed(partition) for partition in resuming))
        committed = {at: commit for at, commit in zip(resuming, commits, strict=True) if commit is not None}
        first = [*by_start[StartAt.BEGINNING], *(partition for partition in resuming if partition not in committed)]
        return {
            **committed,
            **await self._client.beginning_offsets(first),
            **await self._client.end_offsets(by_start[StartAt.END]),
        }

    async def _fetch(self, max_records: int, deadline: float) -> dict[TopicPartition, list[Any]]:
        """Wait for records until ``deadline`` of the loop's time, or until something else has happened."""
        left_ms = max(0, int((deadline - asyncio.get_running_loop().time()) * 1000))
        try:
            async with asyncio.timeout_at(deadline) as self._waiting:
                with translating():
                    batches: dict[TopicPartition, list[Any]] = await self._client.getmany(
                        timeout_ms=left_ms, max_records=max_records
                    )
                    return batches
        except TimeoutError:
            return {}
        finally:
            self._waiting = None

    def _records(self, batches: dict[TopicPartition, list[Any]]) -> list[Record]:
        """Convert, counting offsets that a topic has lost (retention) right before a record as missed."""
        taken: list[Record] = []
        for partition, batch in batches.items():
            is_compacted = self._topics[partition.topic].compacted
            expected = self._positions[partition]
            for found in batch:
                missed = 0 if is_compacted else max(0, found.offset - expected)
                key = (found.key or b"").decode("utf-8", "replace")
                taken.append(Record(found.topic, found.partition, found.offset, key, found.value or b"", missed))
                expected = found.offset + 1
            self._positions[partition] = expected
        return taken

    def _interrupt(self) -> None:
        """Wake who waits in ``_fetch``. What has been fetched meanwhile stays with the client."""
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(asyncio.get_running_loop().time())

    def _check(self) -> None:
        if self._closed:
            raise BusClosed(f"the consumer of {self.group} is closed")
        if self._failure is not None:
            raise self._failure
