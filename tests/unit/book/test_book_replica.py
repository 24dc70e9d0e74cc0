"""A reader's replica of a book: what makes it stale or fresh, and its equality with ingest's book."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.book.order_book import OrderBook
from truebook.book.replica import BookReplica
from truebook.messages.envelope import BookSide, Source
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale, PublicTrade
from truebook.messages.reasons import Reason

BID, ASK = BookSide.BID, BookSide.ASK


def envelope(epoch: int, version: int, confirmed_us: int) -> dict[str, Any]:
    return {
        "id": f"{epoch}-{version}", "cause_id": "", "account": "sim-main", "strategy": "s", "ticker": "T-1",
        "source": Source.SIMULATED, "exchange_us": confirmed_us, "produced_us": confirmed_us, "epoch": epoch,
        "version": version, "confirmed_us": confirmed_us, "frame_us": confirmed_us + 1,
    }  # fmt: skip


def snapshot(epoch: int = 1, version: int = 1, at: int = 10, **body: Any) -> BookSnapshot:
    return BookSnapshot(**envelope(epoch, version, at), **({"bids": ((4_000, 5),), "asks": ((6_000, 5),)} | body))


def delta(
    version: int, epoch: int = 1, at: int = 20, level: tuple[BookSide, int, int] = (BID, 4_100, 7), **more: Any
) -> BookDelta:
    side, price_cc, size_centi = level
    return BookDelta(**envelope(epoch, version, at), book_side=side, price_cc=price_cc, size_centi=size_centi, **more)


def stale(version: int, reason: Reason = Reason.SILENCE, epoch: int = 1) -> BookStale:
    return BookStale(**envelope(epoch, version, 30), reason=reason)


def trade(version: int, epoch: int = 1, at: int = 40) -> PublicTrade:
    return PublicTrade(**envelope(epoch, version, at), trade_id="t", price_cc=4_000, size_centi=1, taker_side=BID)


def replica(*messages: Any) -> BookReplica:
    made = BookReplica()
    for message in messages:
        made.apply(message)
    return made


@pytest.mark.parametrize(
    ("messages", "reason", "version"),
    [
        ([], Reason.NO_SNAPSHOT, 0),
        ([delta(2)], Reason.NO_SNAPSHOT, 0),
        ([trade(1)], Reason.NO_SNAPSHOT, 0),
        ([snapshot()], None, 1),
        ([snapshot(), delta(2)], None, 2),
        ([snapshot(), delta(2), delta(2)], None, 2),
        ([snapshot(), delta(3)], Reason.VERSION_GAP, 1),
        ([snapshot(), delta(3), delta(2)], Reason.VERSION_GAP, 1),
        ([snapshot(), delta(3), snapshot(version=3)], None, 3),
        ([snapshot(), trade(2)], Reason.VERSION_GAP, 1),
        ([snapshot(), trade(1)], None, 1),
        ([snapshot(), stale(1)], Reason.SILENCE, 1),
        ([snapshot(), delta(2), stale(1)], None, 2),
        ([snapshot(), stale(1, Reason.SEQUENCE_GAP), delta(2)], Reason.SEQUENCE_GAP, 1),
        ([snapshot(), stale(1), snapshot(version=2)], None, 2),
        ([snapshot(epoch=2), delta(2, epoch=1)], Reason.OLD_EPOCH, 1),
        ([snapshot(epoch=2), snapshot(epoch=1, version=9)], Reason.OLD_EPOCH, 1),
        ([snapshot(epoch=2), snapshot(epoch=1, version=9), snapshot(epoch=2)], None, 1),
        ([snapshot(epoch=1), delta(5, epoch=2)], Reason.VERSION_GAP, 0),
        ([snapshot(epoch=1), stale(0, Reason.DISCONNECTED, epoch=2)], Reason.DISCONNECTED, 0),
        ([snapshot(epoch=1), delta(5, epoch=2), snapshot(epoch=1)], Reason.OLD_EPOCH, 0),
        ([snapshot(epoch=1, version=9), snapshot(epoch=2, version=1)], None, 1),
        ([snapshot(bids=((6_000, 1),))], Reason.CROSSED_BOOK, 0),
        ([snapshot(), delta(2, level=(BID, 6_000, 1))], Reason.CROSSED_BOOK, 2),
        ([snapshot(), delta(2, level=(BID, 4_000, -1))], Reason.NEGATIVE_SIZE, 1),
        ([snapshot(), delta(2, level=(BID, 10_000, 1))], Reason.OFF_GRID, 1),
    ],
)
def test_staleness_follows_the_table(messages: list[Any], reason: Reason | None, version: int) -> None:
    copy = replica(*messages)
    assert (copy.stale, copy.version) == (reason, version)


def test_apply_returns_whether_the_book_changed() -> None:
    copy = BookReplica()
    messages = [snapshot(), delta(2), delta(2), trade(2), snapshot(version=1), stale(2), delta(3), snapshot(version=3)]
    assert [copy.apply(message) for message in messages] == [True, True, False, False, False, False, False, True]


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ([], delta(2)),
        ([snapshot()], trade(1)),
        ([snapshot()], stale(1)),
        ([snapshot(), delta(2)], delta(2)),
        ([snapshot(), delta(2)], snapshot(version=1)),
        ([snapshot()], delta(4)),
        ([snapshot()], delta(2, level=(BID, 0, 7))),
        ([snapshot()], delta(2, epoch=2)),
        ([snapshot(epoch=2)], snapshot(epoch=1)),
        ([snapshot()], snapshot(version=2, bids=((7_000, 5),))),
    ],
)
def test_an_ignored_or_refused_message_changes_no_level(before: list[Any], message: Any) -> None:
    reader = replica(*before)
    levels = reader.book.copy()
    assert reader.apply(message) is False
    assert reader.book == levels


def test_confirmed_time_and_event_sum_are_of_the_newest_message() -> None:
    copy = replica(snapshot(at=10), delta(2, at=25, event_yes_sum_cc=9_900, event_yes_sum_age_us=3))
    assert (copy.confirmed_us, copy.frame_us) == (25, 26)
    assert (copy.event_yes_sum_cc, copy.event_yes_sum_age_us) == (9_900, 3)
    copy.apply(trade(2, at=40))
    assert (copy.confirmed_us, copy.event_yes_sum_cc) == (40, None)
    copy.apply(delta(9, at=50))
    assert copy.confirmed_us == 40


@given(
    st.lists(st.tuples(st.sampled_from([BID, ASK]), st.integers(1, 40), st.integers(0, 3)), max_size=40),
    st.lists(st.integers(0, 40), max_size=20),
    st.integers(0, 40),
)
def test_a_fresh_replica_equals_ingests_book_after_loss(
    steps: list[tuple[BookSide, int, int]], repeated: list[int], lost: int
) -> None:
    """Deltas never cross (asks above 50 cents); one is lost, some are duplicated.

    A fresh replica equals the book of its version; after a later delta reveals the loss, it is stale until a snapshot.
    """
    book = OrderBook([(40, 1)], [(6_000, 1)])
    copy = replica(snapshot(bids=((40, 1),), asks=((6_000, 1),)))
    for index, (side, price_cc, size_centi) in enumerate(steps):
        level = (side, price_cc if side is BID else 6_000 + price_cc, size_centi)
        book.set_level(*level)
        message = delta(index + 2, level=level)
        if index != lost:
            copy.apply(message)
        if index in repeated:
            copy.apply(message)
        if copy.version == index + 2:
            assert copy.book == book
        if index > lost and lost not in repeated:
            assert copy.stale is Reason.VERSION_GAP
    copy.apply(snapshot(version=99, bids=tuple(book.levels(BID)), asks=tuple(book.levels(ASK))))
    assert copy.stale is None
    assert copy.book == book
