"""Outbox for ``fills`` and dead letters: recording never blocks on Kafka, and every recorded event is published later.

Events are published in the order of recording. What a process has recorded but not published when it ends, the next
one publishes: the watermark advances only after everything before it is published, and each sweep reads from there.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import islice

from cachetools import FIFOCache

from truebook.bus.port import BusUnavailable
from truebook.messages.codec import encode
from truebook.messages.dead_letters import DeadLetter
from truebook.messages.fills import FillRecorded, MarketSettled, OrderUpdated
from truebook.messages.topics import DEAD_LETTERS, FILLS, Topic
from truebook.runtime.context import Context
from truebook.runtime.dead_letters import count_dead_letter
from truebook.runtime.frames import Feed

Key = tuple[str, str]
AccountEvent = FillRecorded | OrderUpdated | MarketSettled

MAX_BATCH = 500
WAIT_S = 0.25
"""The frame checks ``stop`` at this interval while no event is queued."""
FLUSH_TIMEOUT_S = 1.0


class FillPublisher:
    """The queued events, each under a key that identifies it, and the keys of those published before."""

    def __init__(self, context: Context, *, max_queued: int, max_known: int) -> None:
        self._context = context
        self._max_queued = max_queued
        self._queued: dict[Key, tuple[Topic, str, bytes]] = {}
        self._published: FIFOCache[Key, None] = FIFOCache(max_known)
        self.deferred = 0
        """How many events were not accepted; a sweep in which this grows is not complete."""
        self._accepted_count = 0
        self._published_count = 0
        self._added = asyncio.Event()
        self._publishing = asyncio.Lock()

    def __contains__(self, key: Key) -> bool:
        """Return whether the event is published or queued."""
        return key in self._queued or key in self._published

    def add(self, key: Key, event: AccountEvent) -> None:
        """Queue an event, each once; if the queue is full, a later sweep brings it again."""
        if key in self:
            return
        if len(self._queued) >= self._max_queued:
            self.deferred += 1
            self._context.metrics.count("account_events_deferred")
            return
        self._put(key, FILLS, event.ticker, encode(event))

    def add_dead_letter(self, letter: DeadLetter) -> None:
        """Queue a dead letter; if the queue is full, it is only counted and logged."""
        count_dead_letter(self._context, letter)
        key = (DEAD_LETTERS.name, letter.id)
        if key not in self and len(self._queued) < self._max_queued:
            self._put(key, DEAD_LETTERS, letter.origin, encode(letter))

    def _put(self, key: Key, topic: Topic, record_key: str, value: bytes) -> None:
        self._queued[key] = (topic, record_key, value)
        self._accepted_count += 1
        self._added.set()

    async def flush(self) -> bool:
        """Publish all that is queued now; return False if Kafka does not accept it within ``FLUSH_TIMEOUT_S``.

        To be called before a task that adds events ends, since ``run`` may have ended by then.
        """
        until = self._accepted_count
        with suppress(TimeoutError, BusUnavailable):
            async with asyncio.timeout(FLUSH_TIMEOUT_S):
                while self._published_count < until:
                    await self._publish_batch()
        return self._published_count >= until

    async def run(self, stop: asyncio.Event, feed: Feed) -> None:
        """Publish events as they are added, until ``stop``; raise what the bus raises and keep what it refused."""
        while True:
            stopping = stop.is_set()
            while self._queued:
                await self._publish_batch()
            feed.mark_healthy()
            if stopping:
                return
            self._added.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(WAIT_S):
                    await self._added.wait()

    async def _publish_batch(self) -> None:
        async with self._publishing:
            if not self._queued:
                return
            topic = next(iter(self._queued.values()))[0]
            first = islice(self._queued.items(), MAX_BATCH)
            batch = {key: queued for key, queued in first if queued[0] is topic}
            await self._context.bus.publish_many(topic, [(key, value) for _, key, value in batch.values()])
            for key in batch:
                del self._queued[key]
                self._published[key] = None
            self._published_count += len(batch)
