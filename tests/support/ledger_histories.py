"""Valid histories for the ledger: what an exchange could report, with real fees, in any order of arrival."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from hypothesis import strategies as st

from support.ledger_verbs import ASK, BID, AnyVerb
from truebook.ledger.verbs import Acknowledge, Close, OpenAccount, Reserve, SettleFill, SettleMarket
from truebook.messages.envelope import BookSide
from truebook.money import no_price
from truebook.venue.fees import FeeRounding, charge

FEE_RATE_PPM = 70_000


class History(NamedTuple):
    """Decisions in order, then all reports that follow from them."""

    decisions: list[Reserve]
    reports: list[AnyVerb]


class _Order(NamedTuple):
    reserve: Reserve
    fill_sizes: list[int]
    improvements_cc: list[int]
    reports_total_first: bool


@st.composite
def histories(draw: st.DrawFn, *, foreign: bool = True) -> History:
    """Draw orders with their fills, acknowledgements, final totals, and perhaps settlements."""
    orders = [_order(draw, number) for number in range(draw(st.integers(1, 5)))]
    reports: list[AnyVerb] = []
    for order in orders:
        reports += _reports(order)
    if foreign and draw(st.booleans()):
        reports += _foreign_order()
    for ticker in sorted({order.reserve.ticker for order in orders}):
        if draw(st.booleans()):
            reports.append(SettleMarket(ticker=ticker, settlement_cc=draw(st.sampled_from((0, 2500, 10_000)))))
    return History([order.reserve for order in orders], reports)


@st.composite
def deliveries(draw: st.DrawFn, reports: list[AnyVerb]) -> list[AnyVerb]:
    """Draw an order of arrival in which every report is received at least once, some several times."""
    again = draw(st.lists(st.sampled_from(reports), max_size=4)) if reports else []
    return list(draw(st.permutations([*reports, *again])))


def opening(balance_micros: int) -> OpenAccount:
    return OpenAccount(balance_micros=balance_micros)


def _order(draw: st.DrawFn, number: int) -> _Order:
    size = draw(st.integers(1, 1200))
    reserve = Reserve(
        order_id=f"o{number}",
        nonce="n",
        ticker=draw(st.sampled_from(("M", "N"))),
        event="E",
        exclusive=False,
        book_side=draw(st.sampled_from((BID, ASK))),
        price_cc=draw(st.integers(1, 9999)),
        size_centi=size,
        reduce_only=False,
        fee_rate_ppm=FEE_RATE_PPM,
        deadline_us=10**15,
        now_us=1000,
        partition=0,
        epoch=1,
    )
    fill_sizes: list[int] = []
    while sum(fill_sizes) < size and len(fill_sizes) < 3 and draw(st.booleans()):
        fill_sizes.append(draw(st.integers(1, size - sum(fill_sizes))))
    improvements = [draw(st.integers(0, 9998)) for _ in fill_sizes]
    return _Order(reserve, fill_sizes, improvements, draw(st.booleans()))


def _reports(order: _Order) -> list[AnyVerb]:
    """Return all reports about one order: resting, its fills, and its end."""
    reserve, exchange_id, filled = order.reserve, f"x{order.reserve.order_id}", sum(order.fill_sizes)
    reports: list[AnyVerb] = [
        Acknowledge(
            order_id=reserve.order_id, exchange_order_id=exchange_id, ticker=reserve.ticker,
            filled_centi=0, remaining_centi=reserve.size_centi,
        ),
        Close(order_id=reserve.order_id, exchange_order_id=exchange_id, filled_centi=filled),
    ]  # fmt: skip
    if order.reports_total_first:
        reports.append(Close(order_id=reserve.order_id, exchange_order_id=None, filled_centi=filled))
    rounding = FeeRounding()
    for number, (size, better_cc) in enumerate(zip(order.fill_sizes, order.improvements_cc, strict=True)):
        price = _improved(reserve.book_side, reserve.price_cc, better_cc)
        own = price if reserve.book_side is BID else no_price(price)
        fee, rounding = charge(size, price, FEE_RATE_PPM, -size * own, rounding)
        reports.append(
            SettleFill(
                trade_id=f"t{number}", order_id=exchange_id, ticker=reserve.ticker, book_side=reserve.book_side,
                price_cc=price, size_centi=size, fee_micros=fee,
            )
        )  # fmt: skip
    return reports


def _improved(side: BookSide, price_cc: int, better_cc: int) -> int:
    return max(1, price_cc - better_cc) if side is BID else min(9999, price_cc + better_cc)


def _foreign_order() -> list[AnyVerb]:
    fill = SettleFill(
        trade_id="t1", order_id="xweb", ticker="M", book_side=BID, price_cc=2000, size_centi=50, fee_micros=10
    )
    return [
        fill,
        msgspec.structs.replace(fill, trade_id="t2"),
        Acknowledge(order_id="web", exchange_order_id="xweb", ticker="M", filled_centi=100, remaining_centi=0),
    ]
