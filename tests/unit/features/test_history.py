"""A market's last ten book changes."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from truebook.book.order_book import OrderBook, net_of
from truebook.features.history import LENGTH, Change, History
from truebook.messages.envelope import BookSide

BID, ASK = BookSide.BID, BookSide.ASK


def test_a_change_records_the_top_the_totals_and_what_moved() -> None:
    book, history = OrderBook([(4_000, 5), (3_000, 5)], [(6_000, 7)]), History()
    history.changed(book, 1)
    book.change_level(BID, 4_100, 3)
    history.changed(book, 2)
    book.change_level(ASK, 6_000, -7)
    history.changed(book, 3)
    assert list(history.changes) == [
        Change(1, 4_000, 6_000, 5_000.0, 10, 7, 0, 0.0),
        Change(2, 4_100, 6_000, 5_050.0, 13, 7, 3, math.log1p(0.03)),
        Change(3, 4_100, None, None, 13, 0, 7, math.log1p(0.07)),
    ]
    assert history.mids_cc() == [5_000, 5_050]


def test_a_repeated_snapshot_is_no_change() -> None:
    book, history = OrderBook([(4_000, 5)], [(6_000, 7)]), History()
    history.changed(book, 1)
    history.changed(book.copy(), 9)
    assert [change.at_us for change in history.changes] == [1]


def test_our_own_order_is_no_change_of_the_netted_book() -> None:
    book, history = OrderBook([(4_000, 5)], [(6_000, 7)]), History()
    history.changed(book, 1)
    book.change_level(BID, 4_100, 9)
    history.changed(net_of(book, [(BID, 4_100, 9)]), 2)
    assert len(history.changes) == 1


def test_clear_drops_all_changes() -> None:
    history = History()
    history.changed(OrderBook([(4_000, 5)]), 1)
    history.clear()
    assert (list(history.changes), history.mids_cc()) == ([], [])


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40))
def test_exactly_the_newest_ten_changes_are_kept(sizes: list[int]) -> None:
    history, changes = History(), []
    for at, size in enumerate(sizes):
        history.changed(OrderBook([(4_000, size)], [(6_000, 1)]), at)
        if not changes or changes[-1][1] != size:
            changes.append((at, size))
    assert [(change.at_us, change.bid_centi) for change in history.changes] == changes[-LENGTH:]
