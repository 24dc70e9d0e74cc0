"""The frame ``Consumer``: decode → handle → (publish) → commit.

Delivery is at-least-once: an offset is committed only after the effect of its record, and before a partition is
released. A record may be handled again after a crash or a rebalance; effects are idempotent by their ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

import msgspec

from truebook.bus.port import BusClosed, BusConsumer, Partition, Rebalance, Record
from truebook.messages.codec import DecodeError, decode
from truebook.messages.envelope import Message, Tombstone
from truebook.messages.topics import Topic
from truebook.runtime.context import Context
from truebook.runtime.dead_letters import publish_dead_letter
from truebook.runtime.retry import attempt, pause

FIRST_RETRY_S = 0.1
MAX_RETRY_S = 5.0
COMMIT_EVERY_RECORDS = 2_000
"""A fast reader commits before its interval ends: uncommitted records count against the bus's bounds."""


class Progress:
    """The commit position of one partition: the lowest offset that is not done yet."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._next = -1
        self.committed = -1

    def started(self, offsets: Sequence[int]) -> None:
        """Note records that are to be handled, in ascending order."""
        self._open.update(offsets)
        self._next = max(self._next, offsets[-1] + 1)

    def done(self, offset: int) -> None:
        self._open.discard(offset)

    def all_done(self, offsets: Sequence[int]) -> None:
        self._open.difference_update(offsets)

    def is_open(self, offset: int) -> bool:
        return offset in self._open

    def position(self) -> int:
        return min(self._open) if self._open else self._next


Started = tuple[Progress, list[int]]
"""The progress of a partition, and the offsets of its records in a poll."""


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """A decoded record. With ``manual`` commits the handler calls ``done()`` after its effect; else it does nothing."""

    record: Record
    message: Message | Tombstone
    done: Callable[[], None]


class Consumer:
    """Reads topics as a member of a group and hands batches of decoded messages to ``handle``.

    Offsets are committed after the effect: when ``handle`` has returned, or, with ``manual``, when each message's
    ``done`` was called. Commits are sent about once a second, before partitions are released, and at the end.
    Undecodable records become dead letters.

    After an error with ``retry`` the handler gets the batch again after a growing delay, without records that are done
    or belong to another member by then; any other error ends the frame. A commit that the bus can't store now is left
    to the next one; at the end and at a rebalance its records are delivered again. ``rebalance`` is notified of
    assignments before records are delivered, and of revocations before this frame commits the revoked partitions.
    """

    def __init__(
        self,
        context: Context,
        group: str,
        topics: Sequence[Topic],
        handle: Callable[[Sequence[Incoming]], Awaitable[None]],
        *,
        observer: bool = False,
        manual: bool = False,
        rebalance: Rebalance | None = None,
        max_records: int = 500,
        poll_s: float = 0.25,
        commit_every_s: float = 1.0,
        missed: Callable[[int], None] | None = None,
    ) -> None:
        self.name = group
        self._context = context
        self._topics = {topic.name: topic for topic in topics}
        self._handle = handle
        self._observer = observer
        self._manual = manual
        self._rebalance = rebalance
        self._max_records = max_records
        self._poll_s = poll_s
        self._commit_every_us = int(commit_every_s * 1e6)
        self._missed = missed
        self._consumer: BusConsumer | None = None
        self._progress: dict[Partition, Progress] = {}
        self._taken = 0
        self._down: str | None = "has not joined its group"

    def not_ready(self) -> str | None:
        return None if self._down is None else f"{self.name}: {self._down}"

    async def lag(self) -> dict[str, int]:
        """Return the unread records of this member by topic, none while it has not joined; raises ``BusError``."""
        return {} if self._consumer is None else await self._consumer.lag()

    async def assigned(self, partitions: frozenset[Partition]) -> None:
        """Reset these partitions (called by the bus)."""
        for partition in partitions:
            self._progress.pop(partition, None)
        if self._rebalance is not None:
            await self._rebalance.assigned(partitions)

    async def revoked(self, partitions: frozenset[Partition]) -> None:
        """Commit and drop these partitions (called by the bus).

        A batch in the handler is not awaited: the next owner gets its records again.
        """
        if self._rebalance is not None:
            await self._rebalance.revoked(partitions)
        try:
            await self._try_commit(partitions)
        finally:
            for partition in partitions:
                self._progress.pop(partition, None)

    async def run(self, stop: asyncio.Event) -> None:
        consumer = await self._context.bus.consumer(
            self.name, tuple(self._topics.values()), observer=self._observer, rebalance=self
        )
        self._consumer, self._down = consumer, None
        try:
            await self._read(consumer, stop)
        finally:
            try:
                with suppress(BusClosed):
                    await self._try_commit()  # finished records are committed even if the next batch has failed
            finally:
                self._consumer, self._down = None, "has left its group"
                await consumer.close()

    async def _read(self, consumer: BusConsumer, stop: asyncio.Event) -> None:
        clock = self._context.clock
        committed_us = clock.monotonic_us()
        while not stop.is_set():
            records = await consumer.poll(self._max_records, self._poll_s)
            if records:
                self._taken += len(records)
                started = self._start(records)
                if await self._work(await self._decode(records, started, stop), stop) and not self._manual:
                    for progress, offsets in started.values():
                        progress.all_done(offsets)
            if self._taken >= COMMIT_EVERY_RECORDS or clock.monotonic_us() - committed_us >= self._commit_every_us:
                await self._try_commit()
                self._taken, committed_us = 0, clock.monotonic_us()

    def _start(self, records: Sequence[Record]) -> dict[tuple[str, int], Started]:
        """Note a poll's records as open, by partition."""
        started: dict[tuple[str, int], Started] = {}
        for record in records:
            at = record.topic, record.partition
            if at not in started:
                started[at] = self._progress.setdefault(Partition(*at), Progress()), []
            started[at][1].append(record.offset)
        for progress, offsets in started.values():
            progress.started(offsets)
        return started

    async def _decode(
        self, records: Sequence[Record], started: dict[tuple[str, int], Started], stop: asyncio.Event
    ) -> list[Incoming]:
        batch: list[Incoming] = []
        done, root = _nothing, self._context.correlations.root
        for record in records:
            if record.missed and self._missed is not None:
                self._missed(record.missed)
            topic = self._topics[record.topic]
            if self._manual:
                done = partial(started[record.topic, record.partition][0].done, record.offset)
            if topic.compacted and not record.value:
                batch.append(Incoming(record, Tombstone(), done))
                continue
            try:
                message = decode(topic, record.value)
            except DecodeError as error:
                letter = partial(
                    publish_dead_letter, self._context, origin=record.topic, key=record.key, payload=record.value,
                    reason=error.reason, detail=error.detail,
                )  # fmt: skip
                progress, offsets = started[record.topic, record.partition]
                if await self._retry(letter, stop):
                    progress.done(record.offset)
                else:  # it stays open, whatever becomes of the others
                    offsets.remove(record.offset)
                continue
            root(message)
            batch.append(Incoming(record, message, done))
        self._context.metrics.count("records_consumed", len(batch), group=self.name)
        return batch

    async def _work(self, batch: Sequence[Incoming], stop: asyncio.Event) -> bool:
        """Retry the batch until it is handled; return False if ``stop`` is set before."""
        left, is_repeated = batch, False

        async def handle() -> None:
            nonlocal left, is_repeated
            if is_repeated:
                left = [incoming for incoming in left if self._still_to_do(incoming.record)]
            is_repeated = True
            if left:
                await self._handle(left)

        return await self._retry(handle, stop)

    async def _retry(self, action: Callable[[], Awaitable[None]], stop: asyncio.Event) -> bool:
        """Retry until ``action`` has succeeded; return False if ``stop`` is set before."""
        delay_s = FIRST_RETRY_S
        while (error := await attempt(action)) is not None:
            self._failed("retrying", error, delay_s=delay_s)
            await pause(stop, self._context, delay_s)
            if stop.is_set():
                return False
            delay_s = min(delay_s * 2, MAX_RETRY_S)
        self._down = None
        return True

    def _failed(self, event: str, error: Exception, **fields: float) -> None:
        self._down = str(error) or type(error).__name__
        self._context.metrics.failed(self.name, type(error).__name__)
        self._context.log.warning(event, component=self.name, error=self._down, **fields)

    def _still_to_do(self, record: Record) -> bool:
        progress = self._progress.get(_partition(record))
        return progress is not None and progress.is_open(record.offset)

    async def _try_commit(self, partitions: frozenset[Partition] | None = None) -> None:
        """Commit, unless the bus can't store it now."""
        error = await attempt(partial(self._commit, partitions))
        if error is not None:
            self._failed("commit failed", error)

    async def _commit(self, partitions: frozenset[Partition] | None = None) -> None:
        if self._consumer is None:
            return
        moved = {
            partition: progress
            for partition, progress in self._progress.items()
            if (partitions is None or partition in partitions) and progress.position() > progress.committed
        }
        offsets = {partition: progress.position() for partition, progress in moved.items()}
        if offsets:
            await self._consumer.commit(offsets)
            self._down = None
            for partition, progress in moved.items():
                progress.committed = offsets[partition]


def _nothing() -> None:
    """The ``done`` of records that are done together, once their batch is handled."""


def _partition(record: Record) -> Partition:
    return Partition(record.topic, record.partition)
