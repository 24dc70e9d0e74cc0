"""Best prices of whole chunks are those of a book that is changed event by event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.column_rows import ASK, BID, R, chunks, columns, snapshot
from support.recorded_gold import DELTAS, bare_gold
from support.recordings import recording
from truebook.backtest.tape.tops import TopTracker, replay_tops
from truebook.capture.columns import Columns, Kind, Side, read_columns
from truebook.messages.envelope import BookSide
from truebook.simulation.recorded.book import RecordedBook

Top = tuple[int, int, int, int, bool]
"""Best bid and ask, their sizes, and whether the book is valid."""
NO_TOP: Top = (0, 10_000, 0, 0, False)
SIDES = {Side.BID: BookSide.BID, Side.ASK: BookSide.ASK}
SMALL = (columns(snapshot((BID, 4_000, 10), (BID, 3_900, 5), (ASK, 4_100, 7))),)


def tops_of(recorded: Iterable[Columns]) -> list[Top]:
    tracker, found = TopTracker(), []
    for rows in recorded:
        tops = tracker.add(rows)
        bid_centi, ask_centi = tops.best_sizes()
        arrays = (tops.bid_cc, tops.ask_cc, bid_centi, ask_centi, tops.is_valid)
        found += list(zip(*(array.tolist() for array in arrays), strict=True))
    return found


def expected(rows: Sequence[R]) -> list[Top]:
    """Fold the same rows with the simulated exchange's recorded book; a snapshot as a whole at its last row."""
    books: dict[int, RecordedBook] = {}
    found = []
    for number, row in enumerate(rows):
        book = books.setdefault(row.market, RecordedBook())
        if row.kind is Kind.GAP:
            books[row.market] = book = RecordedBook()
        elif row.kind is Kind.DELTA:
            book.change(SIDES[row.side], row.price_cc, row.size_centi, 0)
        elif is_last_of_snapshot(rows, number):
            begin = max(index for index in range(number + 1) if rows[index].kind is Kind.SNAPSHOT)
            levels = [(one.side, one.price_cc, one.size_centi) for one in rows[begin + 1 : number + 1]]
            bids, asks = ([level[1:] for level in levels if level[0] is side] for side in (BID, ASK))
            book.replace(bids, asks, 0)
        found.append(top_of(book))
    return found


def is_last_of_snapshot(rows: Sequence[R], number: int) -> bool:
    ends = number + 1 == len(rows) or rows[number + 1].kind is not Kind.LEVEL
    return ends and rows[number].kind in (Kind.SNAPSHOT, Kind.LEVEL)


def top_of(book: RecordedBook) -> Top:
    if not book.is_valid:
        return NO_TOP
    bid, ask = book.book.best(BookSide.BID), book.book.best(BookSide.ASK)
    return (bid or (0, 0))[0], (ask or (10_000, 0))[0], (bid or (0, 0))[1], (ask or (0, 0))[1], True


@pytest.mark.parametrize(
    ("change", "top"),
    [
        (R(Kind.DELTA, BID, 4_050, 3), (4_050, 4_100, 3, 7, True)),
        (R(Kind.DELTA, BID, 4_000, -10), (3_900, 4_100, 5, 7, True)),
        (R(Kind.DELTA, BID, 4_000, -4), (4_000, 4_100, 6, 7, True)),
        (R(Kind.DELTA, ASK, 4_100, -7), (4_000, 10_000, 10, 0, True)),
        (R(Kind.DELTA, ASK, 3_950, 2), (4_000, 3_950, 10, 2, True)),
        (R(Kind.DELTA, ASK, 9_999, 2), (4_000, 4_100, 10, 7, True)),
        (R(Kind.TRADE, ASK, 4_000, 10), (4_000, 4_100, 10, 7, True)),
        (R(Kind.DELTA, BID, 4_000, -11), NO_TOP),
        (R(Kind.DELTA, BID, 10_000, 1), NO_TOP),
        (R(Kind.DELTA, ASK, 0, 1), NO_TOP),
        (R(Kind.GAP), NO_TOP),
        (R(Kind.DELTA, BID, 4_050, 3, market=2), NO_TOP),
        (R(Kind.OTHER, market=-1), NO_TOP),
    ],
)
def test_the_top_after_one_event(change: R, top: Top) -> None:
    assert tops_of([*SMALL, columns([change])])[-1] == top


def test_a_refused_change_ends_the_book_until_a_snapshot() -> None:
    rows = [R(Kind.DELTA, BID, 4_000, -11), R(Kind.DELTA, BID, 4_000, 5), *snapshot((BID, 100, 1))]
    assert [top[4] for top in tops_of([*SMALL, columns(rows)])[-4:]] == [False, False, True, True]


def test_a_crossed_snapshot_is_no_book() -> None:
    assert tops_of([*SMALL, columns(snapshot((BID, 5_000, 1), (ASK, 5_000, 1)))])[-1] == NO_TOP


def test_a_strategy_sees_each_delta_and_snapshot_once() -> None:
    seen: list[tuple[int, int, int, int]] = []
    rows = [R(Kind.DELTA, BID, 4_050, 3, at_ms=2), R(Kind.TRADE, ASK, 4_050, 3, at_ms=3), R(Kind.GAP, at_ms=4)]
    calls = replay_tops([*SMALL, columns(rows)], lambda *row: seen.append(row))
    assert seen == [(0, 0, 4_000, 4_100), (2_000, 0, 4_050, 4_100)]
    assert calls == 2


def test_no_rows_have_no_tops() -> None:
    assert tops_of([columns([])]) == []


PRICES = st.sampled_from([0, 1, 2, 4_999, 5_000, 5_001, 5_005, 9_998, 9_999, 10_000])
SIDE = st.sampled_from([BID, ASK])
DELTA = st.builds(
    lambda side, price, size, market: [R(Kind.DELTA, side, price, size, market=market)],
    SIDE, PRICES, st.integers(-3, 4), st.integers(0, 2),
)  # fmt: skip
LEVELS = st.dictionaries(st.tuples(SIDE, PRICES), st.integers(1, 5), max_size=4)
SNAPSHOT = st.builds(
    lambda levels, market: snapshot(*((*level, size) for level, size in levels.items()), market=market),
    LEVELS, st.integers(0, 2),
)  # fmt: skip
WITHOUT_BOOK = st.sampled_from([[R(Kind.GAP, market=1)], [R(Kind.GAP, market=-1)], [R(Kind.TRADE, BID, 5_000, 2)]])
EVENTS = st.lists(st.one_of(DELTA, DELTA, DELTA, SNAPSHOT, WITHOUT_BOOK), max_size=40)


@given(EVENTS, st.integers(1, 50))
def test_tops_equal_a_book_changed_event_by_event(events: list[list[R]], chunk: int) -> None:
    rows = [row for event in events for row in event]
    found, wanted = tops_of(chunks(rows, chunk)), expected(rows)
    inside = [row.kind in (Kind.SNAPSHOT, Kind.LEVEL) for row in rows]
    compared = [not inside[number] or is_last_of_snapshot(rows, number) for number in range(len(rows))]
    assert [top for top, is_compared in zip(found, compared, strict=True) if is_compared] == [
        top for top, is_compared in zip(wanted, compared, strict=True) if is_compared
    ]


@pytest.mark.parametrize("chunk_rows", [500, 100_000])
def test_tops_of_a_recorded_session_equal_its_books(chunk_rows: int) -> None:
    path = recording("ws", "jfreun123_demo_20260701_session.jsonl")
    compare_deltas(path, chunk_rows, deltas=2_885)


def test_tops_of_a_recorded_market_equal_its_books(tmp_path: Path) -> None:
    compare_deltas(bare_gold(tmp_path), 5_000, deltas=DELTAS)


def compare_deltas(path: Path, chunk_rows: int, *, deltas: int) -> None:
    """Compare the tops after each delta of a recording with those of its books."""
    merged = [np.concatenate(arrays) for arrays in zip(*map(arrays_of, read_columns(path)), strict=True)]
    rows = [
        R(Kind(kind), Side(side), price, size, market=market)
        for market, kind, side, price, size in zip(*(array.tolist() for array in merged), strict=True)
    ]
    ends = [number for number, row in enumerate(rows) if row.kind is Kind.DELTA]
    found, wanted = tops_of(read_columns(path, chunk_rows)), expected(rows)
    assert len(ends) == deltas
    assert [found[number] for number in ends] == [wanted[number] for number in ends]


def arrays_of(rows: Columns) -> tuple[np.ndarray, ...]:
    return rows.market, rows.kind, rows.side, rows.price_cc, rows.size_centi
