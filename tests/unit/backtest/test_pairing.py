"""A trade is paired with its delta by time stamp, maker's side, price and size, whatever their order."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.column_rows import ASK, BID, R, columns
from support.recorded_gold import TRADES, bare_gold
from truebook.backtest.tape.pairing import TradePairing
from truebook.capture.columns import Kind, read_columns

TRADE = R(Kind.TRADE, ASK, 4_000, 250, exchange_ms=10)
DELTA = R(Kind.DELTA, BID, 4_000, -250, exchange_ms=10)
OTHER_TRADE = R(Kind.TRADE, BID, 4_100, 250, exchange_ms=10)
OTHER_DELTA = R(Kind.DELTA, ASK, 4_100, -250, exchange_ms=10)


def pairs_of(*chunks: list[R]) -> list[tuple[int, int]]:
    pairing = TradePairing()
    found = [pairing.add(columns(rows)) for rows in chunks]
    return [pair for pairs in found for pair in zip(pairs.trades.tolist(), pairs.deltas.tolist(), strict=True)]


@pytest.mark.parametrize(
    ("rows", "pairs"),
    [
        ([DELTA, TRADE], [(1, 0)]),
        ([TRADE, DELTA], [(0, 1)]),
        ([TRADE], []),
        ([DELTA], []),
        ([], []),
        ([DELTA, DELTA, TRADE, TRADE], [(2, 0), (3, 1)]),
        ([TRADE, DELTA, DELTA, TRADE], [(0, 1), (3, 2)]),
        ([TRADE, TRADE, DELTA], [(0, 2)]),
        ([DELTA, DELTA, TRADE], [(2, 0)]),
        ([DELTA, OTHER_DELTA, OTHER_TRADE, TRADE], [(2, 1), (3, 0)]),
    ],
)
def test_trades_and_deltas_in_any_order(rows: list[R], pairs: list[tuple[int, int]]) -> None:
    assert pairs_of(rows) == pairs


@pytest.mark.parametrize(
    "delta",
    [
        DELTA._replace(side=ASK), DELTA._replace(price_cc=4_001), DELTA._replace(size_centi=-249),
        DELTA._replace(size_centi=250), DELTA._replace(exchange_ms=11), DELTA._replace(market=1),
        DELTA._replace(kind=Kind.LEVEL),
    ],
    ids=["side", "price", "size", "sign", "time stamp", "market", "kind"],
)  # fmt: skip
def test_a_row_that_differs_is_no_partner(delta: R) -> None:
    assert pairs_of([delta, TRADE]) == []


def test_a_block_trade_has_no_partner() -> None:
    assert pairs_of([DELTA, TRADE._replace(kind=Kind.BLOCK_TRADE)]) == []


@pytest.mark.parametrize("chunks", [([TRADE], [DELTA]), ([DELTA], [TRADE]), ([DELTA], [], [TRADE])])
def test_the_partner_may_be_in_the_next_chunk(chunks: tuple[list[R], ...]) -> None:
    is_trade_first = chunks[0] == [TRADE]
    assert pairs_of(*chunks) == [(0, 1) if is_trade_first else (1, 0)]


def test_a_partner_that_is_seconds_late_is_none() -> None:
    assert pairs_of([DELTA, R(Kind.OTHER, at_ms=5_000)], [TRADE]) == [(2, 0)]
    assert pairs_of([DELTA, R(Kind.OTHER, at_ms=5_001)], [TRADE]) == []


@pytest.mark.parametrize("apart_ms", [0, 1])
def test_rows_without_an_exchange_time_are_not_paired(apart_ms: int) -> None:
    assert pairs_of([DELTA._replace(exchange_ms=0), TRADE._replace(exchange_ms=0, at_ms=apart_ms)]) == []


@pytest.mark.parametrize(("late_ms", "pairs"), [(5_000, [(2, 0), (3, 1)]), (5_001, [(2, 1)])])
def test_a_partner_in_the_same_chunk_is_as_near(late_ms: int, pairs: list[tuple[int, int]]) -> None:
    rows = [DELTA, DELTA._replace(at_ms=1), *([TRADE._replace(at_ms=late_ms)] * 2)]
    assert pairs_of(rows) == pairs
    late_delta = [TRADE, TRADE._replace(at_ms=1), *([DELTA._replace(at_ms=late_ms)] * 2)]
    assert pairs_of(late_delta) == ([(0, 2), (1, 3)] if late_ms == 5_000 else [(1, 2)])


SPREAD = st.tuples(st.sampled_from([TRADE, DELTA, OTHER_TRADE, OTHER_DELTA]), st.sampled_from([0, 1, 2_500, 5_000]))


@given(st.lists(SPREAD, max_size=30), st.integers(1, 30))
def test_chunks_do_not_change_pairs_of_rows_far_apart(spread: list[tuple[R, int]], size: int) -> None:
    at_ms = list(accumulate(after_ms for _, after_ms in spread))
    rows = [row._replace(at_ms=at) for (row, _), at in zip(spread, at_ms, strict=True)]
    at_once = pairs_of(rows)
    assert sorted(pairs_of(*(rows[first : first + size] for first in range(0, len(rows), size)))) == at_once
    assert all(abs(at_ms[trade] - at_ms[delta]) <= 5_000 for trade, delta in at_once)


@given(st.lists(st.sampled_from([TRADE, DELTA, OTHER_TRADE, OTHER_DELTA]), max_size=30), st.integers(1, 30))
def test_chunks_do_not_change_the_number_of_pairs(rows: list[R], size: int) -> None:
    chunks = [rows[first : first + size] for first in range(0, len(rows), size)]
    expected = min(rows.count(TRADE), rows.count(DELTA)) + min(rows.count(OTHER_TRADE), rows.count(OTHER_DELTA))
    pairs = pairs_of(*chunks)
    assert len(pairs) == expected
    assert len({trade for trade, _ in pairs}) == len({delta for _, delta in pairs}) == expected


@pytest.mark.parametrize("chunk_rows", [1_000, 100_000])
def test_each_trade_of_a_recorded_market_has_its_delta(tmp_path: Path, chunk_rows: int) -> None:
    pairing = TradePairing()
    for rows in read_columns(bare_gold(tmp_path), chunk_rows):
        pairing.add(rows)
    assert (pairing.trades, pairing.paired) == (TRADES, TRADES)
    assert 0.9 < pairing.delta_first / TRADES < 1
