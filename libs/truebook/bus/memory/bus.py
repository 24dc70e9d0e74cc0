"""The in-process bus: Kafka's guarantees without Kafka, for the embedded system and for tests.

Its bounds:

- a topic without a policy loses nothing. A *pipeline* group may have ``pipeline_capacity`` unread records per partition
  (uncommitted, if the topic resumes from commits); then publishers wait for it, also while it has no member.
  *Observer* groups never block publishers: beyond ``observer_log`` records they lose the oldest, and ``Record.missed``
  of the next record counts them;
- compacted topics keep the last record of each key; ``observations`` and ``book_states`` coalesce; ``orderbook``
  collapses per market (``truebook.bus.memory.log``). Publishing on these never waits;
- records that every group has read are dropped. A topic without groups keeps its last ``observer_log`` records per
  partition for the first group.

A task that would wait for room that only its own polling can make gets ``BusDeadlock``.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from truebook.bus.memory.channel import Channel
from truebook.bus.memory.groups import Share, assign
from truebook.bus.memory.log import Collapse, Log
from truebook.bus.partitioner import partition_of
from truebook.bus.port import Bus, BusClosed, BusConsumer, BusError, Partition, Rebalance, Record
from truebook.messages.topics import BOOK_STATES, OBSERVATIONS, ORDERBOOK, StartAt, Topic

_YIELD_EVERY: Final = 256
"""A publisher that never has to wait lets other tasks run after this many records."""


def is_snapshot(value: bytes) -> bool:
    """Return whether a record is a book snapshot, by the tag that the encoder writes first."""
    return value.startswith(b'{"type":"book_snapshot"')


POLICIES: Final[Mapping[str, Collapse]] = {
    OBSERVATIONS.name: Collapse(keep=1),
    BOOK_STATES.name: Collapse(keep=1),
    ORDERBOOK.name: Collapse(keep=256, is_self_contained=is_snapshot),
}


class BusDeadlock(BusError):
    """A task publishes to a full topic that it reads itself: it would wait for ever."""


class _ConsumerGroup:
    """A group's members in the order of joining, and its partitions."""

    def __init__(self, name: str, *, observer: bool) -> None:
        self.name = name
        self.observer = observer
        self.members: list[MemoryConsumer] = []
        self.shares: dict[Partition, Share[MemoryConsumer]] = {}
        self.lock = asyncio.Lock()

    def plan(self) -> dict[Partition, MemoryConsumer]:
        """Return the owner of each partition for the current members."""
        owners = {partition: share.owner for partition, share in self.shares.items() if share.owner is not None}
        by_topic: dict[str, list[Partition]] = {}
        for partition in sorted(self.shares):
            by_topic.setdefault(partition.topic, []).append(partition)
        plan: dict[Partition, MemoryConsumer] = {}
        for topic, partitions in by_topic.items():
            readers = [member for member in self.members if topic in member.topics]
            plan.update(assign(readers, partitions, owners))
        return plan

    async def rebalance(self) -> None:
        """Move partitions to their new owners: revoke, assign, then resume delivery."""
        async with self.lock:
            plan = self.plan()
            lost: dict[MemoryConsumer, list[Share[MemoryConsumer]]] = {}
            won: dict[MemoryConsumer, list[Share[MemoryConsumer]]] = {}
            for partition, share in self.shares.items():
                new = plan.get(partition)
                if share.owner is not None and share.owner is not new:
                    share.flowing = False
                    lost.setdefault(share.owner, []).append(share)
                if new is not None and share.owner is not new:
                    won.setdefault(new, []).append(share)
            for member, shares in lost.items():
                await member.revoked(shares)
                for share in shares:
                    share.revoke()
            for member in lost:
                member.look_up_shares()
            for member, shares in won.items():
                if member not in self.members:
                    continue  # it left meanwhile, which starts the next rebalance
                for share in shares:
                    share.assign(member)
                await member.assigned(shares)
                for share in shares:
                    share.flowing = share.owner is member
                member.look_up_shares()


class MemoryConsumer(BusConsumer):
    """A member of a group of the in-process bus."""

    def __init__(
        self, bus: MemoryBus, group: _ConsumerGroup, topics: Sequence[Topic], rebalance: Rebalance | None
    ) -> None:
        self.topics = frozenset(topic.name for topic in topics)
        self.task: asyncio.Task[object] | None = None
        """The task that polled last: the one that makes room."""
        self._bus = bus
        self._group = group
        self._rebalance = rebalance
        self._shares: list[Share[MemoryConsumer]] = []
        self._turn = 0
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False
        self.failure: BaseException | None = None
        """What its rebalance callback raised: raised by the next poll."""

    async def poll(self, max_records: int, timeout_s: float) -> Sequence[Record]:
        self.task = asyncio.current_task()
        await asyncio.sleep(0)  # a busy reader must let other tasks run
        if self._bus.turn is not None:
            return await self._take_in_turn(self._bus.turn, timeout_s)
        records = self._take(max_records)
        if records or timeout_s <= 0:
            return records
        await self._wait(timeout_s)
        return self._take(max_records)

    async def _take_in_turn(self, turn: Callable[[str], Awaitable[None]], timeout_s: float) -> list[Record]:
        """Take all records at once, in this group's turn; one poll then reads what was published in an instant."""
        if timeout_s > 0 and not self._has_records():
            await self._wait(timeout_s)
        if self._has_records():
            await turn(self._group.name)
        return self._take(sys.maxsize)

    def _has_records(self) -> bool:
        self._check()
        return any(share.flowing and share.position < share.log.end for share in self._shares)

    async def _wait(self, timeout_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(timeout_s, self.wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    async def commit(self, offsets: dict[Partition, int]) -> None:
        self._check()
        for partition, offset in offsets.items():
            share = self._group.shares.get(partition)
            # A partition of another member is ignored: that member handles those records again.
            if share is not None and share.owner is self and offset > share.committed:
                share.committed = min(offset, share.log.end)
                self._bus.channel(partition).release()

    async def lag(self) -> dict[str, int]:
        lag = dict.fromkeys(sorted(self.topics), 0)
        for share in self._shares:
            lag[share.partition.topic] += share.log.waiting(share.position)
        return lag

    async def close(self) -> None:
        if not self._closed:
            self.leave()
            await self._bus.rebalance(self._group)

    def leave(self) -> None:
        """Leave the group at once; the next rebalance reassigns its partitions."""
        self._closed = True
        self._shares = []
        if self in self._group.members:
            self._group.members.remove(self)
        for share in self._group.shares.values():
            if share.owner is self:
                share.revoke()
                self._bus.channel(share.partition).release()
        self.wake()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def look_up_shares(self) -> None:
        """Update the list of this member's partitions."""
        self._shares = [share for share in self._group.shares.values() if share.owner is self]
        self.wake()

    async def assigned(self, shares: Sequence[Share[MemoryConsumer]]) -> None:
        if self._rebalance is not None:
            await self._call(self._rebalance.assigned(frozenset(share.partition for share in shares)))

    async def revoked(self, shares: Sequence[Share[MemoryConsumer]]) -> None:
        if self._rebalance is not None and not self._closed:
            await self._call(self._rebalance.revoked(frozenset(share.partition for share in shares)))

    async def _call(self, callback: Awaitable[None]) -> None:
        """Await the owner's callback. Its error is raised by this member's next poll, not by the rebalance."""
        done = asyncio.ensure_future(callback)
        await asyncio.wait((done,))
        if self.failure is None and not done.cancelled():
            self.failure = done.exception()
        self.wake()

    def _take(self, max_records: int) -> list[Record]:
        self._check()
        taken: list[Record] = []
        count = len(self._shares)
        for step in range(count):
            share = self._shares[(self._turn + step) % count]
            if not share.flowing or share.position >= share.log.end:
                continue
            records = share.read(max_records - len(taken))
            if records:
                taken += records
                if share.start_at is StartAt.END:
                    self._bus.channel(share.partition).release()
                if len(taken) >= max_records:
                    self._turn = (self._turn + step + 1) % count
                    break
        return taken

    def _check(self) -> None:
        if self._bus.closed or self._closed:
            raise BusClosed(f"the consumer of {self._group.name} is closed")
        if self.failure is not None:
            raise self.failure


class MemoryBus(Bus):
    """The bus in one process; the module's docstring states its bounds."""

    def __init__(
        self,
        partitions: int = 4,
        pipeline_capacity: int = 10_000,
        observer_log: int = 10_000,
        *,
        policies: Mapping[str, Collapse] = POLICIES,
        turn: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self.partitions = partitions
        self.closed = False
        self.turn = turn
        """On virtual time: awaited with the group's name before a group reads."""
        self._capacity = pipeline_capacity
        self._observer_log = observer_log
        self._policies = policies
        self._channels: dict[str, tuple[Channel[MemoryConsumer], ...]] = {}
        self._groups: dict[str, _ConsumerGroup] = {}
        self._rebalances: set[asyncio.Task[None]] = set()
        self._since_yield = 0

    async def publish(self, topic: Topic, key: str, value: bytes) -> None:
        channels = self._of(topic)
        channel = channels[partition_of(key, len(channels))]
        while (share := channel.full_for()) is not None and not self.closed:
            if share.owner is not None and share.owner.task is asyncio.current_task():
                raise BusDeadlock(f"the task that reads {topic.name} waits to publish there: {asyncio.current_task()}")
            await channel.room()
        if self.closed:
            raise BusClosed("the bus is closed")
        channel.extend(topic.name, ((key, value),))
        self._since_yield += 1
        if self._since_yield >= _YIELD_EVERY:
            self._since_yield = 0
            await asyncio.sleep(0)

    async def publish_many(self, topic: Topic, records: Sequence[tuple[str, bytes]]) -> None:
        channels = self._of(topic)
        if channels[0].log.collapse is None:
            for key, value in records:
                await self.publish(topic, key, value)
            return
        for start in range(0, len(records), _YIELD_EVERY):  # nothing waits here for room
            if self.closed:
                raise BusClosed("the bus is closed")
            lots: list[list[tuple[str, bytes]]] = [[] for _ in channels]
            lot = records[start : start + _YIELD_EVERY]
            for each in lot:
                lots[partition_of(each[0], len(channels))].append(each)
            for channel, part in zip(channels, lots, strict=True):
                if part:
                    channel.extend(topic.name, part)
            self._since_yield += len(lot)
            if self._since_yield >= _YIELD_EVERY:
                self._since_yield = 0
                await asyncio.sleep(0)

    async def consumer(
        self, group: str, topics: Sequence[Topic], *, observer: bool = False, rebalance: Rebalance | None = None
    ) -> MemoryConsumer:
        if self.closed:
            raise BusClosed("the bus is closed")
        joined = self._groups.setdefault(group, _ConsumerGroup(group, observer=observer))
        if joined.observer != observer:
            raise BusError(f"{group} is already {'an observer' if joined.observer else 'a pipeline'} group")
        for topic in topics:
            for channel in self._of(topic):
                if channel.partition not in joined.shares:
                    share: Share[MemoryConsumer] = Share(
                        channel.partition, channel.log, topic.start_at, observer=observer
                    )
                    joined.shares[channel.partition] = share
                    channel.shares.append(share)
        member = MemoryConsumer(self, joined, topics, rebalance)
        joined.members.append(member)
        try:
            await self.rebalance(joined)
        except asyncio.CancelledError:
            member.leave()
            self._start_rebalance(joined)
            raise
        if member.failure is not None:
            await member.close()
            raise member.failure
        return member

    def channel(self, partition: Partition) -> Channel[MemoryConsumer]:
        return self._channels[partition.topic][partition.number]

    def held(self) -> int:
        """Return the number of records in memory: for gauges and tests."""
        return sum(len(channel.log) for channels in self._channels.values() for channel in channels)

    async def rebalance(self, group: _ConsumerGroup) -> None:
        """Reassign the group's partitions. Completes even if the caller is cancelled."""
        if not self.closed:
            await asyncio.shield(self._start_rebalance(group))

    def _start_rebalance(self, group: _ConsumerGroup) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(group.rebalance())
        self._rebalances.add(task)
        task.add_done_callback(self._rebalances.discard)
        return task

    async def flush(self) -> None:
        """Do nothing: published records are in the log already."""

    async def aclose(self) -> None:
        """Close: waiting publishers and readers get ``BusClosed``."""
        self.closed = True
        for channels in self._channels.values():
            for channel in channels:
                channel.wake_publishers()
        for group in self._groups.values():
            for member in tuple(group.members):
                member.wake()
        for task in tuple(self._rebalances):
            task.cancel()

    def _of(self, topic: Topic) -> tuple[Channel[MemoryConsumer], ...]:
        channels = self._channels.get(topic.name)
        if channels is None:
            if topic.start_at is StartAt.BEGINNING and not topic.compacted:
                raise BusError(f"{topic.name} is read from the beginning but not compacted: unbounded in memory")
            policy = Collapse(keep=1) if topic.compacted else self._policies.get(topic.name)
            channels = tuple(
                Channel(
                    Partition(topic.name, number), Log(policy, forever=topic.compacted),
                    self._capacity, self._observer_log,
                )
                for number in range(topic.partitions or self.partitions)
            )  # fmt: skip
            self._channels[topic.name] = channels
        return channels
