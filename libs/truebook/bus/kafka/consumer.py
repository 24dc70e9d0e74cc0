"""A member of a Kafka consumer group.

aiokafka reports a rebalance in its own task. This class maps that to the port's guarantees:

- *revoked* is awaited inside aiokafka's callback, before partitions are released; commits are still valid there;
- *assigned* and the starting positions are handled by the next ``poll`` (``_settle``), before records are delivered.
  There they may fail and be retried, and may take long: heartbeats continue, which aiokafka stops during its callback.
  Until then the partitions are paused.

Every assignment starts from scratch, also for partitions that this member keeps: ``Topic.start_at`` alone decides where
to read. What was fetched under an earlier assignment is dropped, which loses nothing: positions start at the commits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError

from truebook.bus.kafka.connect import entering, stop_consumer
from truebook.bus.kafka.connection import REBALANCE_WITHIN_S, KafkaConnection
from truebook.bus.kafka.errors import NAME_USED_TWICE, translating
from truebook.bus.port import BusClosed, BusConsumer, BusUnavailable, Partition, Rebalance, Record
from truebook.messages.topics import StartAt, Topic

SETTLE_WITHIN_S: Final = 5.0
COMMIT_WITHIN_S: Final = 3.0
REPLACED_TIMES: Final = 3
REPLACED_WITHIN_S: Final = 60.0
"""So often within this time the broker has given a member another id: two processes replace each other in turn."""
RETRY_AFTER_S: Final = 0.25
HEARTBEATS_PER_SESSION: Final = 8
"""The other members learn at their next heartbeat that one is gone: it adds to the session timeout."""
FETCH_WAIT_MS: Final = 250
"""How long a broker holds an empty fetch: also how long a newly assigned partition may wait for its first one."""


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Forwards aiokafka's callbacks."""

    def __init__(self, revoked: Callable[[], Any], assigned: Callable[[Iterable[TopicPartition]], None]) -> None:
        self._revoked = revoked
        self._assigned = assigned

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._revoked()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._assigned(assigned)


class KafkaConsumer(BusConsumer):
    """Created by ``KafkaBus.consumer``."""

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
        """Counts rebalances, to recognise results of an earlier one."""
        self._unsettled: frozenset[TopicPartition] | None = None
        self._announced: frozenset[Partition] = frozenset()
        self._positions: dict[TopicPartition, int] = {}
        self._callbacks = asyncio.Lock()
        self._has_joined = asyncio.Event()
        self._waiting: asyncio.Timeout | None = None
        self._member_id: str | None = None
        self._replaced: deque[float] = deque(maxlen=REPLACED_TIMES)
        """When the broker gave this member another id, by the loop's clock."""
        self._failure: BaseException | None = None
        self._closed = False

    @property
    def assigned(self) -> int:
        """The number of partitions that this member reads."""
        return len(self._positions)

    async def join(self, within_s: float) -> None:
        """Join the group, waiting for a broker that is still starting, and wait for the first assignment."""
        deadline = asyncio.get_running_loop().time() + within_s
        while True:
            try:
                self._client.subscribe(list(self._topics), listener=_Listener(self._release, self._assign))
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
        await asyncio.sleep(0)  # a busy reader must let other tasks run
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
            # A group that has rebalanced refuses the commit: the new owners handle those records again.
            try:
                async with asyncio.timeout(COMMIT_WITHIN_S):  # the client itself would retry for ever
                    with translating(), suppress(CommitFailedError, IllegalStateError):
                        await self._client.commit(ours)
            except TimeoutError as error:
                raise BusUnavailable(f"Kafka has not stored a commit within {COMMIT_WITHIN_S} s") from error

    async def lag(self) -> dict[str, int]:
        self._check()
        lag = dict.fromkeys(sorted(self._topics), 0)
        positions = dict(self._positions)
        if not positions:  # still joining, or others have all partitions: the client may not even run yet
            return lag
        with translating():
            ends = await self._client.end_offsets(list(positions))
        for partition, end in ends.items():
            lag[partition.topic] += max(0, end - positions[partition])
        return lag

    async def close(self) -> None:
        """Leave the group; a static member keeps its partitions until its session expires."""
        if self._closed:
            return
        self._closed = True
        self._interrupt()
        self._on_close(self)
        await stop_consumer(self._client)

    def _new_client(self) -> Any:
        connection = self._connection
        session_ms = int(connection.session_s * 1000)
        # Range, not round-robin: topics with equal partition counts are assigned alike, market by market.
        return self.client_of(
            **connection.options(), group_id=self.group, group_instance_id=connection.instance,
            enable_auto_commit=False, auto_offset_reset="earliest",
            partition_assignment_strategy=(RangePartitionAssignor,), fetch_max_wait_ms=FETCH_WAIT_MS,
            session_timeout_ms=session_ms, heartbeat_interval_ms=session_ms // HEARTBEATS_PER_SESSION,
            rebalance_timeout_ms=int(REBALANCE_WITHIN_S * 1000),
        )  # fmt: skip

    async def _replace_client(self) -> None:
        """Create a new client: one whose start has failed while joining can't be started again."""
        await stop_consumer(self._client)
        self._unsettled = None
        self._has_joined.clear()
        self._member_id = None
        self._client = self._new_client()

    async def _release(self) -> None:
        """Let the owner finish with its partitions: a rebalance begins. Called by aiokafka; the group waits for it."""
        self._generation += 1
        self._interrupt()
        async with self._callbacks:
            announced, self._announced = self._announced, frozenset()
            self._unsettled = None
            if announced and self._rebalance is not None and not self._closed:
                # No try and except: whatever the owner's callback raises is raised by the owner's next poll.
                done = asyncio.ensure_future(self._rebalance.revoked(announced))
                await asyncio.wait((done,))
                if self._failure is None and not done.cancelled():
                    self._failure = done.exception()
            self._positions.clear()

    def _assign(self, assigned: Iterable[TopicPartition]) -> None:
        """Pause the assigned partitions until ``_settle``: a rebalance has ended. Called by aiokafka."""
        self._unsettled = frozenset(assigned)
        self._client.pause(*self._unsettled)
        self._note_member_id(self._client._coordinator.member_id)
        self._has_joined.set()
        self._interrupt()

    def _note_member_id(self, member_id: str) -> None:
        """Note a changed id of a named member: the client joins again without an error where another took its place."""
        if self._member_id not in (None, member_id) and self._connection.instance is not None:
            self._replaced.append(asyncio.get_running_loop().time())
        self._member_id = member_id

    async def _settle(self) -> None:
        """Find the starting positions, notify the owner and resume reading; on failure leave it to the next poll."""
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
            self._announced = frozenset(Partition(each.topic, each.partition) for each in partitions)
            if self._announced and self._rebalance is not None:
                await self._rebalance.assigned(self._announced)
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
        """Wait for records until ``deadline`` (loop time) or ``_interrupt``."""
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
        """Convert records; offsets that retention has deleted right before a record count as missed."""
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
        """Wake a waiting ``_fetch``. What was fetched meanwhile stays in the client."""
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(asyncio.get_running_loop().time())

    def _check(self) -> None:
        if self._closed:
            raise BusClosed(f"the consumer of {self.group} is closed")
        if self._failure is not None:
            raise self._failure
        since = asyncio.get_running_loop().time() - REPLACED_WITHIN_S
        if len(self._replaced) == REPLACED_TIMES and self._replaced[0] > since:
            self._replaced.clear()
            raise BusUnavailable(NAME_USED_TWICE)
