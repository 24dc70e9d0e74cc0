"""A consumer while the bus stores no commit and no dead letter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from support.consumer_harness import GROUP, Handler, left_over, make_context, publish, running, until
from support.metrics import counted
from support.samples import action
from truebook.bus.memory.bus import MemoryBus, MemoryConsumer
from truebook.bus.port import BusUnavailable, Partition
from truebook.clock import ManualClock
from truebook.messages import codec
from truebook.messages.envelope import Tombstone
from truebook.messages.topics import ACTIONS, DEAD_LETTERS, Topic
from truebook.runtime.consumer import Consumer, Incoming


class UnavailableBus(MemoryBus):
    """A bus that stores no commit and no dead letter while ``is_unavailable``."""

    is_unavailable = False

    async def publish(self, topic: Topic, key: str, value: bytes) -> None:
        if self.is_unavailable and topic is DEAD_LETTERS:
            raise BusUnavailable("no broker")
        await super().publish(topic, key, value)

    async def consumer(self, group: str, topics: Sequence[Topic], **options: Any) -> MemoryConsumer:
        member = await super().consumer(group, topics, **options)
        store = member.commit

        async def commit(offsets: dict[Partition, int]) -> None:
            if self.is_unavailable:
                raise BusUnavailable("no broker")
            await store(offsets)

        member.commit = commit  # type: ignore[method-assign]
        return member


async def test_a_failed_commit_is_left_to_the_next_one() -> None:
    bus, clock, handler = UnavailableBus(partitions=1), ManualClock(), Handler()
    frame = Consumer(make_context(bus, clock), GROUP, [ACTIONS], handler, poll_s=0.001)
    async with running(frame):
        bus.is_unavailable = True
        await publish(bus, "a")
        await until(lambda: handler.ids == ["a"])
        await clock.advance(1)
        await until(lambda: "no broker" in (frame.not_ready() or ""))
        await publish(bus, "b")
        await until(lambda: handler.ids == ["a", "b"])
        bus.is_unavailable = False
        await clock.advance(1)
        await until(lambda: bus.held() == 0 and frame.not_ready() is None)


async def test_a_stop_without_a_bus_leaves_the_batch_to_the_next_member() -> None:
    bus, handler = UnavailableBus(), Handler()
    async with running(Consumer(make_context(bus), GROUP, [ACTIONS], handler, poll_s=0.01)):
        await publish(bus, "a")
        await until(lambda: handler.ids == ["a"])
        bus.is_unavailable = True
    bus.is_unavailable = False
    assert await left_over(bus) == ["a"]


async def test_a_dead_letter_that_fails_is_published_later() -> None:
    bus, clock, handler = UnavailableBus(partitions=1), ManualClock(), Handler()
    context = make_context(bus, clock)
    async with running(Consumer(context, GROUP, [ACTIONS], handler, poll_s=0.01)):
        bus.is_unavailable = True
        await bus.publish(ACTIONS, "T", b"nonsense")
        await publish(bus, "a")
        await until(lambda: counted(context.metrics, "failures") > 0)
        bus.is_unavailable = False
        await clock.advance(1)
        await until(lambda: handler.ids == ["a"])
    assert counted(context.metrics, "dead_letters", origin="actions") == 1
    assert await left_over(bus) == []


async def test_a_record_without_its_dead_letter_is_not_committed() -> None:
    bus, ids = UnavailableBus(partitions=1), list[str]()
    context = make_context(bus)

    async def handle(batch: Sequence[Incoming]) -> None:
        bus.is_unavailable = False  # the commit at the end succeeds
        ids.extend(incoming.message.id for incoming in batch if not isinstance(incoming.message, Tombstone))

    async with running(Consumer(context, GROUP, [ACTIONS], handle, poll_s=0.01)):
        bus.is_unavailable = True
        await publish(bus, "a")
        await until(lambda: bool(ids))
        bus.is_unavailable = True
        await bus.publish_many(ACTIONS, [("T", b"nonsense"), ("T", codec.encode(action(id="b")))])
        await until(lambda: counted(context.metrics, "failures") > 0)
    assert ids == ["a", "b"]
    heir = await bus.consumer(GROUP, [ACTIONS])
    left = await heir.poll(10, 0)
    assert left and left[0].value == b"nonsense"
