"""The bus as one process sees it: a broker that outlives its clients, and notices the dead after a while.

The broker's own work (joining, rebalancing) is done outside of every process, so that nobody dies with a lock in hand;
callbacks of a rebalance run in the process that they belong to, and a dead one is not waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any

from chaos.faults import Kind
from chaos.history import History
from chaos.processes import Process, never, outside, spawn_outside
from chaos.weather import JITTER_S, Weather
from truebook.bus.memory import MemoryBus, MemoryConsumer
from truebook.bus.port import Bus, BusConsumer, Partition, Rebalance, Record
from truebook.messages.codec import decode
from truebook.messages.fills import FillBooked
from truebook.messages.topics import FILLS, Topic

SESSION_S = 1.5
"""At most so long after its death a member still counts as one."""


class Broker:
    """The bus's server."""

    def __init__(self, seed: int, weather: Weather, history: History, *, is_slow: bool) -> None:
        self.bus = MemoryBus()
        self.is_slow = is_slow
        self.weather = weather
        self.history = history
        self.random = Random(f"{seed}:bus")
        self.told_fills: set[tuple[str, str]] = set()
        """Of each fill that was told on the bus, the exchange's order id and the trade's id."""
        self._members: dict[Process, list[MemoryConsumer]] = {}

    def joined(self, process: Process, member: MemoryConsumer) -> None:
        if process.dead:
            self._drop(member)
        else:
            self._members.setdefault(process, []).append(member)

    def died(self, process: Process) -> None:
        """Drop the members of a dead process when their session times out."""
        after_s = self.random.uniform(0, SESSION_S)
        for member in self._members.pop(process, []):
            outside(asyncio.get_running_loop().call_later, after_s, self._drop, member)

    async def take_time(self) -> None:
        """Let a call take a while, where this broker does."""
        if self.is_slow:
            await asyncio.sleep(self.random.uniform(*JITTER_S))

    def stalled(self, process: Process) -> None:
        """Drop the members of a process that stands still for longer than a session lasts."""
        outside(asyncio.get_running_loop().call_later, SESSION_S, self._drop_stalled, process)

    def lose_all(self) -> None:
        """Begin anew with an empty bus: the old one was in the memory of what has died."""
        self.bus = MemoryBus()
        self._members.clear()

    def _drop_stalled(self, process: Process) -> None:
        if process.stalled:
            for member in self._members.pop(process, []):
                self._drop(member)

    def _drop(self, member: MemoryConsumer) -> None:
        member.leave()
        spawn_outside(member._bus.rebalance(member._group))


class BusPort(Bus):
    """One process's client."""

    def __init__(self, broker: Broker, process: Process) -> None:
        self.broker = broker
        self._process = process
        self._bus = broker.bus

    async def publish(self, topic: Topic, key: str, value: bytes) -> None:
        await self.publish_many(topic, ((key, value),))

    async def publish_many(self, topic: Topic, records: Sequence[tuple[str, bytes]]) -> None:
        broker = self.broker
        if self._process.at_port():
            await never()
        await broker.take_time()
        if broker.weather.rages(Kind.DOUBLED_RECORDS) and not topic.compacted:
            records = [record for record in records for _ in range(broker.random.choice((1, 1, 2)))]
        for key, value in records:
            broker.history.record(topic.name, key, value)
            if topic is FILLS and isinstance(told := decode(topic, value), FillBooked):
                broker.told_fills.add((told.exchange_order_id, told.trade_id))
        await self._bus.publish_many(topic, records)
        if self._process.at_port():
            await never()

    async def consumer(
        self, group: str, topics: Sequence[Topic], *, observer: bool = False, rebalance: Rebalance | None = None
    ) -> BusConsumer:
        callbacks = _Callbacks(self._process, rebalance) if rebalance is not None else None
        member = await self.ask(lambda: self._join(group, topics, observer, callbacks))
        return ConsumerPort(self, member, self._process)

    async def flush(self) -> None:
        """Nothing to do."""

    async def aclose(self) -> None:
        """The broker stays."""

    async def _join(
        self, group: str, topics: Sequence[Topic], observer: bool, callbacks: Rebalance | None
    ) -> MemoryConsumer:
        member = await self._bus.consumer(group, topics, observer=observer, rebalance=callbacks)
        self.broker.joined(self._process, member)
        return member

    async def ask(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Let the broker work for this process, which may give up or die meanwhile."""
        if self._process.at_port():
            await never()
        return await asyncio.shield(spawn_outside(work()))


class ConsumerPort(BusConsumer):
    """A membership of one process."""

    def __init__(self, port: BusPort, member: MemoryConsumer, process: Process) -> None:
        self._port = port
        self._member = member
        self._process = process

    async def poll(self, max_records: int, timeout_s: float) -> Sequence[Record]:
        if self._process.at_port():
            await never()
        records = await self._member.poll(max_records, timeout_s)
        await self._port.broker.take_time()
        return records

    async def commit(self, offsets: dict[Partition, int]) -> None:
        if self._process.at_port():
            await never()
        await self._member.commit(offsets)

    async def lag(self) -> dict[str, int]:
        return await self._member.lag()

    async def close(self) -> None:
        await self._port.ask(self._member.close)


class _Callbacks(Rebalance):
    """Runs the owner's callbacks in the owner's process; the dead have nothing to say."""

    def __init__(self, process: Process, inner: Rebalance) -> None:
        self._process = process
        self._inner = inner

    async def assigned(self, partitions: frozenset[Partition]) -> None:
        await self._call(self._inner.assigned, partitions)

    async def revoked(self, partitions: frozenset[Partition]) -> None:
        await self._call(self._inner.revoked, partitions)

    async def _call(self, callback: Any, partitions: frozenset[Partition]) -> None:
        if self._process.dead:
            return
        task = self._process.spawn(callback(partitions))
        await asyncio.wait((task,), timeout=SESSION_S)  # a member that stands still is not waited for any longer
        if not task.done():
            return
        if not task.cancelled():
            task.result()
