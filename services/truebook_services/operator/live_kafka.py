"""``LiveSource`` over Kafka: this process follows the topics itself, outside of any group."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from typing import Final

from truebook.bus.kafka.following import Follower
from truebook.bus.memory.bus import MemoryBus
from truebook.bus.port import Record
from truebook.clock import MICROS, ExchangeClock, SystemClock
from truebook.kalshi.port import RestClient
from truebook.messages.actions import Action
from truebook.messages.codec import DecodeError, decode
from truebook.messages.envelope import Message, Source
from truebook.messages.fills import FillRecorded
from truebook.messages.observations import Observation
from truebook.messages.orderbook import BookDelta, PublicTrade
from truebook.messages.orders import OrderEvent
from truebook.messages.refusals import DecisionsCounted, RefusalsCounted
from truebook.messages.topics import (
    ACCOUNT,
    ACTIONS,
    DEAD_LETTERS,
    FILLS,
    MARKETS,
    OBSERVATIONS,
    ORDERBOOK,
    ORDERS,
    REFUSALS,
    SERVICES,
    TOPICS,
    Topic,
)  # fmt: skip
from truebook.runtime.context import Context
from truebook.runtime.frames import Feed, Periodic, Service
from truebook.runtime.logs import logger
from truebook.runtime.metrics import Metrics
from truebook.runtime.settings import TruebookSettings
from truebook_services.operator.exchange import exchange_client, responding
from truebook_services.operator.live import LiveSource
from truebook_services.operator.live_memory import MemoryLive, live_state
from truebook_services.operator.model_failures import read_pointer
from truebook_services.operator.statistics import PRODUCED, Statistics
from truebook_services.serving.ledger import connect_ledger
from truebook_services.serving.settings import kafka_connection

DAY_US: Final = 86_400 * MICROS
MINUTE_US: Final = 60 * MICROS
HISTORY: Final[tuple[tuple[Topic, int], ...]] = (
    (MARKETS, 0), (SERVICES, 0), (ACCOUNT, 0), (OBSERVATIONS, MINUTE_US), (ACTIONS, 10 * MINUTE_US),
    (REFUSALS, 10 * MINUTE_US), (ORDERS, 60 * MINUTE_US), (FILLS, DAY_US), (DEAD_LETTERS, DAY_US), (ORDERBOOK, 0),
)  # fmt: skip
"""What is read, and how far back; the compacted topics from their beginning, books from now on."""
RECALLED: Final = (Observation, Action, DecisionsCounted, OrderEvent, FillRecorded)
"""Of these, earlier messages are shown and not counted: their books were not counted either."""
CLOCK_EVERY_S: Final = 10.0
"""Interval between two measurements of the exchange's time."""
EARLY_US: Final = 3 * MICROS
MAX_EARLY: Final = 20_000
BREATHE_EVERY: Final = 200
"""Records between two yields to the event loop, on which pages are served."""
_BY_NAME: Final = {topic.name: topic for topic in TOPICS}


@asynccontextmanager
async def open_kafka_live(settings: TruebookSettings) -> AsyncIterator[LiveSource]:
    """Follow the topics while entered; raises ``LedgerError``, ``ExchangeError`` and ``SettingsError`` at the start.

    While Kafka can't be reached later, results state it, and everything is kept.
    """
    clock = ExchangeClock(SystemClock())
    async with AsyncExitStack() as stack:
        ledger = await connect_ledger(settings, stack)
        rest = await stack.enter_async_context(exchange_client(settings, clock))
        await responding(rest, clock)
        reader = TopicReader(settings, clock, rest)
        stop = asyncio.Event()
        task = asyncio.ensure_future(reader.service.run(stop))
        try:
            yield MemoryLive(
                reader.statistics, clock, ledger.view, partial(read_pointer, settings.models_path),
                problem=partial(_problem, reader, task),
            )  # fmt: skip
        finally:
            stop.set()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _problem(reader: TopicReader, task: asyncio.Future[None]) -> str | None:
    """Return what is not received; raises what has ended the reader."""
    if task.done():
        task.result()
    reasons = reader.service.not_ready()
    return f"messages are not received: {'; '.join(reasons)}" if reasons else None


class TopicReader:
    """A service that feeds statistics and their live state from the topics; a lost connection continues.

    With ``rest`` it follows the exchange's time; until the exchange responds, the time is the machine's.
    """

    def __init__(self, settings: TruebookSettings, clock: ExchangeClock, rest: RestClient | None = None) -> None:
        now_us = clock.now_us()
        context = Context(
            service="dashboard", account=settings.account, strategy=settings.strategy,
            source=Source(settings.market_data), clock=clock, bus=MemoryBus(), metrics=Metrics("dashboard"),
            log=logger("dashboard"),
        )  # fmt: skip
        self._since_us = now_us
        self._clock = clock
        self._rest = rest
        self._early: list[Message] | None = []
        self._early_until_us = clock.monotonic_us() + EARLY_US
        self.statistics = Statistics(now_us)
        self.statistics.live = live_state(self.statistics, now_us, f"kafka {os.getpid()}")
        self._account = settings.account
        starts = [(topic, now_us - back_us if back_us else now_us) for topic, back_us in HISTORY]
        self._follower = Follower(kafka_connection(settings), starts, settings.kafka_partitions)
        self.service = Service(context, [
            Feed(context, "topics", self._follow), Periodic(context, "exchange clock", CLOCK_EVERY_S, self._set_clock),
        ])  # fmt: skip

    async def _set_clock(self) -> None:
        """Set the clock by the exchange's, which may be away: messages are received all the same."""
        await responding(self._rest, self._clock)

    async def _follow(self, stop: asyncio.Event, feed: Feed) -> None:
        async with aclosing(self._follower.batches()) as batches:
            async for batch in batches:
                feed.mark_healthy()
                await self.take(self._in_order(self._decoded(batch)))
                if stop.is_set():
                    return

    def _in_order(self, messages: list[Message]) -> list[Message]:
        """Return the messages to take now: at first none, until what the topics had at the start can be ordered."""
        if self._early is None:
            return messages
        self._early += messages
        if messages and len(self._early) < MAX_EARLY and self._clock.monotonic_us() < self._early_until_us:
            return []
        messages, self._early = self._early, None
        return messages

    def _decoded(self, batch: Sequence[Record]) -> list[Message]:
        """Return the messages of this account; unreadable ones are in ``dead_letters`` already."""
        messages: list[Message] = []
        for record in batch:
            if not record.value:
                continue
            try:
                message = decode(_BY_NAME[record.topic], record.value)
            except DecodeError:
                continue
            if message.account == self._account:
                messages.append(message)
        return messages

    async def take(self, messages: Sequence[Message]) -> None:
        """Count messages in the order of time: topics have no common order, and an event follows its decision."""
        for number, message in enumerate(sorted(messages, key=PRODUCED)):
            if number % BREATHE_EVERY == BREATHE_EVERY - 1:
                await asyncio.sleep(0)
            if self._is_before_snapshot(message):
                continue
            is_earlier = message.produced_us < self._since_us
            if is_earlier and isinstance(message, RefusalsCounted):
                continue  # the topic is read for the decisions before; refusals count from the start
            if is_earlier and isinstance(message, RECALLED):
                self.statistics.recall(message)
            else:
                self.statistics.count(message)

    def _is_before_snapshot(self, message: Message) -> bool:
        """Whether a book's change can't be applied yet: it would count as a change of a stale book."""
        return isinstance(message, BookDelta | PublicTrade) and message.ticker not in self.statistics.books
