"""The three frames in which all of Truebook's services run, and the service that holds them together.

``Consumer``  decode → handle → (publish) → commit          ``Feed``  a socket that is opened again and again
``Periodic``  an action every so often

No service writes a loop of its own. A frame ends when ``stop`` is set; errors that say ``retry`` are counted, logged
and tried again, every other exception ends the service with its traceback: a supervisor restarts it from its commits.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from truebook.bus.port import BusConsumer, Partition, Rebalance, Record
from truebook.messages.codec import DecodeError, decode
from truebook.messages.envelope import Message
from truebook.messages.topics import Topic
from truebook.runtime.context import Context
from truebook.runtime.dead_letters import publish_dead_letter

STOP_WITHIN_S = 5.0


class Frame(Protocol):
    """Something that runs until ``stop`` is set and then returns within ``STOP_WITHIN_S``."""

    name: str

    async def run(self, stop: asyncio.Event) -> None: ...

    def not_ready(self) -> str | None:
        """Why this frame can't work now, or null: for ``/readyz``."""
        ...


@dataclass(frozen=True, slots=True)
class Incoming:
    """A decoded record. With ``manual`` commits the handler calls ``done()`` once its effect is there."""

    record: Record
    message: Message
    done: Callable[[], None]


async def pause(stop: asyncio.Event, context: Context, seconds: float) -> None:
    """Sleep on the context's clock, but wake at once when ``stop`` is set."""
    sleeper = asyncio.ensure_future(context.clock.sleep(seconds))
    stopper = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((sleeper, stopper), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sleeper, stopper):
            task.cancel()


class _Progress:
    """The commit position of one partition: the lowest offset that is not done yet."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._next = -1
        self.committed = -1

    def took(self, offset: int) -> None:
        self._open.add(offset)
        self._next = max(self._next, offset + 1)

    def done(self, offset: int) -> None:
        self._open.discard(offset)

    def position(self) -> int:
        return min(self._open) if self._open else self._next


class Consumer:
    """Reads topics as a member of a group and hands batches of decoded messages to ``handle``.

    Offsets are committed after the effect: when ``handle`` has returned, or, with ``manual``, when each message's
    ``done`` was called. Commits go out about once a second and at the end. Undecodable records become dead letters.
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
        self._progress: dict[Partition, _Progress] = {}
        self._joined = False

    def not_ready(self) -> str | None:
        return None if self._joined else f"{self.name} has not joined its group"

    async def run(self, stop: asyncio.Event) -> None:
        consumer = await self._context.bus.consumer(
            self.name, tuple(self._topics.values()), observer=self._observer, rebalance=self._rebalance
        )
        self._joined = True
        committed_us = self._context.clock.monotonic_us()
        try:
            while not stop.is_set():
                records = await consumer.poll(self._max_records, self._poll_s)
                if records:
                    await self._take(records)
                if self._context.clock.monotonic_us() - committed_us >= self._commit_every_us:
                    await self._commit(consumer)
                    committed_us = self._context.clock.monotonic_us()
        finally:
            self._joined = False
            await self._commit(consumer)
            await consumer.close()

    async def _take(self, records: Sequence[Record]) -> None:
        batch: list[Incoming] = []
        for record in records:
            progress = self._progress.setdefault(Partition(record.topic, record.partition), _Progress())
            progress.took(record.offset)
            if record.missed and self._missed is not None:
                self._missed(record.missed)
            try:
                message = decode(self._topics[record.topic], record.value)
            except DecodeError as error:
                await publish_dead_letter(
                    self._context, origin=record.topic, key=record.key, payload=record.value,
                    reason=error.reason, detail=error.detail,
                )  # fmt: skip
                progress.done(record.offset)
                continue
            batch.append(Incoming(record, message, lambda p=progress, o=record.offset: p.done(o)))  # type: ignore[misc]
        self._context.metrics.consumed(self.name, len(batch))
        if batch:
            await self._handle(batch)
            if not self._manual:
                for incoming in batch:
                    incoming.done()

    async def _commit(self, consumer: BusConsumer) -> None:
        offsets = {
            partition: progress.position()
            for partition, progress in self._progress.items()
            if progress.position() > progress.committed
        }
        if offsets:
            await consumer.commit(offsets)
            for partition, offset in offsets.items():
                self._progress[partition].committed = offset


class Periodic:
    """Runs ``action`` at once and then every ``every_s`` of the context's clock, each time with a little jitter."""

    def __init__(
        self, context: Context, name: str, every_s: float, action: Callable[[], Awaitable[None]], *, jitter: float = 0.0
    ) -> None:
        self.name = name
        self._context = context
        self._every_s = every_s
        self._action = action
        self._jitter = jitter
        self._random = random.Random(name)
        self._failing: str | None = None

    def not_ready(self) -> str | None:
        return self._failing

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._action()
                self._failing = None
            except Exception as error:
                if not getattr(error, "retry", False):
                    raise
                self._failing = f"{self.name}: {error}"
                self._context.metrics.failed(self.name, type(error).__name__)
                self._context.log.warning("retrying", part=self.name, error=str(error))
            await pause(stop, self._context, self._every_s * (1 + self._jitter * self._random.random()))


class Feed:
    """Keeps a session with a socket alive: ``session`` runs until the connection ends, then is started anew.

    The session gets ``stop`` and returns when it is set; it calls ``self.healthy()`` once data flow, which resets
    the back-off. Errors with ``retry`` lead to another attempt after a jittered, growing delay.
    """

    def __init__(
        self,
        context: Context,
        name: str,
        session: Callable[[asyncio.Event, Feed], Awaitable[None]],
        *,
        first_delay_s: float = 0.1,
        most_delay_s: float = 10.0,
    ) -> None:
        self.name = name
        self._context = context
        self._session = session
        self._first_delay_s = first_delay_s
        self._most_delay_s = most_delay_s
        self._delay_s = first_delay_s
        self._random = random.Random(name)
        self._down: str | None = "not connected yet"

    def healthy(self) -> None:
        """Tell that the connection delivers: it is ready, and the next failure starts the back-off anew."""
        self._down = None
        self._delay_s = self._first_delay_s

    def not_ready(self) -> str | None:
        return None if self._down is None else f"{self.name}: {self._down}"

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._session(stop, self)
                if stop.is_set():
                    return
                self._down = "the session ended"
            except Exception as error:
                if not getattr(error, "retry", False):
                    raise
                self._down = str(error) or type(error).__name__
            self._context.metrics.failed(self.name, "reconnect")
            self._context.log.warning("reconnecting", part=self.name, reason=self._down, delay_s=self._delay_s)
            await pause(stop, self._context, self._delay_s * (0.5 + self._random.random() / 2))
            self._delay_s = min(self._delay_s * 2, self._most_delay_s)


class Service:
    """Frames under one task group; ``run`` returns after a graceful stop and raises what made a frame fail."""

    def __init__(self, context: Context, frames: Sequence[Frame]) -> None:
        self.context = context
        self.name = context.service
        self.frames = tuple(frames)

    def not_ready(self) -> list[str]:
        """Every reason why this service can't do its work now; empty is ready."""
        return [reason for frame in self.frames if (reason := frame.not_ready()) is not None]

    async def run(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(frame.run(stop), name=f"{self.name}:{frame.name}") for frame in self.frames]
            await stop.wait()
            _, late = await asyncio.wait(tasks, timeout=STOP_WITHIN_S)
            for task in late:
                self.context.log.warning("stopped by force", part=task.get_name())
                task.cancel()


__all__ = ["Consumer", "Feed", "Frame", "Incoming", "Periodic", "Service", "pause"]
