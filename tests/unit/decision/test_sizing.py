"""Sizes: the position caps reduce-only orders, cash caps what opens, as the ledger would reserve it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.decision.sizing import affordable_centi, closing_centi, own_price_cc, size_order
from truebook.messages.envelope import BookSide
from truebook.venue.fees import worst_fee_micros

BID, ASK = BookSide.BID, BookSide.ASK
sides = st.sampled_from([BID, ASK])


@pytest.mark.parametrize(
    ("side", "position", "closing"), [(ASK, 500, 500), (ASK, -500, 0), (BID, -500, 500), (BID, 500, 0), (BID, 0, 0)]
)
def test_asks_close_yes_and_bids_close_no(side: BookSide, position: int, closing: int) -> None:
    assert closing_centi(side, position) == closing


@given(sides, st.integers(1, 9_999), st.integers(-(10**6), 10**12), st.integers(0, 200_000))
def test_the_affordable_size_is_nearly_the_largest(side: BookSide, price_cc: int, budget: int, rate: int) -> None:
    def cost(size: int) -> int:
        return size * own_price_cc(side, price_cc) + worst_fee_micros(size, price_cc, rate)

    size = affordable_centi(side, price_cc, budget, rate)
    assert size >= 0
    assert size == 0 or cost(size) <= budget
    assert cost(size + 2) > budget


@given(
    sides,
    st.integers(1, 9_999),
    st.integers(0, 10**6),
    st.integers(-(10**6), 10**6),
    st.integers(0, 10**10),
    st.booleans(),
    st.one_of(st.none(), st.integers(1, 10**6)),
)
def test_a_size_exceeds_neither_request_nor_position_nor_cash(
    side: BookSide, price_cc: int, requested: int, position: int, cash: int, reduce_only: bool, bound: int | None
) -> None:
    size = size_order(
        side, price_cc, requested, position_centi=position, cash_micros=cash, cash_share_ppm=200_000,
        fee_rate_ppm=70_000, reduce_only=reduce_only, max_position_centi=bound,
    )  # fmt: skip
    closable = closing_centi(side, position)
    opening = max(0, size - closable)
    assert 0 <= size <= requested
    if reduce_only:
        assert size == min(requested, closable)
    else:
        assert size >= min(requested, closable)
    if opening:
        assert opening % 100 == 0
        assert opening * own_price_cc(side, price_cc) + worst_fee_micros(opening, price_cc, 70_000) <= cash // 5
    if opening and bound is not None:
        assert abs(position + (size if side is BID else -size)) <= bound
