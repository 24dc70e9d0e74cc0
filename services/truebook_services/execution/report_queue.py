"""Order events on their way to the bus. Whatever protects money only adds to this queue and never waits for the bus.

One frame publishes the events in order. While the bus does not accept them:
- an event that is queued already, by its id, is not queued again;
- from ``MAX_QUEUED`` on, the guards refuse new orders, and events that changed no order are dropped and counted. All
  others are kept: without new orders there are only a few for each open order;
- the record of an action is not committed before its events are published. After a crash it is delivered again, and its
  orders are reported as the ledger has them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Final, NamedTuple

from truebook.clock import MICROS
from truebook.messages.codec import encode
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.topics import ORDERS
from truebook.runtime.context import Context
from truebook.runtime.retry import attempt, stopping

MAX_QUEUED: Final = 10_000
MAX_BATCH: Final = 500
RETRY_S: Final = 0.5
LATE_US: Final = 2 * MICROS
"""An event that waits for longer makes the service not ready."""
FLUSH_WITHIN_S: Final = 0.8
NO_CHANGE: Final = (OrderOutcome.REFUSED, OrderOutcome.KEPT)
"""Outcomes of targets that changed no order."""


class _Queued(NamedTuple):
    since_us: int
    ticker: str
    value: bytes


class ReportQueue:
    """The queued events, and the frame that publishes them; it has to end after all that add events."""

    name = "execution.reports"

    def __init__(self, context: Context, *, max_queued: int = MAX_QUEUED) -> None:
        self._context = context
        self._max_queued = max_queued
        self._queued: dict[str, _Queued] = {}
        self._accepted = 0
        self._published = 0
        self._after: deque[tuple[int, Callable[[], None]]] = deque()
        self._added = asyncio.Event()
        self._emptied = asyncio.Event()
        self._error = ""

    def __len__(self) -> int:
        return len(self._queued)

    @property
    def is_full(self) -> bool:
        """Whether so many events wait that no further order may be sent."""
        return len(self._queued) >= self._max_queued

    def add(self, event: OrderEvent) -> None:
        """Queue an event. If the queue is full, one that changed no order is dropped."""
        if event.id in self._queued:
            return
        if self.is_full and event.outcome in NO_CHANGE:
            self._context.metrics.count("order_events_dropped")
            return
        self._queued[event.id] = _Queued(self._context.clock.monotonic_us(), event.ticker, encode(event))
        self._accepted += 1
        self._emptied.clear()
        self._added.set()

    def call_when_published(self, done: Callable[[], None]) -> None:
        """Call ``done`` once all events that are queued now are published."""
        if self._queued:
            self._after.append((self._accepted, done))
        else:
            done()

    def not_ready(self) -> str | None:
        """Return for how long events have been waiting, if the bus does not accept them."""
        if not self._queued:
            return None
        waited_us = self._context.clock.monotonic_us() - next(iter(self._queued.values())).since_us
        if waited_us < LATE_US and not self._error:
            return None
        why = f": {self._error}" if self._error else ""
        return f"{self.name}: {len(self._queued)} order events wait for the bus, for {waited_us / MICROS:.1f} s{why}"

    async def run(self, stop: asyncio.Event) -> None:
        """Publish events until ``stop``, then what is left, for ``FLUSH_WITHIN_S`` at most."""
        publishing = asyncio.ensure_future(self._publish())
        try:
            async with stopping(stop) as stopped:
                await asyncio.wait((publishing, stopped), return_when=asyncio.FIRST_COMPLETED)
            if self._queued:
                emptied = asyncio.ensure_future(self._emptied.wait())
                await asyncio.wait((publishing, emptied), timeout=FLUSH_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
                emptied.cancel()
            if self._queued:
                self._context.log.warning("order events not published", events=len(self._queued), error=self._error)
        finally:
            publishing.cancel()
            with suppress(asyncio.CancelledError):
                await publishing

    async def _publish(self) -> None:
        """Publish batches as events are added; retry while the bus is unavailable."""
        while True:
            await self._added.wait()
            self._added.clear()
            while self._queued:
                error = await attempt(self._publish_batch)
                self._error = "" if error is None else str(error) or type(error).__name__
                if error is not None:
                    self._context.metrics.failed(self.name, type(error).__name__)
                    self._context.log.warning("retrying", component=self.name, error=self._error)
                    await self._context.clock.sleep(RETRY_S)

    async def _publish_batch(self) -> None:
        batch = dict(islice(self._queued.items(), MAX_BATCH))
        await self._context.bus.publish_many(ORDERS, [(each.ticker, each.value) for each in batch.values()])
        for event_id in batch:
            del self._queued[event_id]
        self._published += len(batch)
        if not self._queued:
            self._emptied.set()
        while self._after and self._after[0][0] <= self._published:
            self._after.popleft()[1]()
