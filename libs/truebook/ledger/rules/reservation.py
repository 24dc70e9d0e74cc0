"""The cash reserved for open orders, until it is proven that an order can't cost it any more.

The split of an order's remainder into *closing* (reduces the position) and *opening* is never stored: it follows from
the position and all open orders of the side. Formulas: ``docs/ledger.md``, "Reservation".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from truebook.ledger.rules.state import LedgerMarket, LedgerOrder
from truebook.messages.envelope import BookSide
from truebook.money import ONE_DOLLAR_CC, no_price
from truebook.venue.fees import worst_fee_micros


def worth_cc(market: LedgerMarket, side: BookSide) -> int:
    """Return what a contract bought on that side brings when it closes: $1 in a pair, after settlement its value."""
    if market.settlement_cc is None:
        return ONE_DOLLAR_CC
    return market.settlement_cc if side is BookSide.BID else no_price(market.settlement_cc)


def openings(market: LedgerMarket, orders: Iterable[LedgerOrder]) -> dict[str, int]:
    """Return by order id the part of the remainder that opens a position.

    Per side the orders with the lowest own price close first (among equals by id): the more expensive ones count as
    opening, so that the reservation is the largest that can be needed.
    """
    if market.yes_bought_centi == market.no_bought_centi:
        return {order.order_id: order.remaining_centi for order in orders}
    held = {BookSide.BID: market.held_against(BookSide.BID), BookSide.ASK: market.held_against(BookSide.ASK)}
    split: dict[str, int] = {}
    for order in sorted(orders, key=lambda order: (order.own_price_cc, order.order_id)):
        remaining = order.remaining_centi
        closing = min(remaining, held[order.book_side])
        held[order.book_side] -= closing
        split[order.order_id] = remaining - closing
    return split


def reservation_micros(
    market: LedgerMarket, orders: Sequence[LedgerOrder], split: Mapping[str, int] | None = None
) -> int:
    """Sum the reservations of a market's open orders: opening parts at their price, what closing may cost, fees.

    ``split`` is the result of ``openings`` where the caller has it.
    """
    if not orders:
        return 0
    if split is None:
        split = openings(market, orders)
    total = 0
    for order in orders:
        opening = split[order.order_id]
        closing = order.remaining_centi - opening
        own_cc = order.own_price_cc
        if opening:
            total += opening * own_cc + worst_fee_micros(opening, order.price_cc, order.fee_rate_ppm)
        if closing:
            loss_by_closing = closing * (own_cc - worth_cc(market, order.book_side))
            total += max(0, loss_by_closing + worst_fee_micros(closing, order.price_cc, order.fee_rate_ppm))
    return total


def side_remaining(orders: Iterable[LedgerOrder], side: BookSide) -> int:
    """Sum what may still fill on one side."""
    return sum(order.remaining_centi for order in orders if order.book_side is side)


def added_opening(market: LedgerMarket, orders: Sequence[LedgerOrder], side: BookSide, size_centi: int) -> int:
    """Return how much an order of that size adds to the opening of its side; 0: it only reduces risk."""
    held = market.held_against(side)
    before = side_remaining(orders, side)
    return max(0, before + size_centi - held) - max(0, before - held)
