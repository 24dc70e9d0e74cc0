"""Quotes from a probability: edge, fees, sides that never cross, Kelly sizes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.observations import observation
from truebook.decision.decide import Decision, decide
from truebook.decision.quoting import fair_ppm, gain_ppm
from truebook.decision.strategy import Output, PriceRule, Strategy
from truebook.messages.actions import OmittedSides
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import PriceRange
from truebook.messages.reasons import Reason
from truebook.money import ONE_DOLLAR_CC
from truebook.venue.grid import on_grid

BID, ASK = BookSide.BID, BookSide.ASK
TENTH = (PriceRange(0, 1_000, 10), PriceRange(1_000, 9_000, 100), PriceRange(9_000, 10_000, 10))


def strategy(**changed: Any) -> Strategy:
    values = {"output": Output.YES_PROBABILITY, "sizes_centi": (1_000,), "cash_share_ppm": 1_000_000}
    return Strategy(**(values | changed))


def prices(decision: Decision) -> dict[str, int]:
    return {str(target.book_side): target.price_cc for target in decision.targets}


@pytest.mark.parametrize(
    ("rule", "probability", "edge_cc", "maker_rate", "expected"),
    [
        (PriceRule.JOIN, 0.42, 0, 0, {"bid": 4_000, "ask": 4_400}),
        (PriceRule.IMPROVE, 0.42, 0, 0, {"bid": 4_100, "ask": 4_300}),
        (PriceRule.IMPROVE, 0.42, 100, 0, {"bid": 4_100, "ask": 4_300}),
        (PriceRule.IMPROVE, 0.42, 101, 0, {"bid": 4_000, "ask": 4_400}),
        (PriceRule.IMPROVE, 0.41, 0, 0, {"bid": 4_000, "ask": 4_300}),
        (PriceRule.JOIN, 0.38, 0, 0, {"bid": 3_700, "ask": 4_400}),
        (PriceRule.JOIN, 0.50, 0, 0, {"bid": 4_000, "ask": 5_100}),
        (PriceRule.MID, 0.42, 0, 0, {"bid": 4_000, "ask": 4_400}),
        (PriceRule.IMPROVE, 0.4150, 0, 17_500, {"bid": 4_100, "ask": 4_300}),
        (PriceRule.IMPROVE, 0.4140, 0, 17_500, {"bid": 4_000, "ask": 4_300}),
        (PriceRule.CROSS, 0.46, 0, 0, {"bid": 4_400}),
        (PriceRule.CROSS, 0.4572, 0, 0, {}),
        (PriceRule.CROSS, 0.4573, 0, 0, {"bid": 4_400}),
        (PriceRule.CROSS, 0.38, 0, 0, {"ask": 4_000}),
        (PriceRule.CROSS, 0.38, 100, 0, {}),
        (PriceRule.JOIN, 0.00005, 0, 0, {"ask": 4_400}),
        (PriceRule.JOIN, 1.0, 0, 0, {"bid": 4_000}),
    ],
)
def test_quotes_follow_the_table(
    rule: PriceRule, probability: float, edge_cc: int, maker_rate: int, expected: dict[str, int]
) -> None:
    """40/44 cents, taker fee 7 % × P × (1 − P): 1.73 cents at 44."""
    how = strategy(price_rule=rule, min_edge_cc=edge_cc)
    decision = decide(observation(maker_rate_ppm=maker_rate), [probability], how)
    assert prices(decision) == expected
    assert decision.omitted_sides is OmittedSides.CANCEL
    assert decision.reason is (None if expected else Reason.NO_EDGE)
    assert all(target.post_only == (rule in (PriceRule.JOIN, PriceRule.IMPROVE)) for target in decision.targets)


def test_the_edge_is_the_larger_gain_of_both_sides() -> None:
    decision = decide(observation(), [0.425], strategy(price_rule=PriceRule.JOIN))
    assert decision.edge_cc == 250


def test_a_missing_side_refuses_and_keeps_orders() -> None:
    decision = decide(observation(best_ask_centi=0), [0.5], strategy())
    assert decision == Decision(reason=Reason.ONE_SIDED_BOOK)


def test_an_edge_without_cash_is_zero_size() -> None:
    decision = decide(observation(cash_micros=0), [0.42], strategy(price_rule=PriceRule.JOIN))
    assert (decision.targets, decision.reason) == ((), Reason.ZERO_SIZE)


def test_kelly_of_a_debt_is_zero_size() -> None:
    how = strategy(price_rule=PriceRule.JOIN, kelly_fraction_ppm=100_000)
    decision = decide(observation(cash_micros=-50_000_000), [0.42], how)
    assert (decision.targets, decision.reason) == ((), Reason.ZERO_SIZE)


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_a_value_outside_0_to_1_is_an_error(probability: float) -> None:
    with pytest.raises(ValueError, match="probability"):
        decide(observation(), [probability], strategy())


def test_kelly_stakes_its_fraction_of_the_cash() -> None:
    """Bid at 40 cents, fair 43: gain 3 cents, odds 60 cents, so 5 % of $1,000; a tenth buys 12.5: 10 contracts."""
    how = strategy(price_rule=PriceRule.JOIN, kelly_fraction_ppm=100_000, sizes_centi=(100_000,))
    bid = decide(observation(), [0.43], how).targets[0]
    assert (bid.book_side, bid.size_centi) == (BID, 1_000)
    half = decide(observation(cash_micros=500_000_000), [0.43], how).targets[0]
    assert half.size_centi == 500


def test_kelly_adds_the_size_that_closes_a_position() -> None:
    how = strategy(price_rule=PriceRule.JOIN, kelly_fraction_ppm=1, sizes_centi=(100_000,))
    decision = decide(observation(position_centi=730), [0.42], how)
    assert [(target.book_side, target.size_centi) for target in decision.targets] == [(ASK, 730)]


@pytest.mark.parametrize(
    ("cash_dollars", "contracts"),
    [(79, 0), (80, 1), (159, 1), (160, 2), (399, 2), (400, 5), (799, 5), (800, 10), (1_600, 20), (80_000, 1_000)],
)
def test_kelly_sizes_are_steps_of_1_2_and_5(cash_dollars: int, contracts: int) -> None:
    """The stake of the case above: 0.5 % of the cash, at 40 cents a contract."""
    how = strategy(price_rule=PriceRule.JOIN, kelly_fraction_ppm=100_000, sizes_centi=(10_000_000,))
    targets = decide(observation(cash_micros=cash_dollars * 1_000_000), [0.43], how).targets
    bids = [target.size_centi for target in targets if target.book_side is BID]
    assert bids == ([contracts * 100] if contracts else [])


@given(
    st.floats(0.0, 1.0),
    st.sampled_from(list(PriceRule)),
    st.integers(1, 9_998),
    st.integers(1, 3_000),
    st.integers(0, 300),
    st.sampled_from([0, 17_500, 35_000]),
    st.integers(-5_000, 5_000),
)
def test_quotes_have_their_edge_and_never_cross(
    probability: float, rule: PriceRule, bid_cc: int, width: int, edge_cc: int, maker_rate: int, position: int
) -> None:
    ask_cc = min(9_999, bid_cc + width)
    view = observation(
        best_bid_cc=bid_cc, best_ask_cc=ask_cc, price_ranges=TENTH, maker_rate_ppm=maker_rate, position_centi=position
    )
    how = strategy(price_rule=rule, min_edge_cc=edge_cc, kelly_fraction_ppm=500_000, max_position_centi=6_000)
    decision = decide(view, [probability], how)
    rate = maker_rate if rule in (PriceRule.JOIN, PriceRule.IMPROVE) else 70_000
    quoted = prices(decision)
    for target in decision.targets:
        assert on_grid(target.price_cc, TENTH)
        assert gain_ppm(target.book_side, target.price_cc, fair_ppm(probability), rate) >= max(1, edge_cc * 100)
        if rule is not PriceRule.CROSS:
            assert target.price_cc < ask_cc if target.book_side is BID else target.price_cc > bid_cc
        change = target.size_centi if target.book_side is BID else -target.size_centi
        assert abs(position + change) <= max(6_000, abs(position))
        assert 0 < target.size_centi <= 1_000
    assert quoted.get("bid", 0) < quoted.get("ask", ONE_DOLLAR_CC)
