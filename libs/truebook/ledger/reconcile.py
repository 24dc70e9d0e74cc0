"""Ledger and exchange compared: a pure judgement over one reading of each.

*Equal* means: each market's position; the open orders by id, price and remainder; and without open orders available
cash = balance. With open orders, cash + promised is compared with balance + what the exchange must be holding for
them, within the sum of their worst fees. The balance has a precision of 100 micro-dollars on the wire. A settled
market counts as position 0 on both sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

from truebook.ledger.port import MarketView, OrderView, View
from truebook.messages.envelope import BookSide
from truebook.money import format_micros, format_price, format_size, no_price
from truebook.venue.account import ExchangeBalance, ExchangeOrder, ExchangePosition, OrderStatus

BALANCE_PRECISION_MICROS = 100
FOREIGN_FEE_MICROS_PER_CENTI = 275
"""Most that a foreign order can pay for a hundredth of a contract: the taker fee at .50 and its worst rounding."""


class Kind(StrEnum):
    """What differs. ``UNKNOWN_ORDER`` and ``FOREIGN_ORDER`` say that the comparison is not complete yet."""

    CASH = "cash"
    POSITION = "position"
    ORDER = "order"
    FOREIGN_ORDER = "foreign_order"
    UNKNOWN_ORDER = "unknown_order"
    PARKED = "parked"
    OTHER = "other"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that ledger and exchange say differently; ``ledger`` and ``exchange`` are their words for people.

    ``amount`` is exchange minus ledger in the unit of the kind: micros of cash, hundredths of a position.
    """

    what: str
    ledger: str
    exchange: str
    kind: Kind = Kind.OTHER
    ticker: str = ""
    amount: int = 0

    def __str__(self) -> str:
        return f"{self.what}: ledger {self.ledger}, exchange {self.exchange}"


def differences(
    view: View, balance: ExchangeBalance, positions: Sequence[ExchangePosition], orders: Sequence[ExchangeOrder]
) -> tuple[Difference, ...]:
    """List all that differs between a view of every market and one reading of the exchange's account."""
    resting = [order for order in orders if order.status is OrderStatus.RESTING]
    return (
        *_of_positions(view.markets, positions),
        *_of_orders(view.markets, resting),
        *_of_cash(view, balance, positions, resting),
        *_of_parked(view),
    )


def holdings(positions: Iterable[ExchangePosition], settled: Iterable[str]) -> dict[str, int]:
    """Map the exchange's positions to signed hundredths, without flat ones and without settled markets."""
    gone = set(settled)
    return {
        position.ticker: position.position_centi
        for position in positions
        if position.position_centi and position.ticker not in gone
    }


def held_for(resting: Iterable[ExchangeOrder], held: Mapping[str, int]) -> int:
    """Micros that the exchange must hold for resting orders, before fees.

    Of each side of a market, cheapest own price first, what the position covers needs nothing; the rest costs its own
    price. The same allotment as the ledger's promise, but from the exchange's own words alone.
    """
    total = 0
    sides: dict[tuple[str, BookSide], list[ExchangeOrder]] = {}
    for order in resting:
        sides.setdefault((order.ticker, order.book_side), []).append(order)
    for (ticker, side), queue in sides.items():
        position = held.get(ticker, 0)
        left = max(0, -position if side is BookSide.BID else position)
        for order in sorted(
            queue, key=lambda order: (_own_price(order.book_side, order.price_cc), order.client_order_id)
        ):
            closing = min(order.remaining_centi, left)
            left -= closing
            total += (order.remaining_centi - closing) * _own_price(order.book_side, order.price_cc)
    return total


def _own_price(side: BookSide, price_cc: int) -> int:
    return price_cc if side is BookSide.BID else no_price(price_cc)


def _settled(markets: Iterable[MarketView]) -> list[str]:
    return [market.ticker for market in markets if market.settlement_cc is not None]


def _of_positions(markets: Sequence[MarketView], positions: Sequence[ExchangePosition]) -> Iterable[Difference]:
    settled = _settled(markets)
    theirs = holdings(positions, settled)
    ours = {m.ticker: m.position_centi for m in markets if m.position_centi and m.settlement_cc is None}
    for ticker in sorted(theirs.keys() | ours.keys()):
        own, other = ours.get(ticker, 0), theirs.get(ticker, 0)
        if own != other:
            yield Difference(
                what=f"position in {ticker}", ledger=format_size(own), exchange=format_size(other),
                kind=Kind.POSITION, ticker=ticker, amount=other - own,
            )  # fmt: skip


def _of_orders(markets: Sequence[MarketView], resting: Sequence[ExchangeOrder]) -> Iterable[Difference]:
    theirs = {order.exchange_order_id: order for order in resting}
    by_client = {order.client_order_id: order.exchange_order_id for order in resting}
    for market in markets:
        for own in market.orders:
            exchange_id = own.exchange_order_id or by_client.get(own.order_id, "")
            yield from _of_order(own, theirs.pop(exchange_id, None))
    for order in theirs.values():
        yield Difference(
            what=f"order {order.client_order_id or order.exchange_order_id} in {order.ticker}",
            ledger="none open", exchange=_describe(order.book_side, order.price_cc, order.remaining_centi),
            kind=Kind.FOREIGN_ORDER, ticker=order.ticker,
        )  # fmt: skip


def _of_order(own: OrderView, other: ExchangeOrder | None) -> Iterable[Difference]:
    what = f"order {own.order_id} in {own.ticker}"
    said = f"{own.state} {_describe(own.book_side, own.price_cc, own.remaining_centi)}"
    shown = "none resting" if other is None else _describe(other.book_side, other.price_cc, other.remaining_centi)
    if own.state in ("reserved", "unknown"):
        yield Difference(what=what, ledger=said, exchange=shown, kind=Kind.UNKNOWN_ORDER, ticker=own.ticker)
    elif other is None or own.state == "closing" or not _alike(own, other):
        yield Difference(what=what, ledger=said, exchange=shown, kind=Kind.ORDER, ticker=own.ticker)


def _alike(own: OrderView, other: ExchangeOrder) -> bool:
    return (own.book_side, own.price_cc, own.remaining_centi) == (
        other.book_side,
        other.price_cc,
        other.remaining_centi,
    )


def _of_cash(
    view: View, balance: ExchangeBalance, positions: Sequence[ExchangePosition], resting: Sequence[ExchangeOrder]
) -> Iterable[Difference]:
    """Compare the money; ``above`` and ``below`` bound what the exchange's holds for fees leave undecided."""
    account = view.account
    total = account.cash_micros - account.overdrawn_micros + account.promised_micros
    if not resting and not account.promised_micros:
        if abs(balance.balance_micros - total) >= BALANCE_PRECISION_MICROS:
            yield _cash("available cash", total, balance.balance_micros)
        return
    holds = held_for(resting, holdings(positions, _settled(view.markets)))
    shown = balance.balance_micros + holds
    opening = sum(
        order.opening_centi * _own_price(order.book_side, order.price_cc)
        for market in view.markets
        for order in market.orders
    )
    known = {order.exchange_order_id for market in view.markets for order in market.orders}
    foreign_fees = sum(
        FOREIGN_FEE_MICROS_PER_CENTI * order.remaining_centi
        for order in resting
        if order.exchange_order_id not in known
    )
    fees = max(0, account.promised_micros - opening) + foreign_fees
    if not -BALANCE_PRECISION_MICROS < total - shown < fees + BALANCE_PRECISION_MICROS:
        yield _cash("cash with what is promised and held", total, shown)


def _cash(what: str, own: int, other: int) -> Difference:
    return Difference(
        what=what, ledger=f"${format_micros(own)}", exchange=f"${format_micros(other)}",
        kind=Kind.CASH, amount=other - own,
    )  # fmt: skip


def _of_parked(view: View) -> Iterable[Difference]:
    if view.account.parked:
        yield Difference(
            what="fills of orders that the ledger does not know", ledger=str(view.account.parked), exchange="0",
            kind=Kind.PARKED, amount=-view.account.parked,
        )  # fmt: skip


def _describe(side: BookSide, price_cc: int, size_centi: int) -> str:
    return f"{side} {format_size(size_centi)} at {format_price(price_cc)}"
