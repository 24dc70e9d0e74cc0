"""The order book compared with a naive one (two plain dicts), and the changes that it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.book.order_book import BookError, OrderBook, net_of
from truebook.messages.envelope import BookSide
from truebook.messages.reasons import Reason

BID, ASK = BookSide.BID, BookSide.ASK
sides = st.sampled_from([BID, ASK])
prices = st.one_of(st.integers(1, 12), st.integers(9_990, 9_999), st.integers(1, 9_999))
changes = st.lists(st.tuples(sides, prices, st.integers(-300, 500)), max_size=60)
sets = st.lists(st.tuples(sides, prices, st.integers(0, 3)), max_size=60)
bid_levels = st.dictionaries(st.integers(1, 4_999), st.integers(0, 9), max_size=30)
ask_levels = st.dictionaries(st.integers(5_000, 9_999), st.integers(0, 9), max_size=30)


class NaiveBook:
    """The reference implementation, without regard to speed."""

    def __init__(self) -> None:
        self.sizes: dict[BookSide, dict[int, int]] = {BID: {}, ASK: {}}

    def put(self, side: BookSide, price_cc: int, size_centi: int) -> None:
        self.sizes[side] = {price: size for price, size in self.sizes[side].items() if price != price_cc}
        if size_centi:
            self.sizes[side][price_cc] = size_centi

    def levels(self, side: BookSide) -> list[tuple[int, int]]:
        return sorted(self.sizes[side].items(), reverse=side is BID)


def agrees(book: OrderBook, naive: NaiveBook) -> None:
    for side in (BID, ASK):
        expected = naive.levels(side)
        assert book.levels(side) == expected
        assert book.levels(side, 3) == expected[:3]
        assert book.best(side) == (expected[0] if expected else None)
        assert book.total_centi(side) == sum(size for _, size in expected)
        assert book.level_count(side) == len(expected)
    bids, asks = naive.levels(BID), naive.levels(ASK)
    assert book.is_crossed() == bool(bids and asks and bids[0][0] >= asks[0][0])


@given(changes)
def test_changed_levels_equal_those_of_a_naive_book(steps: list[tuple[BookSide, int, int]]) -> None:
    book, naive = OrderBook(), NaiveBook()
    for side, price_cc, delta_centi in steps:
        total = naive.sizes[side].get(price_cc, 0) + delta_centi
        if total < 0:
            with pytest.raises(BookError) as refused:
                book.change_level(side, price_cc, delta_centi)
            assert refused.value.reason is Reason.NEGATIVE_SIZE
        else:
            assert book.change_level(side, price_cc, delta_centi) == total
            naive.put(side, price_cc, total)
        assert book.size_at(side, price_cc) == naive.sizes[side].get(price_cc, 0)
        agrees(book, naive)


@given(sets)
def test_set_levels_equal_those_of_a_naive_book(steps: list[tuple[BookSide, int, int]]) -> None:
    book, naive = OrderBook(), NaiveBook()
    for side, price_cc, size_centi in steps:
        book.set_level(side, price_cc, size_centi)
        naive.put(side, price_cc, size_centi)
    agrees(book, naive)


@given(bid_levels, ask_levels)
def test_a_snapshot_replaces_the_book_and_drops_empty_levels(bids: dict[int, int], asks: dict[int, int]) -> None:
    book = OrderBook([(1, 1)], [(9_999, 1)])
    book.replace(bids.items(), asks.items())
    naive = NaiveBook()
    for side, levels in ((BID, bids), (ASK, asks)):
        for price_cc, size_centi in levels.items():
            naive.put(side, price_cc, size_centi)
    agrees(book, naive)


def test_a_book_with_every_sub_cent_tick_is_complete() -> None:
    book = OrderBook(((price, price) for price in range(1, 5_000)), ((price, 7) for price in range(5_000, 10_000)))
    assert (book.level_count(BID), book.level_count(ASK)) == (4_999, 5_000)
    assert book.best(BID) == (4_999, 4_999)
    assert book.best(ASK) == (5_000, 7)
    for price in range(4_999, 1, -1):
        book.set_level(BID, price, 0)
    assert book.best(BID) == (1, 1)


@pytest.mark.parametrize(
    ("bids", "asks", "reason"),
    [
        ([(5_000, 1)], [(5_000, 1)], Reason.CROSSED_BOOK),
        ([(5_001, 1), (1, 1)], [(5_000, 1)], Reason.CROSSED_BOOK),
        ([(5_000, -1)], [], Reason.NEGATIVE_SIZE),
        ([], [(5_000, -1)], Reason.NEGATIVE_SIZE),
        ([(0, 1)], [], Reason.OFF_GRID),
        ([], [(10_000, 1)], Reason.OFF_GRID),
    ],
)
def test_an_invalid_snapshot_is_refused_and_changes_nothing(
    bids: list[tuple[int, int]], asks: list[tuple[int, int]], reason: Reason
) -> None:
    book = OrderBook([(4_000, 5)], [(6_000, 5)])
    with pytest.raises(BookError) as refused:
        book.replace(bids, asks)
    assert refused.value.reason is reason
    assert book == OrderBook([(4_000, 5)], [(6_000, 5)])


def test_an_empty_level_does_not_cross_a_snapshot() -> None:
    assert not OrderBook([(6_000, 0), (4_000, 1)], [(5_000, 1)]).is_crossed()


@pytest.mark.parametrize("price_cc", [0, 10_000, -1])
def test_a_price_outside_the_dollar_is_refused(price_cc: int) -> None:
    book = OrderBook()
    with pytest.raises(BookError):
        book.set_level(BID, price_cc, 1)
    with pytest.raises(BookError):
        book.change_level(ASK, price_cc, 1)
    assert book == OrderBook()


def test_a_negative_total_is_refused_and_changes_nothing() -> None:
    book = OrderBook([(4_000, 5)])
    with pytest.raises(BookError):
        book.set_level(BID, 4_000, -1)
    with pytest.raises(BookError):
        book.change_level(BID, 4_000, -6)
    assert book.levels(BID) == [(4_000, 5)]


def test_a_copy_is_independent() -> None:
    book = OrderBook([(4_000, 5)], [(6_000, 5)])
    copied = book.copy()
    copied.change_level(BID, 4_000, 1)
    book.change_level(ASK, 6_000, -5)
    assert (book.size_at(BID, 4_000), copied.size_at(ASK, 6_000)) == (5, 5)


def test_the_net_book_excludes_our_orders_and_is_not_negative() -> None:
    book = OrderBook([(4_000, 500), (3_900, 100)], [(6_000, 200)])
    net = net_of(book, [(BID, 4_000, 200), (BID, 4_000, 100), (BID, 3_900, 100), (ASK, 6_000, 900), (ASK, 7_000, 5)])
    assert net == OrderBook([(4_000, 200)], [])
    assert book == OrderBook([(4_000, 500), (3_900, 100)], [(6_000, 200)])


@pytest.mark.parametrize("side", list(BookSide))
def test_books_that_differ_on_one_side_are_not_equal(side: BookSide) -> None:
    book = OrderBook([(4_000, 5)], [(6_000, 5)])
    other = book.copy()
    assert book == other
    other.change_level(side, 5_000, 1)
    assert book != other
