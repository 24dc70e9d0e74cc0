"""A consumer of the in-process bus with a scripted handler, and what it leaves to the next member."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import structlog

from support.samples import action
from truebook.bus.memory.bus import MemoryBus
from truebook.clock import ManualClock
from truebook.messages import codec
from truebook.messages.envelope import Source
from truebook.messages.topics import ACTIONS
from truebook.runtime.consumer import Consumer
from truebook.runtime.context import Context
from truebook.runtime.frames import Incoming
from truebook.runtime.metrics import Metrics

WITHIN_S = 60.0
GROUP = "truebook.test"


def make_context(bus: MemoryBus, clock: ManualClock | None = None) -> Context:
    return Context(
        service="test", account="sim-main", strategy="main", source=Source.SIMULATED, clock=clock or ManualClock(),
        bus=bus, metrics=Metrics("test"), log=structlog.get_logger(),
    )  # fmt: skip


async def publish(bus: MemoryBus, *names: str, key: str = "T") -> None:
    for name in names:
        await bus.publish(ACTIONS, key, codec.encode(action(id=name)))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():
            await asyncio.sleep(0)


@asynccontextmanager
async def running(frame: Consumer) -> AsyncIterator[asyncio.Task[None]]:
    """Run a frame; stop it at the end, and raise what it raised."""
    stop = asyncio.Event()
    task = asyncio.create_task(frame.run(stop))
    yield task
    stop.set()
    async with asyncio.timeout(WITHIN_S):
        await task


async def left_over(bus: MemoryBus) -> list[str]:
    """Return what the next member of the group would get."""
    heir = await bus.consumer(GROUP, [ACTIONS])
    records = await heir.poll(10_000, 0)
    await heir.close()
    return [codec.decode(ACTIONS, record.value).id for record in records]


class Handler:
    """A handler that records its batches and follows a script."""

    def __init__(self, act: Callable[[Sequence[Incoming]], Awaitable[None]] | None = None) -> None:
        self.batches: list[list[str]] = []
        self._act = act

    @property
    def ids(self) -> list[str]:
        return [name for batch in self.batches for name in batch]

    async def __call__(self, batch: Sequence[Incoming]) -> None:
        self.batches.append([incoming.message.id for incoming in batch])
        if self._act is not None:
            await self._act(batch)
