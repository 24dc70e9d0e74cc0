"""Action ids: the map for every k, the target of each id, and the refusals."""

from __future__ import annotations

from typing import Any

import pytest

from support.observations import observation
from truebook.decision.decide import Decision, decide
from truebook.decision.strategy import Intent, Output, PriceRule, Strategy, intent_of
from truebook.messages.actions import OmittedSides, Target
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import PriceRange
from truebook.messages.reasons import Reason

BID, ASK = BookSide.BID, BookSide.ASK
FIVE = (500, 1_000, 2_000, 5_000, 10_000)
KINDS = (Intent.BUY_YES, Intent.SELL_YES, Intent.BUY_NO, Intent.SELL_NO)


def strategy(sizes: tuple[int, ...] = (500,), **changed: Any) -> Strategy:
    return Strategy(**({"output": Output.ACTION_LOGITS, "sizes_centi": sizes, "cash_share_ppm": 1_000_000} | changed))


def selected(action: int, how: Strategy | None = None, **values: Any) -> Decision:
    how = how or strategy()
    row = [0.0] * how.outputs
    row[action] = 1.0
    return decide(observation(**values), row, how)


@pytest.mark.parametrize("sizes", [(500,), (1_000, 5_000), FIVE])
def test_the_action_map_is_hold_then_k_sizes_of_each_kind(sizes: tuple[int, ...]) -> None:
    read = [intent_of(action, sizes) for action in range(1 + 4 * len(sizes))]
    assert read == [(Intent.HOLD, 0), *((kind, size) for kind in KINDS for size in sizes)]
    assert strategy(sizes).outputs == len(read)


@pytest.mark.parametrize("action", [-1, 5])
def test_an_id_of_another_map_is_refused(action: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        intent_of(action, (500,))


def test_id_two_of_21_is_a_buy_and_not_the_sale_of_the_5_map() -> None:
    how = strategy(FIVE)
    assert selected(2, how, position_centi=1_000).targets[0] == Target(book_side=BID, price_cc=4_400, size_centi=1_000)


@pytest.mark.parametrize(
    ("action", "position", "side", "price_cc", "reduce_only"),
    [
        (1, 0, BID, 4_400, False),
        (2, 800, ASK, 4_000, True),
        (3, 0, ASK, 4_000, False),
        (4, -800, BID, 4_400, True),
    ],
)
def test_each_kind_becomes_its_side_at_its_own_price(
    action: int, position: int, side: BookSide, price_cc: int, reduce_only: bool
) -> None:
    decision = selected(action, position_centi=position)
    expected = Target(book_side=side, price_cc=price_cc, size_centi=500, reduce_only=reduce_only)
    assert decision.targets == (expected,)
    assert (decision.omitted_sides, decision.reason, decision.action) == (OmittedSides.KEEP, None, action)


def test_hold_has_no_target_and_keeps_orders() -> None:
    assert selected(0) == Decision(reason=Reason.NO_ACTION, action=0)


def test_the_lower_id_wins_a_tie() -> None:
    assert decide(observation(), [1.0] * 5, strategy()).action == 0


@pytest.mark.parametrize(
    ("action", "values", "reason"),
    [
        (1, {"best_ask_centi": 0}, Reason.ONE_SIDED_BOOK),
        (1, {"best_bid_centi": 0}, Reason.ONE_SIDED_BOOK),
        (3, {"best_bid_cc": 0}, Reason.ONE_SIDED_BOOK),
        (1, {"best_ask_cc": 10_000}, Reason.ONE_SIDED_BOOK),
        (1, {"best_ask_cc": 4_000}, Reason.ONE_SIDED_BOOK),
        (1, {"best_ask_cc": 4_450}, Reason.OFF_GRID),
        (2, {"position_centi": 0}, Reason.ZERO_SIZE),
        (2, {"position_centi": -500}, Reason.ZERO_SIZE),
        (4, {"position_centi": 500}, Reason.ZERO_SIZE),
        (1, {"cash_micros": 0}, Reason.ZERO_SIZE),
        (1, {"cash_micros": 300_000}, Reason.ZERO_SIZE),
    ],
)
def test_a_refusal_has_a_reason_and_no_default(action: int, values: dict[str, Any], reason: Reason) -> None:
    assert selected(action, **values) == Decision(reason=reason, action=action)


def test_a_sale_is_capped_at_the_position() -> None:
    assert selected(2, position_centi=37).targets[0].size_centi == 37


def test_a_buy_that_closes_the_no_leg_needs_no_cash() -> None:
    assert selected(1, position_centi=-300, cash_micros=0).targets[0].size_centi == 300


@pytest.mark.parametrize("width", [0, 4, 6, 21])
def test_a_row_of_another_width_is_an_error(width: int) -> None:
    with pytest.raises(ValueError, match="numbers a row"):
        decide(observation(), [0.0] * width, strategy())


CENT = (PriceRange(0, 10_000, 100),)
TENTH = (PriceRange(0, 1_000, 10), PriceRange(1_000, 9_000, 100), PriceRange(9_000, 10_000, 10))


@pytest.mark.parametrize(
    ("rule", "side", "top", "grid", "price_cc"),
    [
        (PriceRule.CROSS, BID, (4_000, 4_400), CENT, 4_400),
        (PriceRule.CROSS, ASK, (4_000, 4_400), CENT, 4_000),
        (PriceRule.JOIN, BID, (4_000, 4_400), CENT, 4_000),
        (PriceRule.JOIN, ASK, (4_000, 4_400), CENT, 4_400),
        (PriceRule.IMPROVE, BID, (4_000, 4_400), CENT, 4_100),
        (PriceRule.IMPROVE, ASK, (4_000, 4_400), CENT, 4_300),
        (PriceRule.IMPROVE, BID, (4_000, 4_100), CENT, 4_000),
        (PriceRule.IMPROVE, ASK, (4_000, 4_100), CENT, 4_100),
        (PriceRule.IMPROVE, BID, (990, 1_100), TENTH, 1_000),
        (PriceRule.IMPROVE, ASK, (900, 1_000), TENTH, 990),
        (PriceRule.IMPROVE, BID, (9_970, 9_990), TENTH, 9_980),
        (PriceRule.MID, BID, (4_000, 4_400), CENT, 4_200),
        (PriceRule.MID, ASK, (4_000, 4_400), CENT, 4_200),
        (PriceRule.MID, BID, (4_000, 4_300), CENT, 4_100),
        (PriceRule.MID, ASK, (4_000, 4_300), CENT, 4_200),
        (PriceRule.MID, BID, (4_000, 4_100), CENT, 4_000),
        (PriceRule.MID, ASK, (4_000, 4_100), CENT, 4_100),
        (PriceRule.MID, BID, (10, 30), TENTH, 20),
        (PriceRule.CROSS, BID, (4_000, 4_450), CENT, None),
        (PriceRule.JOIN, BID, (4_050, 4_100), CENT, None),
        (PriceRule.IMPROVE, BID, (4_050, 4_100), CENT, None),
        (PriceRule.IMPROVE, BID, (4_050, 4_300), CENT, 4_100),
    ],
)
def test_price_rules_follow_the_grid(
    rule: PriceRule, side: BookSide, top: tuple[int, int], grid: tuple[PriceRange, ...], price_cc: int | None
) -> None:
    action = 1 if side is BID else 3
    values = {"best_bid_cc": top[0], "best_ask_cc": top[1], "price_ranges": grid}
    decision = selected(action, strategy(price_rule=rule), **values)
    if price_cc is None:
        assert decision.reason is Reason.OFF_GRID
    else:
        post_only = rule in (PriceRule.JOIN, PriceRule.IMPROVE)
        assert [(each.price_cc, each.post_only) for each in decision.targets] == [(price_cc, post_only)]


def test_the_largest_position_bounds_what_opens() -> None:
    how = strategy((5_000,), max_position_centi=2_000)
    assert selected(1, how).targets[0].size_centi == 2_000
    assert selected(1, how, position_centi=1_500).targets[0].size_centi == 500
    assert selected(1, how, position_centi=-1_000).targets[0].size_centi == 3_000
    assert selected(1, how, position_centi=2_500).reason is Reason.ZERO_SIZE
