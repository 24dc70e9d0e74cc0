"""When ledger and exchange count as equal: a table with one state of each."""

from __future__ import annotations

import pytest

from truebook.ledger.port import AccountView, LedgerView, MarketView, OrderView
from truebook.ledger.reconcile import FeeHold, Kind, compare, held_for
from truebook.ledger.verbs import Limits, OrderState
from truebook.messages.envelope import BookSide
from truebook.venue.account import ExchangeBalance, ExchangeOrder, ExchangePosition, OrderStatus

CASH = 10_000_000


def own(state: str = "acknowledged", **changed) -> OrderView:
    values = {
        "order_id": "tb1-a", "exchange_order_id": "xa", "ticker": "M", "book_side": BookSide.BID, "price_cc": 4000,
        "size_centi": 1000, "applied_centi": 0, "remaining_centi": 1000, "state": OrderState(state),
        "reduce_only": False, "reserved_us": 0, "deadline_us": 0, "send_by_us": 0, "expires_us": 0,
        "opening_centi": 1000,
    }  # fmt: skip
    return OrderView(**(values | changed))


def shown(**changed) -> ExchangeOrder:
    values = {
        "exchange_order_id": "xa", "client_order_id": "tb1-a", "ticker": "M", "book_side": BookSide.BID,
        "price_cc": 4000, "initial_centi": 1000, "filled_centi": 0, "remaining_centi": 1000,
        "status": OrderStatus.RESTING,
    }  # fmt: skip
    return ExchangeOrder(**(values | changed))


def view(
    *orders: OrderView, position: int = 0, settled: int | None = None, cash: int = CASH, reserved: int = 0,
    parked: int = 0,
) -> LedgerView:  # fmt: skip
    market = MarketView(
        ticker="M", event="E", yes_bought_centi=max(0, position), yes_cost_micros=0,
        no_bought_centi=max(0, -position), no_cost_micros=0, position_centi=position, settlement_cc=settled,
        payout_micros=0, fees_micros=0, orders=orders,
    )  # fmt: skip
    account = AccountView(
        opened=True, ledger_seq=1, mode="running", cash_micros=max(0, cash), overdrawn_micros=max(0, -cash),
        reserved_micros=reserved, deposits_micros=0, adjustments_micros=0, rounding_micros=0, interest_micros=0,
        fees_micros=0, payouts_micros=0, costs_micros=0, pairs_micros=0, clock_us=0, holds=(), limits=Limits(),
        parked=parked,
    )  # fmt: skip
    return LedgerView(account=account, markets=(market,))


def balance(micros: int) -> ExchangeBalance:
    return ExchangeBalance(balance_micros=micros, updated_us=0)


def held(centi: int) -> tuple[ExchangePosition, ...]:
    return (ExchangePosition(ticker="M", position_centi=centi, exposure_micros=0),) if centi else ()


RESERVED = 4_000_000 + 268_000
"""Ten contracts at .40 and their worst fee: 168,000 + 100,000."""

ROWS = [
    ("nothing anywhere", view(), CASH, 0, (), []),
    ("less than the balance's precision", view(cash=CASH + 99), CASH, 0, (), []),
    ("the balance's precision", view(cash=CASH + 100), CASH, 0, (), [Kind.CASH]),
    ("more at the exchange", view(), CASH + 100, 0, (), [Kind.CASH]),
    ("overdrawn is a negative balance", view(cash=-500), -500, 0, (), []),
    ("the same position", view(position=500), CASH, 500, (), []),
    ("another position", view(position=500), CASH, 400, (), [Kind.POSITION]),
    ("a position unknown to the ledger", view(), CASH, -200, (), [Kind.POSITION]),
    ("a position unknown to the exchange", view(position=-200), CASH, 0, (), [Kind.POSITION]),
    ("settled here, paid out there", view(position=500, settled=10_000), CASH, 0, (), []),
    ("settled here, still shown there", view(position=500, settled=10_000), CASH, 500, (), []),
    ("an order on both sides, the exchange reserves no fee", view(own(), cash=CASH - RESERVED, reserved=RESERVED),
     CASH - 4_000_000, 0, (shown(),), []),
    ("an order on both sides, the exchange reserves the worst fee",
     view(own(), cash=CASH - RESERVED, reserved=RESERVED), CASH - RESERVED, 0, (shown(),), []),
    ("the exchange reserves more than any fee explains", view(own(), cash=CASH - RESERVED, reserved=RESERVED),
     CASH - RESERVED - 100, 0, (shown(),), [Kind.CASH]),
    ("the exchange reserves less than the price", view(own(), cash=CASH - RESERVED, reserved=RESERVED),
     CASH - 4_000_000 + 100, 0, (shown(),), [Kind.CASH]),
    ("another remainder", view(own(), cash=CASH - RESERVED, reserved=RESERVED), CASH - 4_000_000, 0,
     (shown(remaining_centi=999),), [Kind.ORDER]),
    ("an order that no longer rests", view(own(), cash=CASH - RESERVED, reserved=RESERVED), CASH, 0, (), [Kind.ORDER]),
    ("closed here, resting there", view(own("closing"), cash=CASH - RESERVED, reserved=RESERVED), CASH - 4_000_000, 0,
     (shown(),), [Kind.ORDER]),
    ("unknown here, absent there", view(own("unknown"), cash=CASH - RESERVED, reserved=RESERVED), CASH, 0, (),
     [Kind.UNKNOWN_ORDER]),
    ("a position that an unknown order explains", view(own("unknown"), cash=CASH - RESERVED, reserved=RESERVED),
     CASH - 4_168_000, 1000, (), [Kind.UNKNOWN_ORDER]),
    ("a position beyond what an unknown order explains",
     view(own("unknown"), cash=CASH - RESERVED, reserved=RESERVED), CASH - 4_168_000, 1001, (),
     [Kind.POSITION, Kind.UNKNOWN_ORDER]),
    ("a foreign order", view(), CASH - 4_000_000, 0, (shown(client_order_id="web"),), [Kind.FOREIGN_ORDER]),
    ("fills without an order", view(parked=2), CASH, 0, (), [Kind.PARKED]),
    ("a cancelled order is no order", view(), CASH, 0, (shown(status=OrderStatus.CANCELED),), []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("ledger", "cash", "position", "orders", "kinds"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_equal_or_not(ledger: LedgerView, cash: int, position: int, orders, kinds: list[Kind]) -> None:
    found = compare(ledger, balance(cash), held(position), orders).differences
    assert [difference.kind for difference in found] == kinds
    assert all(str(difference) for difference in found)


FEES = 13_750_000
BIG = {"price_cc": 5000, "size_centi": 50_000, "remaining_centi": 50_000, "opening_centi": 50_000}
"""500 contracts at .50; their worst fees are $8.75 and $5 for rounding."""


@pytest.mark.parametrize(
    ("fee_hold", "held_fees", "error", "amount"),
    [
        (None, FEES // 2, 0, 0),
        (None, 0, 5_000_000, 5_000_000),
        (None, 0, -5_000_000, 0),
        (FeeHold.NONE, 0, -5_000_000, -4_000_000),
        (FeeHold.NONE, 0, 5_000_000, 5_000_000),
        (FeeHold.ALL, FEES, 5_000_000, 4_000_000),
        (FeeHold.ALL, FEES, -5_000_000, -5_000_000),
        (FeeHold.ALL, FEES, 900_000, 0),
        (FeeHold.VARIES, FEES, 5_000_000, 0),
    ],
)
def test_a_known_fee_hold_bounds_the_cash(fee_hold: FeeHold | None, held_fees: int, error: int, amount: int) -> None:
    cash, reserved = 100_000_000, 250_000_000 + FEES
    resting = (shown(price_cc=5000, initial_centi=50_000, remaining_centi=50_000),)
    read = balance(cash + FEES - held_fees + error)
    found = compare(view(own(**BIG), cash=cash, reserved=reserved), read, (), resting, fee_hold=fee_hold)
    assert [difference.amount for difference in found.differences] == ([amount] if amount else [])


@pytest.mark.parametrize(
    ("held_fees", "fee_hold"), [(0, FeeHold.NONE), (FEES, FeeHold.ALL), (FEES // 2, FeeHold.VARIES)]
)
def test_an_equal_reading_shows_the_fee_hold(held_fees: int, fee_hold: FeeHold) -> None:
    cash = 100_000_000
    resting = (shown(price_cc=5000, initial_centi=50_000, remaining_centi=50_000),)
    ledger = view(own(**BIG), cash=cash, reserved=250_000_000 + FEES)
    assert compare(ledger, balance(cash + FEES - held_fees), (), resting).fee_hold is fee_hold


def test_the_amount_of_a_difference_is_the_exchanges_surplus() -> None:
    (cash,) = compare(view(), balance(CASH + 700), (), ()).differences
    (position,) = compare(view(position=500), balance(CASH), held(300), ()).differences
    assert (cash.amount, position.amount, position.ticker) == (700, -200, "M")


@pytest.mark.parametrize(
    ("orders", "position", "micros"),
    [
        ([shown()], 0, 4_000_000),
        ([shown(book_side=BookSide.ASK)], 0, 6_000_000),
        ([shown(book_side=BookSide.ASK)], 1000, 0),
        ([shown(book_side=BookSide.ASK)], 400, 3_600_000),
        ([shown()], -1000, 0),
        ([shown(), shown(book_side=BookSide.ASK, price_cc=6000)], 0, 8_000_000),
        ([shown(price_cc=3000), shown(price_cc=4000)], -1000, 4_000_000),
    ],
)
def test_cash_that_the_exchange_reserves_before_fees(orders, position: int, micros: int) -> None:
    assert held_for(orders, {"M": position}) == micros
