"""The bus as one process sees it: a broker that outlives its clients and detects dead ones by a session timeout.

The broker's own work (joining, rebalancing) runs outside of every process, so that no process dies while it holds a
lock. Rebalance callbacks run in their own process; the broker does not wait for a dead one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any

from chaos.conditions import JITTER_S, NetworkConditions
from chaos.faults import Kind
from chaos.history import History
from chaos.processes import Process, never, outside, spawn_outside
from truebook.bus.memory.bus import MemoryBus, MemoryConsumer
from truebook.bus.port import Bus, BusConsumer, BusUnavailable, Partition, Rebalance, Record
from truebook.messages.codec import decode
from truebook.messages.fills import FillRecorded
from truebook.messages.topics import FILLS, Topic

AWAY_POLL_S = 0.05
SESSION_S = 1.5
"""The longest time that a dead member still counts as one."""


class Broker:
    """The bus's server."""

    def __init__(self, seed: int, conditions: NetworkConditions, history: History, *, is_slow: bool) -> None:
        self.bus = MemoryBus()
        self.is_slow = is_slow
        self.conditions = conditions
        self.history = history
        self.random = Random(f"{seed}:bus")
        self.published_fills: set[tuple[str, str]] = set()
        """(exchange order id, trade id) of each fill published on the bus."""
        self._members: dict[Process, list[MemoryConsumer]] = {}

    def joined(self, process: Process, member: MemoryConsumer) -> None:
        if process.dead:
            self._drop(member)
        else:
            self._members.setdefault(process, []).append(member)

    def killed(self, process: Process) -> None:
        """Drop the members of a dead process when their session times out."""
        after_s = self.random.uniform(0, SESSION_S)
        for member in self._members.pop(process, []):
            outside(asyncio.get_running_loop().call_later, after_s, self._drop, member)

    async def take_time(self) -> None:
        """Delay a call, if this broker is slow."""
        if self.is_slow:
            await asyncio.sleep(self.random.uniform(*JITTER_S))

    def stalled(self, process: Process) -> None:
        """Drop the members of a process that is stalled for longer than a session."""
        outside(asyncio.get_running_loop().call_later, SESSION_S, self._drop_stalled, process)

    def lose_all(self) -> None:
        """Start with an empty bus: the old one was in the memory of the killed processes."""
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
        while broker.conditions.active(Kind.BUS_AWAY):
            await asyncio.sleep(AWAY_POLL_S)
        fails = broker.conditions.active(Kind.PUBLISH_FAILS) and broker.random.random() < 0.5
        if fails and broker.random.random() < 0.5:
            raise BusUnavailable("the broker is not available")
        await self._store(topic, records)
        if self._process.at_port():
            await never()
        if fails:
            raise BusUnavailable("the broker's response was lost")

    async def _store(self, topic: Topic, records: Sequence[tuple[str, bytes]]) -> None:
        broker = self.broker
        if broker.conditions.active(Kind.DUPLICATED_RECORDS) and not topic.compacted:
            records = [record for record in records for _ in range(broker.random.choice((1, 1, 2)))]
        for key, value in records:
            broker.history.record(topic.name, key, value)
            if topic is FILLS and isinstance(fill := decode(topic, value), FillRecorded):
                broker.published_fills.add((fill.exchange_order_id, fill.trade_id))
        await self._bus.publish_many(topic, records)

    async def consumer(
        self, group: str, topics: Sequence[Topic], *, observer: bool = False, rebalance: Rebalance | None = None
    ) -> BusConsumer:
        callbacks = _Callbacks(self._process, rebalance) if rebalance is not None else None
        member = await self.run_on_broker(lambda: self._join(group, topics, observer, callbacks))
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

    async def run_on_broker(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run the broker's work for this process, which may stop waiting or die meanwhile."""
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
        await self._port.run_on_broker(self._member.close)


class _Callbacks(Rebalance):
    """Runs the owner's callbacks in the owner's process, unless that is dead."""

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
        await asyncio.wait((task,), timeout=SESSION_S)  # do not wait longer for a stalled member
        if not task.done():
            return
        if not task.cancelled():
            task.result()
