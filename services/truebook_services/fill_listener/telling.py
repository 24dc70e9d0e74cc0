"""What is booked waits here to be told on the topic ``fills``: no booking waits for the bus, and no news are forgotten.

News leave in the order in which they were booked. What a process has booked but not told when it ends is told by the
next one: the sweep's watermark moves only when everything before it has been told, and a sweep reads from there on.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import islice

from truebook.bus.port import BusUnavailable
from truebook.messages.codec import encode
from truebook.messages.fills import FillBooked, MarketSettled, OrderUpdated
from truebook.messages.topics import FILLS
from truebook.runtime.context import Context
from truebook.runtime.frames import Feed

Key = tuple[str, str]
News = FillBooked | OrderUpdated | MarketSettled

MOST_AT_ONCE = 500
WAIT_S = 0.25
"""So long the frame waits for news before it looks at ``stop`` again."""
TOLD_WITHIN_S = 1.0


class Remembered:
    """A bounded set of keys; the oldest go first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._keys: dict[Key, None] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def add(self, key: Key) -> None:
        self._keys[key] = None
        while len(self._keys) > self._most:
            del self._keys[next(iter(self._keys))]


class Telling:
    """The news that wait, each under a key that names the fact, and a memory of those that have been told."""

    def __init__(self, context: Context, *, most_waiting: int, most_remembered: int) -> None:
        self._context = context
        self._most_waiting = most_waiting
        self._waiting: dict[Key, tuple[str, bytes]] = {}
        self._told = Remembered(most_remembered)
        self.put_off = 0
        """How often news were turned away; a sweep in which that happens is not complete."""
        self._taken_in = 0
        self._gone_out = 0
        self._news = asyncio.Event()
        self._publishing = asyncio.Lock()

    def knows(self, key: Key) -> bool:
        """Whether the fact has been told, or waits for it."""
        return key in self._waiting or key in self._told

    def put(self, key: Key, news: News) -> None:
        """Take news in, each once; where too many wait they are put off, and a later sweep brings them again."""
        if self.knows(key):
            return
        if len(self._waiting) >= self._most_waiting:
            self.put_off += 1
            self._context.metrics.count("news_put_off")
            return
        self._waiting[key] = (news.ticker, encode(news))
        self._taken_in += 1
        self._news.set()

    async def told(self) -> bool:
        """Tell at once all that waits now; false where the bus does not take it in a moment.

        Who puts news calls this before it ends: ``run`` may have ended by then.
        """
        until = self._taken_in
        with suppress(TimeoutError, BusUnavailable):
            async with asyncio.timeout(TOLD_WITHIN_S):
                while self._gone_out < until:
                    await self._tell_some()
        return self._gone_out >= until

    async def run(self, stop: asyncio.Event, feed: Feed) -> None:
        """Tell the news as they come, until ``stop``; raises what the bus raises, and keeps what it did not take."""
        while True:
            ends = stop.is_set()
            while self._waiting:
                await self._tell_some()
            feed.healthy()
            if ends:
                return
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(WAIT_S):
                    await self._news.wait()

    async def _tell_some(self) -> None:
        async with self._publishing:
            batch = dict(islice(self._waiting.items(), MOST_AT_ONCE))
            if not batch:
                return
            await self._context.bus.publish_many(FILLS, list(batch.values()))
            for key in batch:
                del self._waiting[key]
                self._told.add(key)
            self._gone_out += len(batch)
