"""The guarantees of every bus, as tests: each implementation subclasses ``BusContract`` and provides a harness.

The tests do not depend on the implementation; timeouts are long enough for a broker over a socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import pytest

from truebook.bus.partitioner import partition_of
from truebook.bus.port import Bus, BusClosed, BusConsumer, Partition, Record
from truebook.messages.topics import StartAt, Topic

PARTITIONS = 4
WITHIN_S = 60.0
KEYS = tuple(f"KX-{number}" for number in range(12))


class Harness(Protocol):
    """One implementation under test. ``settle_s``: how long a poll must stay empty to count as drained."""

    settle_s: float

    async def bus(self) -> Bus:
        """A connection to the one bus of this test."""
        ...

    async def topic(self, start_at: StartAt, *, compacted: bool = False) -> Topic:
        """A fresh topic with ``PARTITIONS`` partitions."""
        ...


class Seen:
    """A rebalance listener that records its calls."""

    def __init__(self) -> None:
        self.owned: set[Partition] = set()
        self.calls: list[tuple[str, frozenset[Partition]]] = []

    async def assigned(self, partitions: frozenset[Partition]) -> None:
        self.owned |= partitions
        self.calls.append(("assigned", partitions))

    async def revoked(self, partitions: frozenset[Partition]) -> None:
        self.owned -= partitions
        self.calls.append(("revoked", partitions))


async def take(consumer: BusConsumer, count: int) -> list[Record]:
    """Poll until ``count`` records were received."""
    taken: list[Record] = []
    async with asyncio.timeout(WITHIN_S):
        while len(taken) < count:
            taken += await consumer.poll(count - len(taken), 0.2)
    return taken


async def drain(consumer: BusConsumer, settle_s: float) -> list[Record]:
    """Poll until no more records are received."""
    taken: list[Record] = []
    while records := await consumer.poll(1000, settle_s):
        taken += records
    return taken


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until ``condition`` holds; the caller limits the time."""
    while not condition():
        await asyncio.sleep(0.01)


def behind(records: Sequence[Record]) -> dict[Partition, int]:
    """The commit that covers these records."""
    offsets: dict[Partition, int] = {}
    for record in records:
        partition = Partition(record.topic, record.partition)
        offsets[partition] = max(offsets.get(partition, 0), record.offset + 1)
    return offsets


def values(records: Sequence[Record]) -> list[bytes]:
    return sorted(record.value for record in records)


class BusContract:
    """Subclass it and define the fixture ``harness``."""

    @pytest.fixture
    def harness(self) -> Harness:
        raise NotImplementedError

    async def test_records_of_one_key_arrive_in_the_order_of_their_publication(self, harness: Harness) -> None:
        bus, topic = await harness.bus(), await harness.topic(StartAt.COMMITTED)
        consumer = await bus.consumer("order", [topic])
        for number in range(240):
            await bus.publish(topic, KEYS[number % len(KEYS)], b"%d" % number)
        records = await take(consumer, 240)
        for key in KEYS:
            of_key = [int(record.value) for record in records if record.key == key]
            assert of_key == sorted(of_key)
            assert len(of_key) == 20

    async def test_publish_many_keeps_the_order_too(self, harness: Harness) -> None:
        bus, topic = await harness.bus(), await harness.topic(StartAt.COMMITTED)
        consumer = await bus.consumer("many", [topic])
        await bus.publish_many(topic, [("one", b"%d" % number) for number in range(50)])
        assert [int(record.value) for record in await take(consumer, 50)] == list(range(50))

    async def test_a_key_is_in_the_partition_that_kafka_would_choose(self, harness: Harness) -> None:
        bus, topic = await harness.bus(), await harness.topic(StartAt.COMMITTED)
        consumer = await bus.consumer("partitions", [topic])
        for key in KEYS:
            await bus.publish(topic, key, key.encode())
        for record in await take(consumer, len(KEYS)):
            assert record.partition == partition_of(record.key, PARTITIONS)

    async def test_a_full_cycle_leaves_nothing_to_the_next_member(self, harness: Harness) -> None:
        bus, topic = await harness.bus(), await harness.topic(StartAt.COMMITTED)
        first = await bus.consumer("cycle", [topic])
        for key in KEYS:
            await bus.publish(topic, key, b"x")
        await first.commit(behind(await take(first, len(KEYS))))
        await first.close()
        second = await bus.consumer("cycle", [topic])
        assert await drain(second, harness.settle_s) == []

    async def test_uncommitted_records_go_to_the_next_member(self, harness: Harness) -> None:
        bus, topic = await harness.bus(), await harness.topic(StartAt.COMMITTED)
        first = await bus.consumer("crash", [topic])
        for number in range(10):
            await bus.publish(topic, "one", b"%d" % number)
        await first.commit(behind((await take(first, 10))[:4]))
        await first.close()
        second = await bus.consumer("crash", [topic])
        assert [int(record.value) for record in await take(second, 6)] == [4, 5, 6, 7, 8, 9]

    async def test_each_group_gets_every_record(self, harness: Harness) -> None:
        bus, topic = await harness.bus(), await harness.topic(StartAt.COMMITTED)
        groups = [await bus.consumer(name, [topic]) for name in ("left", "right")]
        for key in KEYS:
            await bus.publish(topic, key, key.encode())
        for consumer in groups:
            assert values(await take(consumer, len(KEYS))) == sorted(key.encode() for key in KEYS)

    async def test_a_new_group_gets_what_was_published_before_it_joined(self, harness: Harness) -> None:
        bus, topic = await harness.bus(), await harness.topic(StartAt.COMMITTED)
        await bus.publish(topic, "early", b"early")
        consumer = await bus.consumer("late", [topic])
        assert values(await take(consumer, 1)) == [b"early"]

    async def test_a_new_member_takes_partitions_over_and_nothing_is_lost(self, harness: Harness) -> None:
        bus, topic = await harness.bus(), await harness.topic(StartAt.COMMITTED)
        seen = (Seen(), Seen())
        first = await bus.consumer("grow", [topic], rebalance=seen[0])
        handled: list[Record] = []

        async def read(consumer: BusConsumer) -> None:
            while True:
                records = await consumer.poll(10, 0.1)
                handled.extend(records)
                await consumer.commit(behind(records))

        async with asyncio.timeout(WITHIN_S):
            readers = [asyncio.create_task(read(first))]
            for number in range(100):
                await bus.publish(topic, KEYS[number % len(KEYS)], b"%d" % number)
            second = await bus.consumer("grow", [topic], rebalance=seen[1])
            readers.append(asyncio.create_task(read(second)))
            for number in range(100, 200):
                await bus.publish(topic, KEYS[number % len(KEYS)], b"%d" % number)
            await until(lambda: {int(record.value) for record in handled} == set(range(200)))
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        assert len(seen[0].owned) == len(seen[1].owned) == PARTITIONS // 2
        assert not seen[0].owned & seen[1].owned

    async def test_the_partitions_of_a_member_that_leaves_go_to_the_others(self, harness: Harness) -> None:
        bus, topic = await harness.bus(), await harness.topic(StartAt.COMMITTED)
        stays = await bus.consumer("shrink", [topic])
        leaves = await bus.consumer("shrink", [topic])
        await leaves.close()
        for key in KEYS:
            await bus.publish(topic, key, key.encode())
        taken: set[bytes] = set()  # a rebalance may deliver uncommitted records again
        async with asyncio.timeout(WITHIN_S):
            while taken != {key.encode() for key in KEYS}:
                taken |= set(values(await stays.poll(100, 0.2)))

    async def test_a_commit_while_partitions_are_revoked_counts(self, harness: Harness) -> None:
        bus, topic = await harness.bus(), await harness.topic(StartAt.COMMITTED)
        handled: list[Record] = []

        class CommitsOnRevoke(Seen):
            async def revoked(self, partitions: frozenset[Partition]) -> None:
                await first.commit({p: offset for p, offset in behind(handled).items() if p in partitions})
                await super().revoked(partitions)

        first = await bus.consumer("handover", [topic], rebalance=CommitsOnRevoke())
        for key in KEYS:
            await bus.publish(topic, key, key.encode())
        handled += await take(first, len(KEYS))
        joining = asyncio.create_task(bus.consumer("handover", [topic]))
        while not joining.done():  # some buses hand over only while the old owner polls
            handled += await first.poll(10, 0.05)
        second = await joining
        assert await drain(second, harness.settle_s) == []

    async def test_a_commit_of_a_lost_partition_is_ignored(self, harness: Harness) -> None:
        bus, topic = await harness.bus(), await harness.topic(StartAt.COMMITTED)
        first = await bus.consumer("zombie", [topic])
        for key in KEYS:
            await bus.publish(topic, key, key.encode())
        records = await take(first, len(KEYS))
        joining = asyncio.create_task(bus.consumer("zombie", [topic]))
        while not joining.done():
            await first.poll(1, 0.05)
        second = await joining
        await first.commit(behind(records))
        again = await drain(second, harness.settle_s)
        assert again, "the new owner handles them again"
        assert set(values(again)) < set(values(records))

    async def test_an_end_topic_starts_at_the_end_at_every_assignment(self, harness: Harness) -> None:
        bus, topic = await harness.bus(), await harness.topic(StartAt.END)
        await bus.publish(topic, "one", b"before anyone")
        first = await bus.consumer("end", [topic])
        await bus.publish(topic, "one", b"while first reads")
        records = await take(first, 1)
        assert values(records) == [b"while first reads"]
        await first.commit(behind(records))
        await first.close()
        await bus.publish(topic, "one", b"without a reader")
        second = await bus.consumer("end", [topic])
        await bus.publish(topic, "one", b"while second reads")
        assert values(await take(second, 1)) == [b"while second reads"]

    async def test_a_compacted_topic_gives_the_last_record_of_each_key(self, harness: Harness) -> None:
        bus, topic = await harness.bus(), await harness.topic(StartAt.BEGINNING, compacted=True)
        for number in range(36):
            await bus.publish(topic, KEYS[number % len(KEYS)], b"%d" % number)
        for _ in range(2):  # the second time also after a commit
            consumer = await bus.consumer("facts", [topic])
            last: dict[str, bytes] = {}
            async with asyncio.timeout(WITHIN_S):
                while last != {key: b"%d" % (24 + at) for at, key in enumerate(KEYS)}:
                    records = await consumer.poll(100, 0.2)
                    last.update({record.key: record.value for record in records})
                    await consumer.commit(behind(records))
            await consumer.close()

    async def test_a_stalled_observer_blocks_no_publisher(self, harness: Harness) -> None:
        bus, topic = await harness.bus(), await harness.topic(StartAt.COMMITTED)
        await bus.consumer("watcher", [topic], observer=True)
        pipeline = await bus.consumer("worker", [topic])
        async with asyncio.timeout(WITHIN_S):
            for number in range(500):
                await bus.publish(topic, "one", b"%d" % number)
                if number % 50 == 49:
                    await pipeline.commit(behind(await take(pipeline, 50)))

    async def test_lag_counts_unread_records(self, harness: Harness) -> None:
        bus, topic = await harness.bus(), await harness.topic(StartAt.COMMITTED)
        consumer = await bus.consumer("lag", [topic])
        for _ in range(7):
            await bus.publish(topic, "one", b"x")
        await take(consumer, 3)
        assert await consumer.lag() == {topic.name: 4}

    async def test_a_poll_ends_with_the_first_record_or_after_its_time(self, harness: Harness) -> None:
        bus, topic = await harness.bus(), await harness.topic(StartAt.COMMITTED)
        consumer = await bus.consumer("waits", [topic])
        assert list(await consumer.poll(10, 0.01)) == []
        polling = asyncio.create_task(consumer.poll(10, WITHIN_S))
        await asyncio.sleep(0)
        await bus.publish(topic, "one", b"x")
        async with asyncio.timeout(WITHIN_S):
            assert values(await polling) == [b"x"]

    async def test_closing_the_bus_wakes_a_waiting_poll(self, harness: Harness) -> None:
        bus, topic = await harness.bus(), await harness.topic(StartAt.COMMITTED)
        consumer = await bus.consumer("closed", [topic])
        polling = asyncio.create_task(consumer.poll(10, WITHIN_S * 2))
        await asyncio.sleep(0)
        await bus.aclose()
        async with asyncio.timeout(WITHIN_S):
            with pytest.raises(BusClosed):
                await polling
        with pytest.raises(BusClosed):
            await bus.publish(topic, "one", b"x")

    async def test_closing_twice_is_closing_once(self, harness: Harness) -> None:
        bus, topic = await harness.bus(), await harness.topic(StartAt.COMMITTED)
        consumer = await bus.consumer("twice", [topic])
        await consumer.close()
        await consumer.close()
        with pytest.raises(BusClosed):
            await consumer.poll(1, 0)
        await bus.aclose()
        await bus.aclose()
