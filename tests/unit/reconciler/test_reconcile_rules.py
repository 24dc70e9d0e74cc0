"""When ledger and exchange count as equal: a table of one reading of each."""

from __future__ import annotations

import pytest

from truebook.ledger.port import AccountView, Limits, MarketView, OrderView, View
from truebook.ledger.reconcile import Kind, differences, held_for
from truebook.messages.envelope import BookSide
from truebook.venue.account import ExchangeBalance, ExchangeOrder, ExchangePosition, OrderStatus

CASH = 10_000_000


def own(state: str = "acknowledged", **changed) -> OrderView:
    values = {
        "order_id": "tb1-a", "exchange_order_id": "xa", "ticker": "M", "book_side": BookSide.BID, "price_cc": 4000,
        "size_centi": 1000, "applied_centi": 0, "remaining_centi": 1000, "state": state, "reduce_only": False,
        "reserved_us": 0, "deadline_us": 0, "send_by_us": 0, "expires_us": 0, "opening_centi": 1000,
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
    *orders: OrderView, position: int = 0, settled: int | None = None, cash: int = CASH, promised: int = 0,
    parked: int = 0,
) -> View:  # fmt: skip
    market = MarketView(
        ticker="M", event="E", yes_bought_centi=max(0, position), yes_cost_micros=0,
        no_bought_centi=max(0, -position), no_cost_micros=0, position_centi=position, settlement_cc=settled,
        payout_micros=0, fees_micros=0, orders=orders,
    )  # fmt: skip
    account = AccountView(
        opened=True, ledger_seq=1, mode="running", cash_micros=max(0, cash), overdrawn_micros=max(0, -cash),
        promised_micros=promised, deposits_micros=0, adjustments_micros=0, rounding_micros=0, fees_micros=0,
        payouts_micros=0, costs_micros=0, pairs_micros=0, clock_us=0, holds=(), limits=Limits(), parked=parked,
    )  # fmt: skip
    return View(account=account, markets=(market,))


def balance(micros: int) -> ExchangeBalance:
    return ExchangeBalance(balance_micros=micros, updated_us=0)


def held(centi: int) -> tuple[ExchangePosition, ...]:
    return (ExchangePosition(ticker="M", position_centi=centi, exposure_micros=0),) if centi else ()


PROMISE = 4_000_000 + 268_000
"""Ten contracts at .40 and their worst fee: 168,000 + 100,000."""

ROWS = [
    ("nothing anywhere", view(), CASH, 0, (), []),
    ("less than the balance's precision", view(cash=CASH + 99), CASH, 0, (), []),
    ("the balance's precision", view(cash=CASH + 100), CASH, 0, (), [Kind.CASH]),
    ("more at the exchange", view(), CASH + 100, 0, (), [Kind.CASH]),
    ("overdrawn is a negative balance", view(cash=-500), -500, 0, (), []),
    ("the same position", view(position=500), CASH, 500, (), []),
    ("another position", view(position=500), CASH, 400, (), [Kind.POSITION]),
    ("a position that the ledger does not know", view(), CASH, -200, (), [Kind.POSITION]),
    ("a position that the exchange does not know", view(position=-200), CASH, 0, (), [Kind.POSITION]),
    ("settled here, paid out there", view(position=500, settled=10_000), CASH, 0, (), []),
    ("settled here, still shown there", view(position=500, settled=10_000), CASH, 500, (), []),
    ("an order on both sides, the exchange holds no fee", view(own(), cash=CASH - PROMISE, promised=PROMISE),
     CASH - 4_000_000, 0, (shown(),), []),
    ("an order on both sides, the exchange holds the worst fee", view(own(), cash=CASH - PROMISE, promised=PROMISE),
     CASH - PROMISE, 0, (shown(),), []),
    ("the exchange holds more than any fee explains", view(own(), cash=CASH - PROMISE, promised=PROMISE),
     CASH - PROMISE - 100, 0, (shown(),), [Kind.CASH]),
    ("the exchange holds less than the price", view(own(), cash=CASH - PROMISE, promised=PROMISE),
     CASH - 4_000_000 + 100, 0, (shown(),), [Kind.CASH]),
    ("another remainder", view(own(), cash=CASH - PROMISE, promised=PROMISE), CASH - 4_000_000, 0,
     (shown(remaining_centi=999),), [Kind.ORDER]),
    ("an order that rests no more", view(own(), cash=CASH - PROMISE, promised=PROMISE), CASH, 0, (), [Kind.ORDER]),
    ("closed here, resting there", view(own("closing"), cash=CASH - PROMISE, promised=PROMISE), CASH - 4_000_000, 0,
     (shown(),), [Kind.ORDER]),
    ("unknown here, absent there", view(own("unknown"), cash=CASH - PROMISE, promised=PROMISE), CASH, 0, (),
     [Kind.UNKNOWN_ORDER]),
    ("someone else's order", view(), CASH - 4_000_000, 0, (shown(client_order_id="web"),), [Kind.FOREIGN_ORDER]),
    ("fills without an order", view(parked=2), CASH, 0, (), [Kind.PARKED]),
    ("a cancelled order is no order", view(), CASH, 0, (shown(status=OrderStatus.CANCELED),), []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("ledger", "cash", "position", "orders", "kinds"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_equal_or_not(ledger: View, cash: int, position: int, orders, kinds: list[Kind]) -> None:
    found = differences(ledger, balance(cash), held(position), orders)
    assert [difference.kind for difference in found] == kinds
    assert all(str(difference) for difference in found)


def test_the_amount_of_a_difference_is_what_the_exchange_has_more() -> None:
    (cash,) = differences(view(), balance(CASH + 700), (), ())
    (position,) = differences(view(position=500), balance(CASH), held(300), ())
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
def test_what_the_exchange_holds_for_orders_before_fees(orders, position: int, micros: int) -> None:
    assert held_for(orders, {"M": position}) == micros
