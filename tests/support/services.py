"""Run services in tests: contexts, waiting, a reader of topics, running and killing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from truebook.book.replica import BookReplica
from truebook.bus.memory.bus import MemoryBus
from truebook.bus.port import Bus, BusConsumer
from truebook.clock import Clock, SystemClock
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.verbs import OpenAccount
from truebook.messages.codec import decode
from truebook.messages.envelope import Message, Source
from truebook.messages.orderbook import BookMessage
from truebook.messages.topics import ORDERBOOK, Topic
from truebook.runtime.context import Context, no_crash
from truebook.runtime.frames import Service
from truebook.runtime.metrics import Metrics


def make_context(
    service: str, clock: Clock | None = None, bus: Bus | None = None, *,
    source: Source = Source.SIMULATED, crash: Callable[[str], None] = no_crash, account: str = "sim-main",
) -> Context:  # fmt: skip
    return Context(
        service=service, account=account, strategy="main", source=source, clock=clock or SystemClock(),
        bus=bus if bus is not None else MemoryBus(), metrics=Metrics(service), log=structlog.get_logger(service),
        crash=crash,
    )  # fmt: skip


async def opened_ledger(balance_micros: int = 1_000_000_000) -> MemoryStore:
    """A ledger with cash and no positions."""
    ledger = MemoryStore("test")
    await ledger.apply(OpenAccount(balance_micros=balance_micros))
    return ledger


async def until(condition: Callable[[], Any], what: str, within_s: float = 20.0) -> None:
    """Run the loop until ``condition``; fail with ``what`` after ``within_s`` of real time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    while not condition():
        assert loop.time() < end, f"not within {within_s} s: {what}"
        await asyncio.sleep(0.001)


class TopicReader:
    """Reads a topic of the bus as messages, and rebuilds books where it is ``orderbook``."""

    def __init__(self, bus: Bus, *topics: Topic) -> None:
        self._bus = bus
        self._topics = {topic.name: topic for topic in topics}
        self._consumer: BusConsumer | None = None
        self.messages: list[Message] = []
        self.deleted: list[tuple[str, str]] = []
        """Topic and key of each tombstone."""
        self.replicas: dict[str, BookReplica] = {}

    async def join(self) -> TopicReader:
        self._consumer = await self._bus.consumer("test.reader", tuple(self._topics.values()), observer=True)
        return self

    async def read(self) -> list[Message]:
        """Read all available records."""
        assert self._consumer is not None
        while records := await self._consumer.poll(1_000, 0.0):
            for record in records:
                if not record.value:
                    self.deleted.append((record.topic, record.key))
                    continue
                message = decode(self._topics[record.topic], record.value)
                self.messages.append(message)
                if record.topic == ORDERBOOK.name and isinstance(message, BookMessage):
                    self.replicas.setdefault(record.key, BookReplica()).apply(message)  # type: ignore[arg-type]
        return self.messages

    async def until(self, is_so: Callable[[], Any], what: str, within_s: float = 20.0) -> None:
        """Read until ``is_so``."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        while True:
            await self.read()
            if is_so():
                return
            assert loop.time() < until, f"timed out after {within_s} s: {what}; read {self.messages[-5:]}"
            await asyncio.sleep(0.001)

    def of(self, kind: type[Message]) -> list[Any]:
        return [message for message in self.messages if isinstance(message, kind)]


class RunningServices:
    """Services under one stop, for ``async with``; a failing service fails the test."""

    def __init__(self, *services: Service) -> None:
        self._services = services
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> RunningServices:
        self._tasks = [asyncio.ensure_future(service.run(self._stop)) for service in self._services]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def ended(self) -> None:
        """Wait until a service ends; raises its error."""
        await asyncio.gather(*self._tasks)


class Killed(BaseException):
    """Raised at a crash point; the service must not catch it."""


def kill_at(label: str) -> Callable[[str], None]:
    """Return a crash point that kills at the first ``label``."""

    def crash(passed: str) -> None:
        if passed == label:
            raise Killed(label)

    return crash


class Running:
    """A service that runs in the background; it ends by a graceful stop or by a kill."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._stop = asyncio.Event()
        self.task = asyncio.create_task(service.run(self._stop), name=service.name)

    async def stop(self) -> None:
        self._stop.set()
        await self.task

    async def killed(self) -> None:
        """Wait until a crash point has ended the service."""
        try:
            async with asyncio.timeout(60):
                await self.task
        except BaseExceptionGroup as group:
            killed, rest = group.split(Killed)
            assert killed is not None and rest is None, group
        except Killed:
            pass
        else:
            raise AssertionError("the service was not killed")
