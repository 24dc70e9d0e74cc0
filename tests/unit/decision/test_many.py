"""Many decisions at once equal the single form, field by field."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.observations import observation
from truebook.decision.decide import decide, decide_action
from truebook.decision.many import decide_actions
from truebook.decision.many_quotes import decide_probabilities
from truebook.decision.strategy import Output, PriceRule, Strategy
from truebook.messages.market_metadata import LINEAR_CENT, PriceRange
from truebook.messages.observations import Observation
from truebook.messages.reasons import Reason

TENTH = (PriceRange(0, 1_000, 10), PriceRange(1_000, 9_000, 100), PriceRange(9_000, 10_000, 10))
GRIDS = (LINEAR_CENT, TENTH, (PriceRange(0, 10_000, 1),), (PriceRange(2_050, 7_000, 150),), ())
PRICES = st.one_of(st.integers(0, 100).map(lambda cents: 100 * cents), st.integers(-1, 10_001))
STRATEGIES = st.builds(
    Strategy,
    output=st.just(Output.ACTION_LOGITS),
    sizes_centi=st.lists(st.sampled_from([1, 99, 100, 250, 500, 10_000]), min_size=1, max_size=3).map(tuple),
    price_rule=st.sampled_from(PriceRule),
    cash_share_ppm=st.sampled_from([1, 33_333, 200_000, 1_000_000]),
    max_position_centi=st.sampled_from([None, 0, 100, 300, 730, 10_000]),
)
PROBABILITIES = st.one_of(
    st.floats(0, 1), st.integers(0, 100).map(lambda cents: cents / 100), st.sampled_from([0.0, 1.0])
)
QUOTING = st.builds(
    Strategy,
    output=st.just(Output.YES_PROBABILITY),
    sizes_centi=st.sampled_from([(1,), (99,), (100,), (500,), (100, 12_345)]),
    price_rule=st.sampled_from(PriceRule),
    min_edge_cc=st.sampled_from([0, 0, 1, 50, 300]),
    take_edge_cc=st.sampled_from([None, None, 0, 100]),
    kelly_fraction_ppm=st.sampled_from([0, 0, 1, 100_000, 1_000_000]),
    cash_share_ppm=st.sampled_from([1, 33_333, 200_000, 1_000_000]),
    max_position_centi=st.sampled_from([None, 0, 100, 300, 730, 10_000]),
)


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    one, other = draw(PRICES), draw(PRICES)
    if draw(st.integers(0, 9)):  # else crossed, or equal
        one, other = min(one, other), max(one, other)
    sizes = st.sampled_from([0, 1, 5_000, 5_000, 5_000])
    changed: dict[str, Any] = {
        "best_bid_cc": one, "best_ask_cc": other, "best_bid_centi": draw(sizes), "best_ask_centi": draw(sizes),
        "price_ranges": draw(st.sampled_from(GRIDS)),
        "position_centi": draw(st.one_of(st.just(0), st.sampled_from([-730, -500, 37, 500]), st.integers(-900, 900))),
        "cash_micros": draw(
            st.one_of(st.integers(-5, 10**7), st.integers(0, 10**10), st.sampled_from([10**9, 10**15]))
        ),
        "taker_rate_ppm": draw(st.sampled_from([0, 17_500, 70_000, 70_000, 1_000_000, 1_000_001, 9_000_000])),
        "maker_rate_ppm": draw(st.sampled_from([0, 0, 17_500, 1_000_000])),
    }  # fmt: skip
    return observation(**changed)


@given(how=STRATEGIES, seen=st.lists(observations(), max_size=8), data=st.data())
def test_actions_at_once_equal_each_alone(how: Strategy, seen: list[Observation], data: st.DataObject) -> None:
    ids = st.lists(st.integers(0, how.outputs - 1), min_size=len(seen), max_size=len(seen))
    actions = data.draw(ids)
    expected = [decide_action(*each, how) for each in zip(seen, actions, strict=True)]
    assert decide_actions(seen, actions, how) == expected


@pytest.mark.parametrize("rule", PriceRule)
def test_every_price_of_every_grid_is_read_as_alone(rule: PriceRule) -> None:
    how = Strategy(output=Output.ACTION_LOGITS, sizes_centi=(500,), price_rule=rule)
    for grid in GRIDS:
        seen = [
            observation(best_bid_cc=bid_cc, best_ask_cc=bid_cc + width, price_ranges=grid)
            for bid_cc in (*range(0, 10_000, 37), *range(0, 10_000, 50)) for width in (10, 100, 150)
        ]  # fmt: skip
        for action in (1, 3):
            assert decide_actions(seen, [action] * len(seen), how) == [
                decide_action(each, action, how) for each in seen
            ]


@pytest.mark.parametrize("share_ppm", [1_000, 200_000, 1_000_000])
@pytest.mark.parametrize("size_centi", [100, 500, 10_000])
def test_cash_around_the_amount_that_is_enough(share_ppm: int, size_centi: int) -> None:
    how = Strategy(output=Output.ACTION_LOGITS, sizes_centi=(size_centi,), cash_share_ppm=share_ppm)
    most = size_centi * 13_000 * 1_000_000 // share_ppm
    for rate in (0, 70_000, 1_000_000):
        seen = [observation(cash_micros=most * step // 500, taker_rate_ppm=rate, best_bid_cc=100, best_ask_cc=9_900)
                for step in range(500)]  # fmt: skip
        for action in (1, 3):
            decided = decide_actions(seen, [action] * len(seen), how)
            assert decided == [decide_action(each, action, how) for each in seen]
            assert Reason.ZERO_SIZE in {each.reason for each in decided}
            assert decided[-1].targets[0].size_centi == size_centi


@given(how=QUOTING, rows=st.lists(st.tuples(observations(), PROBABILITIES), max_size=8))
def test_probabilities_at_once_equal_each_alone(how: Strategy, rows: list[tuple[Observation, float]]) -> None:
    seen, probabilities = [one for one, _ in rows], [each for _, each in rows]
    expected = [decide(one, [each], how) for one, each in rows]
    assert decide_probabilities(seen, probabilities, how) == expected


@pytest.mark.parametrize("rule", PriceRule)
def test_every_fair_price_is_quoted_as_alone(rule: PriceRule) -> None:
    """Fees, positions and grids that move the quote away from its rule's price, and Kelly sizes."""
    draw = random.Random(3)
    for grid in GRIDS:
        for changed in ({}, {"kelly_fraction_ppm": 200_000, "min_edge_cc": 20}, {"take_edge_cc": 100}):
            how = Strategy(output=Output.YES_PROBABILITY, sizes_centi=(700,), price_rule=rule, **changed)
            probabilities = [step / 300 for step in range(301)]
            seen = [
                observation(
                    best_bid_cc=(bid_cc := draw.randrange(100, 9_800, 50)),
                    best_ask_cc=bid_cc + 50 * draw.randrange(1, 4),
                    price_ranges=grid, maker_rate_ppm=draw.choice([0, 17_500]),
                    position_centi=draw.choice([0, 0, 350, -350, 900]),
                )
                for _ in probabilities
            ]  # fmt: skip
            expected = [decide(one, [each], how) for one, each in zip(seen, probabilities, strict=True)]
            assert decide_probabilities(seen, probabilities, how) == expected


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_a_value_outside_0_to_1_is_an_error(probability: float) -> None:
    how = Strategy(output=Output.YES_PROBABILITY, sizes_centi=(500,))
    with pytest.raises(ValueError, match="probability"):
        decide_probabilities([observation()], [probability], how)


def test_lists_of_different_lengths_are_an_error() -> None:
    how = Strategy(output=Output.ACTION_LOGITS, sizes_centi=(500,))
    with pytest.raises(ValueError, match="zip"):
        decide_actions([observation()], [0, 0], how)
