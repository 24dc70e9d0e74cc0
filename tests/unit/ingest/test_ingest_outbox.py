"""Messages are published in order and once; a backlog becomes one snapshot per market."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from support.metrics import counted
from support.services import TopicReader, make_context
from truebook.book.order_book import OrderBook
from truebook.bus.memory.bus import MemoryBus
from truebook.bus.port import BusError
from truebook.clock import ManualClock
from truebook.kalshi.port import DeltaFrame, SnapshotFrame
from truebook.messages.book_states import BookState
from truebook.messages.envelope import BookSide
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale
from truebook.messages.reasons import Reason
from truebook.messages.topics import BOOK_STATES, ORDERBOOK, Topic
from truebook.runtime.context import Context
from truebook_services.ingest.books import FollowedBooks
from truebook_services.ingest.outbox import Outbox


class FaultyBus(MemoryBus):
    """A bus that fails, or makes publishers wait, on demand."""

    def __init__(self) -> None:
        super().__init__()
        self.is_failing = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()
        self.batches: list[int] = []

    async def publish_many(self, topic: Topic, records: Sequence[tuple[str, bytes]]) -> None:
        self.entered.set()
        await self.gate.wait()
        if self.is_failing:
            raise BusError("not now")
        if topic is ORDERBOOK:
            self.batches.append(len(records))
        await super().publish_many(topic, records)


def followed(shared: Context, max_backlog: int = 1_000, state_linger_us: int = 0) -> tuple[FollowedBooks, Outbox]:
    books = FollowedBooks(shared)
    outbox = Outbox(shared, max_backlog=max_backlog, collapse=books.collapse, state_linger_us=state_linger_us)
    books.publish_through(outbox.put, outbox.put_state)
    for ticker in ("A", "B"):
        books.follow(ticker, "E")
        books.apply_snapshot(
            SnapshotFrame(
                sid=1, seq=1, received_us=0, ticker=ticker, bids=((4_000, 100),), asks=((4_400, 100),), exchange_us=None
            )
        )
    return books, outbox


def change(books: FollowedBooks, ticker: str, times: int) -> None:
    for _ in range(times):
        frame = DeltaFrame(
            sid=1, seq=1, received_us=0, ticker=ticker, book_side=BookSide.BID, price_cc=4_000, delta_centi=100,
            exchange_us=None,
        )  # fmt: skip
        assert books.apply_delta(frame) is None


async def test_collected_messages_are_published_in_order_in_one_batch() -> None:
    bus = FaultyBus()
    shared = make_context("ingest", bus=bus)
    reader = await TopicReader(bus, ORDERBOOK).join()
    books, outbox = followed(shared)
    change(books, "A", 5)
    await outbox.publish_when_ready()
    await reader.read()
    assert bus.batches == [7]
    assert [delta.version for delta in reader.of(BookDelta)] == [2, 3, 4, 5, 6]


async def test_unpublished_messages_are_in_the_next_batch() -> None:
    bus = FaultyBus()
    reader = await TopicReader(bus, ORDERBOOK).join()
    books, outbox = followed(make_context("ingest", bus=bus))
    bus.is_failing = True
    with pytest.raises(BusError):
        await outbox.publish_when_ready()
    change(books, "A", 1)
    bus.is_failing = False
    await outbox.publish_when_ready()
    await reader.read()
    assert bus.batches == [3]
    assert reader.replicas["A"].book == OrderBook([(4_000, 200)], [(4_400, 100)])


async def test_a_backlog_becomes_a_stale_mark_and_a_snapshot_per_market() -> None:
    bus = FaultyBus()
    shared = make_context("ingest", bus=bus)
    reader = await TopicReader(bus, ORDERBOOK).join()
    books, outbox = followed(shared, max_backlog=100)
    await outbox.publish_now()
    change(books, "A", 95)
    change(books, "B", 6)
    await outbox.publish_now()
    await reader.read()
    assert reader.of(BookDelta) == []
    assert {mark.ticker: mark.reason for mark in reader.of(BookStale)} == {"A": Reason.BACKLOG, "B": Reason.BACKLOG}
    assert {ticker: replica.version for ticker, replica in reader.replicas.items()} == {"A": 96, "B": 7}
    assert all(replica.stale is None for replica in reader.replicas.values())
    assert counted(shared.metrics, "collapsed_messages") == 101


async def test_a_backlog_collapsed_during_a_publish_keeps_readers_correct() -> None:
    bus = FaultyBus()
    reader = await TopicReader(bus, ORDERBOOK).join()
    books, outbox = followed(make_context("ingest", bus=bus), max_backlog=10)
    bus.gate.clear()
    change(books, "A", 3)
    publishing = asyncio.ensure_future(outbox.publish_now())
    await bus.entered.wait()
    change(books, "A", 30)
    bus.gate.set()
    await publishing
    await outbox.publish_now()
    await reader.read()
    assert reader.replicas["A"].stale is None
    assert reader.replicas["A"].book == OrderBook([(4_000, 3_400)], [(4_400, 100)])
    assert isinstance(reader.messages[-1], BookSnapshot | BookDelta)


async def test_only_the_newest_state_of_a_market_waits() -> None:
    """Also over a failure of the bus and a collapse of the backlog."""
    bus = FaultyBus()
    clock = ManualClock()
    reader = await TopicReader(bus, BOOK_STATES).join()
    books, outbox = followed(make_context("ingest", clock, bus), max_backlog=10)
    bus.is_failing = True
    with pytest.raises(BusError):
        await outbox.publish_when_ready()
    clock.set(clock.now_us() + 1_000_000)
    change(books, "A", 30)
    books.invalidate("B", Reason.SEQUENCE_GAP, frame_us=1)
    bus.is_failing = False
    await outbox.publish_when_ready()
    await reader.read()
    assert {(state.ticker, state.version, state.stale) for state in reader.of(BookState)} == {
        ("A", 2, None), ("B", 1, Reason.SEQUENCE_GAP),
    }  # fmt: skip
    await outbox.publish_now()
    await reader.read()
    assert len(reader.of(BookState)) == 2, "each is published once"


async def test_a_state_set_during_a_publish_is_published_next() -> None:
    bus = FaultyBus()
    reader = await TopicReader(bus, BOOK_STATES).join()
    books, outbox = followed(make_context("ingest", bus=bus))
    bus.gate.clear()
    publishing = asyncio.ensure_future(outbox.publish_now())
    await bus.entered.wait()
    books.invalidate("A", Reason.DISCONNECTED, frame_us=1)
    bus.gate.set()
    await publishing
    await reader.read()
    await outbox.publish_now()
    await reader.read()
    assert [state.stale for state in reader.of(BookState) if state.ticker == "A"] == [None, Reason.DISCONNECTED]


async def test_states_of_fresh_books_are_collected_and_others_are_not() -> None:
    clock = ManualClock()
    reader = await TopicReader(bus := FaultyBus(), BOOK_STATES).join()
    books, outbox = followed(make_context("ingest", clock, bus), state_linger_us=200_000)

    async def published(after_us: int) -> list[tuple[str, bool]]:
        clock.set(clock.now_us() + after_us)
        before = len(reader.of(BookState))
        await outbox.publish_now()
        await reader.read()
        return sorted((state.ticker, state.stale is None) for state in reader.of(BookState)[before:])

    assert await published(0) == [("A", True), ("B", True)], "fresh now"
    clock.set(clock.now_us() + 300_000)
    change(books, "A", 1)
    assert await published(0) == [("A", True)]
    change(books, "B", 1)
    assert await published(100_000) == []
    assert await published(100_000) == [("B", True)]
    clock.set(clock.now_us() + 100_000)
    change(books, "A", 1)
    books.invalidate("B", Reason.DISCONNECTED, frame_us=1)
    assert await published(0) == [("A", True), ("B", False)]
