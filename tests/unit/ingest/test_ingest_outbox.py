"""Gathered messages reach the bus in order and once; a backlog becomes one snapshot a market."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from support.fakes_market import TopicReader, context
from truebook.book.order_book import OrderBook
from truebook.bus.memory import MemoryBus
from truebook.bus.port import BusError
from truebook.kalshi.port import DeltaFrame, SnapshotFrame
from truebook.messages.envelope import BookSide
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale
from truebook.messages.reasons import Reason
from truebook.messages.topics import ORDERBOOK, Topic
from truebook.runtime.context import Context
from truebook_services.ingest.books import FollowedBooks
from truebook_services.ingest.outbox import Outbox


class WaywardBus(MemoryBus):
    """A bus that fails, or makes publishers wait, when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.is_failing = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.batches: list[int] = []

    async def publish_many(self, topic: Topic, records: Sequence[tuple[str, bytes]]) -> None:
        await self.gate.wait()
        if self.is_failing:
            raise BusError("not now")
        self.batches.append(len(records))
        await super().publish_many(topic, records)


def followed(surroundings: Context, most_backlog: int = 1_000) -> tuple[FollowedBooks, Outbox]:
    books = FollowedBooks(surroundings)
    outbox = Outbox(surroundings, most_backlog=most_backlog, collapse=books.collapse)
    books.publish_through(outbox.put)
    for ticker in ("A", "B"):
        books.follow(ticker, "E")
        books.take_snapshot(
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
        assert books.take_delta(frame) is None


async def test_what_is_gathered_goes_out_in_one_batch_and_in_order() -> None:
    bus = WaywardBus()
    surroundings = context("ingest", bus=bus)
    reader = await TopicReader(bus, ORDERBOOK).join()
    books, outbox = followed(surroundings)
    change(books, "A", 5)
    await outbox.publish_gathered()
    await reader.read()
    assert bus.batches == [7]
    assert [delta.version for delta in reader.of(BookDelta)] == [2, 3, 4, 5, 6]


async def test_what_could_not_be_published_goes_out_with_the_next_batch() -> None:
    bus = WaywardBus()
    reader = await TopicReader(bus, ORDERBOOK).join()
    books, outbox = followed(context("ingest", bus=bus))
    bus.is_failing = True
    with pytest.raises(BusError):
        await outbox.publish_gathered()
    change(books, "A", 1)
    bus.is_failing = False
    await outbox.publish_gathered()
    await reader.read()
    assert bus.batches == [3]
    assert reader.replicas["A"].book == OrderBook([(4_000, 200)], [(4_400, 100)])


async def test_a_backlog_collapses_to_a_stale_mark_and_a_snapshot_of_each_of_its_markets() -> None:
    bus = WaywardBus()
    surroundings = context("ingest", bus=bus)
    reader = await TopicReader(bus, ORDERBOOK).join()
    books, outbox = followed(surroundings, most_backlog=100)
    await outbox.publish_now()
    change(books, "A", 95)
    change(books, "B", 6)
    await outbox.publish_now()
    await reader.read()
    assert reader.of(BookDelta) == []
    assert {mark.ticker: mark.reason for mark in reader.of(BookStale)} == {"A": Reason.BACKLOG, "B": Reason.BACKLOG}
    assert {ticker: replica.version for ticker, replica in reader.replicas.items()} == {"A": 96, "B": 7}
    assert all(replica.stale is None for replica in reader.replicas.values())
    assert surroundings.metrics.total("collapsed_messages") == 101


async def test_readers_end_with_the_true_book_when_the_backlog_collapses_while_a_batch_is_on_its_way() -> None:
    bus = WaywardBus()
    reader = await TopicReader(bus, ORDERBOOK).join()
    books, outbox = followed(context("ingest", bus=bus), most_backlog=10)
    bus.gate.clear()
    change(books, "A", 3)
    publishing = asyncio.ensure_future(outbox.publish_now())
    await asyncio.sleep(0)
    change(books, "A", 30)
    bus.gate.set()
    await publishing
    await outbox.publish_now()
    await reader.read()
    assert reader.replicas["A"].stale is None
    assert reader.replicas["A"].book == OrderBook([(4_000, 3_400)], [(4_400, 100)])
    assert isinstance(reader.messages[-1], BookSnapshot | BookDelta)
