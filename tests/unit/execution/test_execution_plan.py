"""What an action means for one side: a table over what is wanted and what works; and sizing by what is held."""

from __future__ import annotations

import pytest

from support.execution_rig import ask, bid
from truebook.ledger.port import MarketView, OrderView
from truebook.messages.actions import Target, Unmentioned
from truebook.messages.envelope import BookSide
from truebook.messages.reasons import Reason
from truebook_services.execution.plan import (
    Cancel,
    Keep,
    Place,
    Tolerance,
    Wait,
    plan_side,
    whole_second_us,
    working_on,
)
from truebook_services.execution.sizing import held_against


def working(state: str = "acknowledged", **changed) -> OrderView:
    values = {
        "order_id": "w", "exchange_order_id": "x", "ticker": "M", "book_side": BookSide.BID, "price_cc": 4000,
        "size_centi": 1000, "applied_centi": 0, "remaining_centi": 1000, "state": state, "reduce_only": False,
        "reserved_us": 0, "deadline_us": 0, "send_by_us": 0, "expires_us": 20_000_000,
    }  # fmt: skip
    return OrderView(**(values | changed))


KEEP, PULL = Unmentioned.KEEP, Unmentioned.PULL
ROWS = [
    ("nothing wanted, nothing works", None, None, PULL, None),
    ("nothing wanted: kept", None, working(), KEEP, None),
    ("nothing wanted: pulled", None, working(), PULL, Cancel),
    ("pulled, but nothing is acknowledged to be pulled", None, working("unknown"), PULL, None),
    ("free slot", bid(), None, KEEP, Place),
    ("fits", bid(), working(), KEEP, Keep),
    ("half filled still fits", bid(), working(remaining_centi=500), KEEP, Keep),
    ("too little left", bid(), working(remaining_centi=499), KEEP, Cancel),
    ("more than wanted", bid(size_centi=900), working(), KEEP, Cancel),
    ("another price", bid(4100), working(), KEEP, Cancel),
    ("a shorter life is wanted", bid(expires_us=19_000_000), working(), KEEP, Cancel),
    ("the same whole second is no shorter life", bid(expires_us=19_500_000), working(), KEEP, Keep),
    ("reduce-only is wanted, the working order may open", bid(reduce_only=True), working(), KEEP, Cancel),
    ("the outcome is not known", bid(), working("unknown"), KEEP, Reason.UNKNOWN_ORDER),
    ("still being sent", bid(), working("reserved"), KEEP, Reason.SLOT),
    ("being cancelled", bid(), working(order_id="going"), KEEP, Reason.AWAITING_CANCEL),
    ("being cancelled and pulled again", None, working(order_id="going"), PULL, None),
]


@pytest.mark.parametrize(
    ("target", "order", "unmentioned", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_one_side(target: Target | None, order: OrderView | None, unmentioned: Unmentioned, expected) -> None:
    size_centi = target.size_centi if target is not None else 0
    step = plan_side(target, size_centi, order, {"going"}, unmentioned, tolerance=Tolerance())
    if isinstance(expected, Reason):
        assert isinstance(step, Wait)
        assert step.reason is expected
    elif expected is None:
        assert step is None
    else:
        assert isinstance(step, expected)


def test_a_target_that_cannot_be_placed_takes_the_working_order_away() -> None:
    step = plan_side(ask(reduce_only=True), 0, working(book_side=BookSide.ASK), (), KEEP, tolerance=Tolerance())
    assert isinstance(step, Cancel)


def test_a_tolerance_keeps_an_order_that_is_near() -> None:
    step = plan_side(bid(4100), 1000, working(), (), KEEP, tolerance=Tolerance(price_cc=100))
    assert isinstance(step, Keep)


def test_a_closing_order_leaves_its_slot_free() -> None:
    assert working_on(BookSide.BID, [working("closing")]) is None
    assert working_on(BookSide.ASK, [working()]) is None


@pytest.mark.parametrize(("us", "whole"), [(1, 1_000_000), (1_000_000, 1_000_000), (1_000_001, 2_000_000), (0, 0)])
def test_expiries_are_rounded_up_to_whole_seconds(us: int, whole: int) -> None:
    assert whole_second_us(us) == whole


@pytest.mark.parametrize(
    ("position", "side", "closing", "settled", "held"),
    [
        (1000, BookSide.ASK, 0, None, 1000),
        (1000, BookSide.BID, 0, None, 0),
        (-1000, BookSide.BID, 0, None, 1000),
        (1000, BookSide.ASK, 400, None, 600),
        (1000, BookSide.ASK, 1400, None, 0),
        (1000, BookSide.ASK, 0, 10_000, 0),
    ],
)
def test_what_may_be_sold_is_what_is_held_less_what_closing_orders_take(
    position: int, side: BookSide, closing: int, settled: int | None, held: int
) -> None:
    orders = (working("closing", book_side=side, remaining_centi=closing),) if closing else ()
    market = MarketView(
        ticker="M", event="E", yes_bought_centi=max(0, position), yes_cost_micros=0,
        no_bought_centi=max(0, -position), no_cost_micros=0, position_centi=position, settlement_cc=settled,
        payout_micros=0, fees_micros=0, orders=orders,
    )  # fmt: skip
    assert held_against(side, market) == held
