"""Several changes of a book at once, compared with the same changes one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from truebook.book.order_book import BookError, OrderBook
from truebook.messages.envelope import BookSide

BID, ASK = BookSide.BID, BookSide.ASK
levels = st.one_of(st.integers(1, 8), st.integers(-12, -6), st.sampled_from([-9_999, -10_000, 10_000, 9_999]))
changes = st.lists(st.tuples(levels, st.integers(-3, 5)), max_size=60)
WATCHED = frozenset({3, -7})


@given(changes)
def test_changes_at_once_equal_single_ones(steps: list[tuple[int, int]]) -> None:
    book, one_by_one = OrderBook(), OrderBook()
    at_once = [(number, level_cc, delta_centi) for number, (level_cc, delta_centi) in enumerate(steps)]
    states, shrunk = book.change_levels(at_once, WATCHED)

    expected_shrunk = []
    for number, (level_cc, delta_centi) in enumerate(steps[: len(states)]):
        side, price_cc = (BID, level_cc) if level_cc > 0 else (ASK, -level_cc)
        after = one_by_one.change_level(side, price_cc, delta_centi)
        if delta_centi < 0 and level_cc in WATCHED:
            expected_shrunk.append((number, level_cc, after - delta_centi, after))
        assert states[number] == (number, one_by_one.summary())
        assert delta_centi != 0 and not one_by_one.is_crossed()
    assert book == one_by_one
    assert book.summary() == one_by_one.summary()
    assert [book.levels(side) for side in BookSide] == [one_by_one.levels(side) for side in BookSide]
    assert shrunk == expected_shrunk
    if len(states) < len(steps):
        assert is_not_ordinary(one_by_one, *steps[len(states)])


def is_not_ordinary(book: OrderBook, level_cc: int, delta_centi: int) -> bool:
    try:
        book.change_level(BID if level_cc > 0 else ASK, abs(level_cc), delta_centi)
    except BookError:
        return True
    return delta_centi == 0 or book.is_crossed()
