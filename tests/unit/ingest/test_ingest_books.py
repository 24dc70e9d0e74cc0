"""Ingest's own books: what a frame changes, what is told of it, and what is not believed."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from support.fakes_market import context
from truebook.book.order_book import OrderBook
from truebook.book.replica import BookReplica
from truebook.clock import ManualClock
from truebook.kalshi.port import DeltaFrame, SnapshotFrame, TradeFrame
from truebook.messages.envelope import BookSide
from truebook.messages.orderbook import BookDelta, BookMessage, BookSnapshot, BookStale
from truebook.messages.reasons import Reason
from truebook_services.ingest.books import FUTURE_US, FollowedBooks

BID, ASK = BookSide.BID, BookSide.ASK


def snapshot(ticker: str = "A", bids: Any = ((4_000, 100),), asks: Any = ((4_400, 100),)) -> SnapshotFrame:
    return SnapshotFrame(sid=1, seq=1, received_us=7, ticker=ticker, bids=bids, asks=asks, exchange_us=None)


def delta(ticker: str, side: BookSide, price_cc: int, delta_centi: int) -> DeltaFrame:
    return DeltaFrame(
        sid=1, seq=1, received_us=9, ticker=ticker, book_side=side, price_cc=price_cc, delta_centi=delta_centi,
        exchange_us=5,
    )  # fmt: skip


class World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.told: list[BookMessage] = []
        self.surroundings = context("ingest", clock=self.clock)
        self.books = FollowedBooks(self.surroundings)
        self.books.publish_through(self.told.append)
        self.books.follow("A", "E")

    def replica(self) -> BookReplica:
        replica = BookReplica()
        for message in self.told:
            replica.apply(message)  # type: ignore[arg-type]
        return replica


levels = st.integers(1, 20).map(lambda n: n * 400)
frames = st.lists(
    st.one_of(
        st.tuples(st.just("delta"), st.sampled_from(BookSide), levels, st.integers(-300, 300)),
        st.tuples(st.just("snapshot"), st.sampled_from(BookSide), levels, st.integers(0, 300)),
        st.tuples(st.just("lose"), st.just(BID), levels, st.just(0)),
        st.tuples(st.just("due"), st.just(BID), levels, st.just(0)),
    ),
    max_size=40,
)


@given(frames)
def test_a_reader_that_sees_every_message_always_has_ingests_book_and_its_staleness(frames: list) -> None:
    world = World()
    for step, side, price_cc, size_centi in frames:
        if step == "delta":
            world.books.take_delta(delta("A", side, price_cc, size_centi))
        elif step == "snapshot":
            levels = ((price_cc, size_centi),)
            world.books.take_snapshot(snapshot(bids=levels if side is BID else (), asks=levels if side is ASK else ()))
        elif step == "lose":
            world.books.lose_all(Reason.SEQUENCE_GAP, frame_us=1)
        else:
            world.clock.set(world.clock.now_us() + 1_000_000)
            world.books.confirm(None)
            world.books.publish_due_snapshots(1_000_000, frame_us=1)
        replica, followed = world.replica(), world.books.get("A")
        assert followed is not None
        assert (replica.stale is None) == (followed.stale is None)
        if followed.stale is None:
            assert replica.book == followed.book
            assert not followed.book.is_crossed()
    versions = [message.version for message in world.told]
    assert versions == sorted(versions)
    changes = [message.version for message in world.told if isinstance(message, BookDelta)]
    assert len(set(changes)) == len(changes)
    assert len({message.id for message in world.told if not isinstance(message, BookStale)}) == len(
        [message for message in world.told if not isinstance(message, BookStale)]
    )


def test_a_stale_book_is_told_once_and_ignores_deltas_until_its_snapshot() -> None:
    world = World()
    world.books.take_snapshot(snapshot())
    world.books.lose_all(Reason.SEQUENCE_GAP, frame_us=1)
    world.books.lose_all(Reason.DISCONNECTED, frame_us=1)
    assert world.books.take_delta(delta("A", BID, 4_000, 100)) is None
    world.books.take_snapshot(snapshot(bids=((4_100, 300),)))
    assert [type(message) for message in world.told] == [BookSnapshot, BookStale, BookSnapshot]
    assert [message.version for message in world.told] == [1, 1, 2]


def test_a_snapshot_of_the_same_book_confirms_it_without_a_new_version() -> None:
    world = World()
    world.books.take_snapshot(snapshot())
    world.clock.set(world.clock.now_us() + 1_000_000)
    world.books.confirm(None)
    world.books.take_snapshot(snapshot())
    assert [message.version for message in world.told] == [1, 1]
    assert world.told[1].confirmed_us == world.clock.now_us()


def test_a_crossed_snapshot_is_refused_and_the_book_is_stale() -> None:
    world = World()
    world.books.take_snapshot(snapshot())
    assert world.books.take_snapshot(snapshot(bids=((4_400, 100),))) is Reason.CROSSED_BOOK
    assert isinstance(world.told[-1], BookStale)


def test_a_snapshot_that_differs_from_a_book_thought_fresh_is_taken_and_counted() -> None:
    world = World()
    world.books.take_snapshot(snapshot())
    world.books.take_snapshot(snapshot(bids=((4_000, 200),)))
    assert world.replica().book == OrderBook([(4_000, 200)], [(4_400, 100)])
    assert world.surroundings.metrics.total("book_mismatches") == 1


def test_time_of_the_subscription_never_steps_back_and_does_not_believe_the_future() -> None:
    world = World()
    now_us = world.clock.now_us()
    for seen_us, confirmed_us in ((now_us - 50, now_us - 50), (now_us - 90, now_us - 50), (None, now_us)):
        world.books.confirm(seen_us)
        assert world.books.confirmed_us == confirmed_us
    world.books.confirm(now_us + 10 * FUTURE_US)
    assert world.books.confirmed_us == now_us + FUTURE_US


def test_a_quiet_market_is_published_again_only_when_its_subscription_has_moved_on() -> None:
    world = World()
    world.books.confirm(None)
    world.books.take_snapshot(snapshot())
    world.clock.set(world.clock.now_us() + 2_000_000)
    world.books.publish_due_snapshots(2_000_000, frame_us=1)
    assert len(world.told) == 1
    world.books.confirm(None)
    world.books.publish_due_snapshots(2_000_000, frame_us=1)
    world.books.publish_due_snapshots(2_000_000, frame_us=1)
    assert len(world.told) == 2


def test_news_of_a_market_that_is_not_followed_is_ignored() -> None:
    world = World()
    trade = TradeFrame(
        sid=1, seq=1, received_us=0, ticker="X", trade_id="t", price_cc=1, size_centi=1, taker_side=BID, exchange_us=1
    )
    world.books.take_trade(trade)
    assert world.books.take_snapshot(snapshot("X")) is None
    assert world.books.take_delta(delta("X", BID, 4_000, 1)) is None
    assert world.told == []


def test_a_market_that_is_followed_again_goes_on_counting_versions() -> None:
    world = World()
    world.books.take_snapshot(snapshot())
    world.books.take_delta(delta("A", BID, 4_000, 100))
    world.books.unfollow("A")
    world.books.follow("A", "E")
    world.books.take_snapshot(snapshot())
    assert [message.version for message in world.told] == [1, 2, 2, 3]
    assert world.told[2].reason is Reason.NO_SNAPSHOT  # type: ignore[attr-defined]
