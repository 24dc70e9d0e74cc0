"""Backlogs of which only the newest records matter: compacted topics, observations, books."""

from __future__ import annotations

import asyncio

from truebook.bus.memory.bus import POLICIES, MemoryBus, MemoryConsumer, is_snapshot
from truebook.bus.memory.log import Collapse
from truebook.bus.port import Record
from truebook.messages import codec
from truebook.messages.envelope import BookSide, Source
from truebook.messages.orderbook import BookDelta, BookSnapshot
from truebook.messages.topics import MARKETS, OBSERVATIONS, ORDERBOOK

WITHIN_S = 60.0
SNAPSHOT = b'{"type":"book_snapshot"'


async def take(consumer: MemoryConsumer, most: int = 10_000) -> list[Record]:
    return list(await consumer.poll(most, 0))


async def test_a_compacted_topic_holds_one_record_per_key() -> None:
    bus = MemoryBus()
    for number in range(100):
        await bus.publish(MARKETS, f"M{number % 3}", b"%d" % number)
    assert bus.held() == 3
    reader = await bus.consumer("reader", [MARKETS])
    assert sorted((record.key, record.value, record.missed) for record in await take(reader)) == [
        ("M0", b"99", 0), ("M1", b"97", 0), ("M2", b"98", 0),
    ]  # fmt: skip


async def test_an_unread_observation_is_replaced_by_a_newer_one() -> None:
    bus = MemoryBus(partitions=1)
    policy = await bus.consumer("policy", [OBSERVATIONS])
    for value in (b"A1", b"B1", b"A2", b"C1", b"A3"):
        await bus.publish(OBSERVATIONS, value[:1].decode(), value)
    records = await take(policy)
    assert [(record.value, record.missed) for record in records] == [(b"B1", 1), (b"C1", 1), (b"A3", 0)]


async def test_publishing_observations_never_waits() -> None:
    bus = MemoryBus(pipeline_capacity=5)
    await bus.consumer("policy", [OBSERVATIONS])
    async with asyncio.timeout(WITHIN_S):
        for number in range(1_000):
            await bus.publish(OBSERVATIONS, f"M{number % 20}", b"x")
    assert bus.held() == 20


async def book_bus(keep: int) -> tuple[MemoryBus, MemoryConsumer]:
    bus = MemoryBus(partitions=1, policies={ORDERBOOK.name: Collapse(keep, is_snapshot)})
    return bus, await bus.consumer("observation", [ORDERBOOK])


async def test_a_book_backlog_collapses_to_its_newest_snapshot() -> None:
    bus, reader = await book_bus(keep=6)
    for value in (b"d0", b"d1", b"d2", SNAPSHOT + b"3", b"d4", b"d5"):
        await bus.publish(ORDERBOOK, "A", value)
    await bus.publish(ORDERBOOK, "B", b"other")
    assert len(await take(reader, 0)) == 0
    await bus.publish(ORDERBOOK, "A", SNAPSHOT + b"6")
    await bus.publish(ORDERBOOK, "A", b"d7")
    records = await take(reader)
    assert [record.value for record in records] == [b"other", SNAPSHOT + b"6", b"d7"]
    assert sum(record.missed for record in records) == 6


async def test_a_backlog_without_a_snapshot_keeps_its_last_record() -> None:
    bus, reader = await book_bus(keep=4)
    for number in range(5):
        await bus.publish(ORDERBOOK, "A", b"d%d" % number)
    records = await take(reader)
    assert [(record.value, record.missed) for record in records] == [(b"d4", 4)]


async def test_an_old_snapshot_with_a_long_tail_is_dropped() -> None:
    bus, reader = await book_bus(keep=6)
    for value in (SNAPSHOT, *(b"d%d" % number for number in range(6))):
        await bus.publish(ORDERBOOK, "A", value)
    assert [record.value for record in await take(reader)] == [b"d5"]


async def test_one_busy_market_does_not_cost_a_quiet_one_its_records() -> None:
    bus, reader = await book_bus(keep=4)
    await bus.publish(ORDERBOOK, "quiet", b"q0")
    for number in range(100):
        await bus.publish(ORDERBOOK, "busy", b"d%d" % number)
    await bus.publish(ORDERBOOK, "quiet", b"q1")
    assert [record.value for record in await take(reader) if record.key == "quiet"] == [b"q0", b"q1"]


async def test_a_reader_that_keeps_up_sees_every_delta() -> None:
    bus, reader = await book_bus(keep=4)
    seen: list[int] = []
    for number in range(100):
        await bus.publish(ORDERBOOK, "A", b"%d" % number)
        if number % 4 == 3:
            records = await take(reader)
            assert not any(record.missed for record in records)
            seen += [int(record.value) for record in records]
    assert seen == list(range(100))


def test_snapshots_are_recognised_by_their_encoded_tag() -> None:
    head = {
        "id": "1", "cause_id": "", "account": "a", "strategy": "s", "ticker": "T", "source": Source.SIMULATED,
        "exchange_us": None, "produced_us": 1, "epoch": 1, "version": 1, "confirmed_us": 1, "frame_us": 1,
    }  # fmt: skip
    assert is_snapshot(codec.encode(BookSnapshot(**head, bids=(), asks=())))
    assert not is_snapshot(codec.encode(BookDelta(**head, book_side=BookSide.BID, price_cc=1, size_centi=1)))
    assert POLICIES[ORDERBOOK.name].is_self_contained is is_snapshot
