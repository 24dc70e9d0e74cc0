"""Of several processes with one lease, one runs the service; the others wait and are ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from truebook.bus.memory.bus import MemoryBus
from truebook.clock import ManualClock
from truebook.ledger.lease import Lease, MemoryLeases
from truebook.ledger.port import StoreUnavailable
from truebook.messages.envelope import Source
from truebook.runtime.context import Context
from truebook.runtime.frames import Service
from truebook.runtime.logs import logger
from truebook.runtime.metrics import Metrics
from truebook.runtime.standby import Standby

LASTS_S = 4.0
RENEW_S = LASTS_S / 4


class Work:
    """The frame of a service that counts its starts."""

    name = "work"

    def __init__(self) -> None:
        self.running = 0
        self.starts = 0
        self.fails = False

    def not_ready(self) -> str | None:
        return "work: warming up"

    async def run(self, stop: asyncio.Event) -> None:
        self.running += 1
        self.starts += 1
        try:
            if self.fails:
                raise RuntimeError("a bug")
            await stop.wait()
        finally:
            self.running -= 1


class Flaky(Lease):
    """A lease whose store can become unreachable."""

    def __init__(self, inner: Lease) -> None:
        self.lasts_s = inner.lasts_s
        self.is_away = False
        self._inner = inner

    async def take(self) -> bool:
        if self.is_away:
            raise StoreUnavailable("the store is away")
        return await self._inner.take()

    async def release(self) -> None:
        if self.is_away:
            raise StoreUnavailable("the store is away")
        await self._inner.release()


class World:
    """Processes that share a lease under one clock."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.leases = MemoryLeases(self.clock)
        self.stops: list[asyncio.Event] = []
        self.tasks: list[asyncio.Task[None]] = []

    def start(self, owner: str) -> tuple[Standby, Work, Flaky]:
        context = Context(
            service="test", account="sim-main", strategy="main", source=Source.SIMULATED, clock=self.clock,
            bus=MemoryBus(), metrics=Metrics("test"), log=logger("test"),
        )  # fmt: skip
        work, lease = Work(), Flaky(self.leases.lease("test", owner, LASTS_S))
        standby = Standby(context, lease, lambda: Service(context, [work]))
        self.stops.append(asyncio.Event())
        self.tasks.append(asyncio.create_task(standby.run(self.stops[-1])))
        return standby, work, lease

    async def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / RENEW_S * 2)):
            await self.clock.advance(RENEW_S / 2)
            await self.settle()

    async def settle(self) -> None:
        for _ in range(50):
            await asyncio.sleep(0)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    for stop in world.stops:
        stop.set()
    await asyncio.gather(*world.tasks, return_exceptions=True)


async def test_one_is_active_and_the_other_a_standby(world: World) -> None:
    first, work, _ = world.start("a")
    await world.pass_time(1)
    second, other_work, _ = world.start("b")
    await world.pass_time(20)
    assert (work.starts, work.running, other_work.starts) == (1, 1, 0)
    assert first.not_ready() == "work: warming up", "the active one reports its service's reasons"
    assert second.not_ready() is None, "standing by is being ready"


async def test_the_standby_takes_over_when_the_lease_is_no_longer_renewed(world: World) -> None:
    world.start("a")
    await world.pass_time(1)
    _, work, _ = world.start("b")
    world.tasks[0].cancel()
    await asyncio.wait(world.tasks[:1])
    world.leases.take("test", "a", LASTS_S)  # as kill -9 leaves it
    await world.pass_time(LASTS_S - RENEW_S)
    assert work.running == 0
    await world.pass_time(2 * RENEW_S)
    assert work.running == 1


async def test_a_graceful_stop_releases_the_lease_at_once(world: World) -> None:
    world.start("a")
    await world.pass_time(1)
    _, work, _ = world.start("b")
    world.stops[0].set()
    await world.pass_time(RENEW_S)
    assert work.running == 1


async def test_a_process_that_lost_the_lease_stops_its_service(world: World) -> None:
    _, work, _ = world.start("a")
    await world.pass_time(1)
    world.leases.release("test", "a")
    assert world.leases.take("test", "b", 100)
    await world.pass_time(2 * RENEW_S)
    assert work.running == 0


async def test_a_process_that_was_frozen_restarts_its_service(world: World) -> None:
    _, work, _ = world.start("a")
    await world.pass_time(1)
    world.clock.set(world.clock.now_us() + 60_000_000)
    await world.pass_time(3 * RENEW_S)
    assert (work.starts, work.running) == (2, 1), "others may have been active in between"


async def test_an_unreachable_store_stops_the_service_when_the_lease_ends(world: World) -> None:
    standby, work, lease = world.start("a")
    await world.pass_time(1)
    lease.is_away = True
    await world.pass_time(LASTS_S - 2 * RENEW_S)
    assert work.running == 1
    await world.pass_time(3 * RENEW_S)
    assert work.running == 0
    assert standby.not_ready() == "lease: the store is away"
    lease.is_away = False
    await world.pass_time(2 * RENEW_S)
    assert (work.starts, work.running) == (2, 1)


async def test_a_bug_in_the_service_ends_the_process_and_releases_the_lease(world: World) -> None:
    _, work, _ = world.start("a")
    work.fails = True
    await world.pass_time(1)
    assert world.tasks[0].done()
    assert isinstance(world.tasks[0].exception(), ExceptionGroup)
    assert world.leases.take("test", "b", LASTS_S)
