"""Ingest's books: what a frame changes, what is published, and what is refused."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support.followed_books import BooksHarness, delta, snapshot
from support.metrics import counted
from truebook.book.order_book import OrderBook
from truebook.kalshi.port import TradeFrame
from truebook.messages.envelope import BookSide
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale
from truebook.messages.reasons import Reason
from truebook_services.ingest.books import FUTURE_US

BID, ASK = BookSide.BID, BookSide.ASK


levels = st.integers(1, 20).map(lambda n: n * 400)
frames = st.lists(
    st.one_of(
        st.tuples(st.just("delta"), st.sampled_from(BookSide), levels, st.integers(-300, 300)),
        st.tuples(st.just("snapshot"), st.sampled_from(BookSide), levels, st.integers(0, 300)),
        st.tuples(st.just("invalidate"), st.just(BID), levels, st.just(0)),
        st.tuples(st.just("due"), st.just(BID), levels, st.just(0)),
    ),
    max_size=40,
)


@given(frames)
def test_a_reader_of_every_message_has_ingests_book(frames: list) -> None:
    harness = BooksHarness()
    for step, side, price_cc, size_centi in frames:
        if step == "delta":
            harness.books.apply_delta(delta("A", side, price_cc, size_centi))
        elif step == "snapshot":
            levels = ((price_cc, size_centi),)
            harness.books.apply_snapshot(
                snapshot(bids=levels if side is BID else (), asks=levels if side is ASK else ())
            )
        elif step == "invalidate":
            harness.books.invalidate_all(Reason.SEQUENCE_GAP, frame_us=1)
        else:
            harness.clock.set(harness.clock.now_us() + 1_000_000)
            harness.books.confirm(None)
            harness.books.publish_due_snapshots(1_000_000, frame_us=1)
        replica, followed = harness.replica(), harness.books.get("A")
        assert followed is not None
        assert (replica.stale is None) == (followed.stale is None)
        if followed.stale is None:
            assert replica.book == followed.book
            assert not followed.book.is_crossed()
    versions = [message.version for message in harness.published]
    assert versions == sorted(versions)
    changes = [message.version for message in harness.published if isinstance(message, BookDelta)]
    assert len(set(changes)) == len(changes)
    assert len({message.id for message in harness.published if not isinstance(message, BookStale)}) == len(
        [message for message in harness.published if not isinstance(message, BookStale)]
    )


def test_a_stale_book_ignores_deltas_until_its_snapshot() -> None:
    harness = BooksHarness()
    harness.books.apply_snapshot(snapshot())
    harness.books.invalidate_all(Reason.SEQUENCE_GAP, frame_us=1)
    harness.books.invalidate_all(Reason.DISCONNECTED, frame_us=1)
    assert harness.books.apply_delta(delta("A", BID, 4_000, 100)) is None
    harness.books.apply_snapshot(snapshot(bids=((4_100, 300),)))
    assert [type(message) for message in harness.published] == [BookSnapshot, BookStale, BookSnapshot]
    assert [message.version for message in harness.published] == [1, 1, 2]


def test_an_equal_snapshot_confirms_the_book_without_a_new_version() -> None:
    harness = BooksHarness()
    harness.books.apply_snapshot(snapshot())
    harness.clock.set(harness.clock.now_us() + 1_000_000)
    harness.books.confirm(None)
    harness.books.apply_snapshot(snapshot())
    assert [message.version for message in harness.published] == [1, 1]
    assert harness.published[1].confirmed_us == harness.clock.now_us()


def test_a_crossed_snapshot_is_refused_and_the_book_is_stale() -> None:
    harness = BooksHarness()
    harness.books.apply_snapshot(snapshot())
    assert harness.books.apply_snapshot(snapshot(bids=((4_400, 100),))) is Reason.CROSSED_BOOK
    assert isinstance(harness.published[-1], BookStale)


def test_a_snapshot_unlike_the_fresh_book_is_applied_and_counted() -> None:
    harness = BooksHarness()
    harness.books.apply_snapshot(snapshot())
    harness.books.apply_snapshot(snapshot(bids=((4_000, 200),)))
    assert harness.replica().book == OrderBook([(4_000, 200)], [(4_400, 100)])
    assert counted(harness.context.metrics, "book_mismatches") == 1


def test_the_confirmed_time_is_monotonic_and_limited() -> None:
    harness = BooksHarness()
    now_us = harness.clock.now_us()
    for seen_us, confirmed_us in ((now_us - 50, now_us - 50), (now_us - 90, now_us - 50), (None, now_us)):
        harness.books.confirm(seen_us)
        assert harness.books.confirmed_us == confirmed_us
    harness.books.confirm(now_us + 10 * FUTURE_US)
    assert harness.books.confirmed_us == now_us + FUTURE_US


def test_an_unchanged_book_is_published_when_it_is_confirmed() -> None:
    harness = BooksHarness()
    harness.books.confirm(None)
    harness.books.apply_snapshot(snapshot())
    harness.clock.set(harness.clock.now_us() + 2_000_000)
    harness.books.publish_due_snapshots(2_000_000, frame_us=1)
    assert len(harness.published) == 1
    harness.books.confirm(None)
    harness.books.publish_due_snapshots(2_000_000, frame_us=1)
    harness.books.publish_due_snapshots(2_000_000, frame_us=1)
    assert len(harness.published) == 2


def test_frames_of_unfollowed_markets_are_ignored() -> None:
    harness = BooksHarness()
    trade = TradeFrame(
        sid=1, seq=1, received_us=0, ticker="X", trade_id="t", price_cc=1, size_centi=1, taker_side=BID, exchange_us=1
    )
    harness.books.publish_trade(trade)
    assert harness.books.apply_snapshot(snapshot("X")) is None
    assert harness.books.apply_delta(delta("X", BID, 4_000, 1)) is None
    assert harness.published == []


def test_versions_continue_when_a_market_is_followed_again() -> None:
    harness = BooksHarness()
    harness.books.apply_snapshot(snapshot())
    harness.books.apply_delta(delta("A", BID, 4_000, 100))
    harness.books.unfollow("A")
    harness.books.follow("A", "E")
    harness.books.apply_snapshot(snapshot())
    assert [message.version for message in harness.published] == [1, 2, 2, 3]
    assert harness.published[2].reason is Reason.NO_SNAPSHOT  # type: ignore[attr-defined]
