"""Properties of the in-process bus only: its bounds, its coalescing, its detection of a deadlock."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from truebook.bus.memory.bus import BusDeadlock, MemoryBus, MemoryConsumer
from truebook.bus.port import BusClosed, BusError, Partition, Record
from truebook.messages.topics import ACTIONS, ORDERBOOK, StartAt, Topic

WITHIN_S = 60.0
ONE = Topic(name="one", carries=(), start_at=StartAt.COMMITTED, partitions=1)
EVENTS = Topic(name="events", carries=(), start_at=StartAt.END, partitions=1)
SNAPSHOT = b'{"type":"book_snapshot"'


def behind(records: Sequence[Record]) -> dict[Partition, int]:
    return {Partition(record.topic, record.partition): record.offset + 1 for record in records}


async def take(consumer: MemoryConsumer, most: int = 10_000) -> list[Record]:
    return list(await consumer.poll(most, 0))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


# Back-pressure.


async def test_a_publisher_waits_until_the_slowest_pipeline_group_has_committed() -> None:
    bus = MemoryBus(pipeline_capacity=3)
    quick, slow = await bus.consumer("quick", [ONE]), await bus.consumer("slow", [ONE])
    for number in range(3):
        await bus.publish(ONE, "k", b"%d" % number)
    waiting = asyncio.create_task(bus.publish(ONE, "k", b"3"))
    await quick.commit(behind(await take(quick)))
    read = await take(slow)
    await settle()
    assert not waiting.done(), "reading is not enough: uncommitted records may be requested again"
    await slow.commit({Partition("one", 0): 1})
    async with asyncio.timeout(WITHIN_S):
        await waiting
    assert [record.value for record in read + await take(slow)] == [b"0", b"1", b"2", b"3"]


async def test_on_an_end_topic_reading_makes_room() -> None:
    bus = MemoryBus(pipeline_capacity=2)
    reader = await bus.consumer("reader", [EVENTS])
    await bus.publish_many(EVENTS, [("k", b"0"), ("k", b"1")])
    waiting = asyncio.create_task(bus.publish(EVENTS, "k", b"2"))
    await settle()
    assert not waiting.done()
    await take(reader)
    async with asyncio.timeout(WITHIN_S):
        await waiting


async def test_a_group_without_members_still_blocks_publishers() -> None:
    bus = MemoryBus(pipeline_capacity=1)
    await (await bus.consumer("away", [ONE])).close()
    await bus.publish(ONE, "k", b"0")
    waiting = asyncio.create_task(bus.publish(ONE, "k", b"1"))
    await settle()
    assert not waiting.done()
    back = await bus.consumer("away", [ONE])
    await back.commit(behind(await take(back)))
    async with asyncio.timeout(WITHIN_S):
        await waiting


async def test_an_end_group_without_members_blocks_nothing() -> None:
    bus = MemoryBus(pipeline_capacity=1, observer_log=1)
    await (await bus.consumer("away", [EVENTS])).close()
    async with asyncio.timeout(WITHIN_S):
        for _ in range(5):
            await bus.publish(EVENTS, "k", b"x")
    assert bus.held() <= 1


async def test_a_task_that_would_wait_for_itself_gets_an_error() -> None:
    bus = MemoryBus(pipeline_capacity=2)
    reader = await bus.consumer("reader", [ONE])
    await bus.publish_many(ONE, [("k", b"0"), ("k", b"1")])
    await take(reader)
    with pytest.raises(BusDeadlock, match="one"):
        await bus.publish(ONE, "k", b"2")


async def test_another_tasks_backlog_is_waited_for() -> None:
    bus = MemoryBus(pipeline_capacity=1)
    reader = await bus.consumer("reader", [ONE])
    await bus.publish(ONE, "k", b"0")

    async def read() -> None:
        await asyncio.sleep(0)
        await reader.commit(behind(await take(reader)))

    async with asyncio.timeout(WITHIN_S):
        await asyncio.gather(bus.publish(ONE, "k", b"1"), asyncio.create_task(read()))


async def test_a_cancelled_publisher_has_published_nothing() -> None:
    bus = MemoryBus(pipeline_capacity=1)
    reader = await bus.consumer("reader", [ONE])
    await bus.publish(ONE, "k", b"0")
    waiting = asyncio.create_task(bus.publish(ONE, "k", b"1"))
    await settle()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await reader.commit(behind(await take(reader)))
    assert await take(reader) == []


async def test_closing_the_bus_wakes_waiting_publishers() -> None:
    bus = MemoryBus(pipeline_capacity=1)
    await bus.consumer("reader", [ONE])
    await bus.publish(ONE, "k", b"0")
    waiting = asyncio.create_task(bus.publish(ONE, "k", b"1"))
    await settle()
    await bus.aclose()
    async with asyncio.timeout(WITHIN_S):
        with pytest.raises(BusClosed):
            await waiting


async def test_a_publisher_that_never_waits_lets_others_run() -> None:
    bus, ran = MemoryBus(), asyncio.Event()
    asyncio.get_running_loop().call_soon(ran.set)
    for _ in range(1_000):
        await bus.publish(EVENTS, "k", b"x")
    assert ran.is_set()


# Observers.


async def test_a_slow_observer_loses_the_oldest_records_counted() -> None:
    bus = MemoryBus(observer_log=10)
    watcher = await bus.consumer("watcher", [ONE], observer=True)
    for number in range(25):
        await bus.publish(ONE, "k", b"%d" % number)
    records = await take(watcher)
    assert [(int(record.value), record.missed) for record in records] == [
        (15, 15), *((number, 0) for number in range(16, 25)),
    ]  # fmt: skip


async def test_an_observers_log_is_bounded_in_memory() -> None:
    bus = MemoryBus(observer_log=10)
    await bus.consumer("watcher", [ONE], observer=True)
    for _ in range(1_000):
        await bus.publish(ONE, "k", b"x")
    assert bus.held() <= 10


async def test_a_slow_pipeline_group_loses_nothing_for_an_observers_bound() -> None:
    bus = MemoryBus(observer_log=10)
    worker = await bus.consumer("worker", [ONE])
    await bus.consumer("watcher", [ONE], observer=True)
    for number in range(50):
        await bus.publish(ONE, "k", b"%d" % number)
    records = await take(worker)
    assert [int(record.value) for record in records] == list(range(50))
    assert not any(record.missed for record in records)


async def test_a_group_can_not_change_between_observer_and_pipeline() -> None:
    bus = MemoryBus()
    await bus.consumer("group", [ONE], observer=True)
    with pytest.raises(BusError, match="observer"):
        await bus.consumer("group", [ONE])


# Memory.


async def test_records_that_every_group_has_read_are_dropped() -> None:
    bus = MemoryBus()
    left, right = await bus.consumer("left", [ONE]), await bus.consumer("right", [ONE])
    for _ in range(20):
        await bus.publish(ONE, "k", b"x")
    await left.commit(behind(await take(left)))
    assert bus.held() == 20
    await right.commit(behind(await take(right)))
    assert bus.held() == 0


async def test_a_topic_without_readers_keeps_a_bounded_backlog() -> None:
    bus = MemoryBus(observer_log=5)
    for number in range(12):
        await bus.publish(ONE, "k", b"%d" % number)
    first = await bus.consumer("first", [ONE])
    assert [int(record.value) for record in await take(first)] == [7, 8, 9, 10, 11]


async def test_a_topic_with_no_bound_is_refused() -> None:
    journal = Topic(name="journal", carries=(), start_at=StartAt.BEGINNING)
    with pytest.raises(BusError, match="unbounded"):
        await MemoryBus().publish(journal, "k", b"x")


# Members.


async def test_four_partitions_are_shared_evenly_and_moved_sparingly() -> None:
    bus = MemoryBus(partitions=4)
    first = await bus.consumer("group", [ACTIONS])

    def owned(member: MemoryConsumer) -> set[int]:
        return {share.partition.number for share in member._shares}

    assert owned(first) == {0, 1, 2, 3}
    second = await bus.consumer("group", [ACTIONS])
    assert (owned(first), owned(second)) == ({0, 1}, {2, 3})
    third = await bus.consumer("group", [ACTIONS])
    assert (owned(first), owned(second), owned(third)) == ({0, 1}, {2}, {3})
    await first.close()
    assert (owned(second), owned(third)) == ({0, 2}, {1, 3})


async def test_members_get_the_same_partitions_of_topics_with_equal_counts() -> None:
    bus = MemoryBus(partitions=4)
    members = [await bus.consumer("group", [ACTIONS, ORDERBOOK]) for _ in range(3)]
    for member in members:
        of_topic = {
            topic: {share.partition.number for share in member._shares if share.partition.topic == topic}
            for topic in ("actions", "orderbook")
        }
        assert of_topic["actions"] == of_topic["orderbook"]


async def test_an_error_of_a_rebalance_callback_reaches_its_own_member_only() -> None:
    class Refuses:
        async def assigned(self, partitions: frozenset[Partition]) -> None: ...

        async def revoked(self, partitions: frozenset[Partition]) -> None:
            raise RuntimeError("can't release")

    bus = MemoryBus(partitions=2)
    first = await bus.consumer("group", [ACTIONS], rebalance=Refuses())
    second = await bus.consumer("group", [ACTIONS])
    assert await take(second) == []
    with pytest.raises(RuntimeError, match="release"):
        await first.poll(1, 0)


async def test_a_member_whose_assignment_fails_does_not_join() -> None:
    class Refuses:
        async def assigned(self, partitions: frozenset[Partition]) -> None:
            raise RuntimeError("no epoch")

        async def revoked(self, partitions: frozenset[Partition]) -> None: ...

    bus = MemoryBus(partitions=2)
    with pytest.raises(RuntimeError, match="no epoch"):
        await bus.consumer("group", [ACTIONS], rebalance=Refuses())
    await bus.publish(ACTIONS, "k", b"x")
    assert len(await take(await bus.consumer("group", [ACTIONS]))) == 1


async def test_a_member_cancelled_while_joining_holds_no_partitions() -> None:
    forever = asyncio.Event()

    class Hangs:
        async def assigned(self, partitions: frozenset[Partition]) -> None:
            await forever.wait()

        async def revoked(self, partitions: frozenset[Partition]) -> None: ...

    bus = MemoryBus(partitions=2)
    joining = asyncio.create_task(bus.consumer("group", [ACTIONS], rebalance=Hangs()))
    await settle()
    joining.cancel()
    await asyncio.gather(joining, return_exceptions=True)
    forever.set()
    await bus.publish(ACTIONS, "k", b"x")
    async with asyncio.timeout(WITHIN_S):
        heir = await bus.consumer("group", [ACTIONS])
        assert len(await heir.poll(1, WITHIN_S)) == 1


async def test_no_record_flows_before_the_assignment_callback_has_returned() -> None:
    bus, open_gate, order = MemoryBus(partitions=1), asyncio.Event(), []

    class Gate:
        async def assigned(self, partitions: frozenset[Partition]) -> None:
            await open_gate.wait()
            order.append("assigned")

        async def revoked(self, partitions: frozenset[Partition]) -> None: ...

    await bus.publish(ACTIONS, "k", b"x")

    async def run() -> None:
        member = await bus.consumer("group", [ACTIONS], rebalance=Gate())
        await member.poll(1, WITHIN_S)
        order.append("record")

    running = asyncio.create_task(run())
    await settle()
    open_gate.set()
    async with asyncio.timeout(WITHIN_S):
        await running
    assert order == ["assigned", "record"]


async def test_a_batch_is_gathered_fairly_from_all_partitions() -> None:
    bus = MemoryBus(partitions=2)
    reader = await bus.consumer("group", [ACTIONS])
    for number in range(40):
        await bus.publish(ACTIONS, f"M{number}", b"x")
    partitions = [{record.partition for record in await take(reader, 5)} for _ in range(4)]
    assert {0} in partitions
    assert {1} in partitions


async def test_twenty_thousand_records_go_through_publish_poll_and_commit() -> None:
    """The speed is measured by `make bench`."""
    bus, count = MemoryBus(), 20_000
    reader = await bus.consumer("group", [ACTIONS])

    async def read() -> None:
        left = count
        while left:
            records = await reader.poll(500, WITHIN_S)
            await reader.commit(behind(records))
            left -= len(records)

    async with asyncio.timeout(30):
        reading = asyncio.create_task(read())
        await bus.publish_many(ACTIONS, [(f"M{number % 200}", b"x" * 400) for number in range(count)])
        await reading


async def test_publishing_many_equals_publishing_each() -> None:
    records = [(f"M{number % 7}", b"%d" % number) for number in range(600)]
    found = []
    for is_together in (True, False):
        bus = MemoryBus()
        reader = await bus.consumer("reader", [ORDERBOOK])
        if is_together:
            await bus.publish_many(ORDERBOOK, records)
        else:
            for key, value in records:
                await bus.publish(ORDERBOOK, key, value)
        found.append(await take(reader))
    assert len(found[0]) == 600
    assert found[0] == found[1]


async def test_publishing_many_lets_others_run_and_ends_with_the_bus() -> None:
    bus = MemoryBus()
    publishing = asyncio.create_task(bus.publish_many(ORDERBOOK, [("M", b"x")] * 1_000))
    await asyncio.sleep(0)
    assert not publishing.done()
    await bus.aclose()
    with pytest.raises(BusClosed):
        await publishing
