"""What a target means for one side, as a table over target and working order; and the closable size."""

from __future__ import annotations

import pytest

from support.execution_harness import ask, bid
from truebook.execution.guards import closable_centi, whole_second_us
from truebook.execution.plan import Cancel, Keep, Place, Tolerance, Wait, plan_side, working_on
from truebook.ledger.port import MarketView, OrderView
from truebook.ledger.verbs import OrderState
from truebook.messages.actions import OmittedSides, Target
from truebook.messages.envelope import BookSide
from truebook.messages.reasons import Reason


def working(state: OrderState = OrderState.ACKNOWLEDGED, **changed) -> OrderView:
    values = {
        "order_id": "w", "exchange_order_id": "x", "ticker": "M", "book_side": BookSide.BID, "price_cc": 4000,
        "size_centi": 1000, "applied_centi": 0, "remaining_centi": 1000, "state": state, "reduce_only": False,
        "reserved_us": 0, "deadline_us": 0, "send_by_us": 0, "expires_us": 20_000_000,
    }  # fmt: skip
    return OrderView(**(values | changed))


KEEP, CANCEL = OmittedSides.KEEP, OmittedSides.CANCEL
ROWS = [
    ("no target, no order", None, None, CANCEL, None),
    ("no target: kept", None, working(), KEEP, None),
    ("no target: cancelled", None, working(), CANCEL, Cancel),
    ("no target, but the order is not acknowledged", None, working(OrderState.UNKNOWN), CANCEL, None),
    ("free slot", bid(), None, KEEP, Place),
    ("fits", bid(), working(), KEEP, Keep),
    ("a half filled order fits", bid(), working(remaining_centi=500), KEEP, Keep),
    ("too little remains", bid(), working(remaining_centi=499), KEEP, Cancel),
    ("more remains than the target's size", bid(size_centi=900), working(), KEEP, Cancel),
    ("another price", bid(4100), working(), KEEP, Cancel),
    ("the target expires sooner", bid(expires_us=19_000_000), working(), KEEP, Cancel),
    ("the same whole second is not sooner", bid(expires_us=19_500_000), working(), KEEP, Keep),
    ("a reduce-only target, but the order may open", bid(reduce_only=True), working(), KEEP, Cancel),
    ("the outcome is unknown", bid(), working(OrderState.UNKNOWN), KEEP, Reason.UNKNOWN_ORDER),
    ("still being sent", bid(), working(OrderState.RESERVED), KEEP, Reason.SLOT),
    ("being cancelled", bid(), working(order_id="cancelling"), KEEP, Reason.AWAITING_CANCEL),
    ("no target, already being cancelled", None, working(order_id="cancelling"), CANCEL, None),
]


@pytest.mark.parametrize(
    ("target", "order", "omitted_sides", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_plan_of_one_side(
    target: Target | None, order: OrderView | None, omitted_sides: OmittedSides, expected
) -> None:
    size_centi = target.size_centi if target is not None else 0
    step = plan_side(target, size_centi, order, {"cancelling"}, omitted_sides, tolerance=Tolerance())
    if isinstance(expected, Reason):
        assert isinstance(step, Wait)
        assert step.reason is expected
    elif expected is None:
        assert step is None
    else:
        assert isinstance(step, expected)


def test_a_target_that_cannot_be_placed_cancels_the_order() -> None:
    target = ask(reduce_only=True)
    step = plan_side(target, Reason.ZERO_SIZE, working(book_side=BookSide.ASK), (), KEEP, tolerance=Tolerance())
    assert isinstance(step, Cancel)
    assert step.reason is Reason.ZERO_SIZE, "not masked by awaiting_cancel"


def test_a_target_that_cannot_be_placed_reports_it_while_cancelling() -> None:
    step = plan_side(bid(), Reason.POST_ONLY_CROSS, working(), {"w"}, KEEP, tolerance=Tolerance())
    assert isinstance(step, Wait)
    assert step.reason is Reason.POST_ONLY_CROSS


def test_a_tolerance_keeps_an_order_near_its_target() -> None:
    step = plan_side(bid(4100), 1000, working(), (), KEEP, tolerance=Tolerance(price_cc=100))
    assert isinstance(step, Keep)


def test_a_closing_order_does_not_occupy_its_slot() -> None:
    assert working_on(BookSide.BID, [working(OrderState.CLOSING)]) is None
    assert working_on(BookSide.ASK, [working()]) is None


@pytest.mark.parametrize(("us", "whole"), [(1, 1_000_000), (1_000_000, 1_000_000), (1_000_001, 2_000_000), (0, 0)])
def test_expiries_are_rounded_up_to_whole_seconds(us: int, whole: int) -> None:
    assert whole_second_us(us) == whole


@pytest.mark.parametrize(
    ("position", "side", "closing", "settled", "closable"),
    [
        (1000, BookSide.ASK, 0, None, 1000),
        (1000, BookSide.BID, 0, None, 0),
        (-1000, BookSide.BID, 0, None, 1000),
        (1000, BookSide.ASK, 400, None, 600),
        (1000, BookSide.ASK, 1400, None, 0),
        (1000, BookSide.ASK, 0, 10_000, 0),
    ],
)
def test_closable_size_excludes_closing_orders(
    position: int, side: BookSide, closing: int, settled: int | None, closable: int
) -> None:
    orders = (working(OrderState.CLOSING, book_side=side, remaining_centi=closing),) if closing else ()
    market = MarketView(
        ticker="M", event="E", yes_bought_centi=max(0, position), yes_cost_micros=0,
        no_bought_centi=max(0, -position), no_cost_micros=0, position_centi=position, settlement_cc=settled,
        payout_micros=0, fees_micros=0, orders=orders,
    )  # fmt: skip
    assert closable_centi(side, market) == closable
