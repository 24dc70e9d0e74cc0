"""What open orders promise: the cash that stays put aside until it is proven that an order can't cost it any more.

The split of an order into *closing* (it reduces what is held) and *opening* is never stored: it follows from all open
orders of the side and the position, now. Formulas: DESIGN section 7, "What an order promises".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from truebook.ledger.rules_state import Market, Order
from truebook.messages.envelope import BookSide
from truebook.money import ONE_DOLLAR_CC, no_price
from truebook.venue.fees import worst_fee_micros


def worth_cc(market: Market, side: BookSide) -> int:
    """What one contract of that side's leg brings back: $1 in a pair, after settlement its settlement value."""
    if market.settlement_cc is None:
        return ONE_DOLLAR_CC
    return market.settlement_cc if side is BookSide.BID else no_price(market.settlement_cc)


def openings(market: Market, orders: Iterable[Order]) -> dict[str, int]:
    """Split the open orders of a market: by order id, the part of the remainder that opens a position.

    Per side the orders with the cheapest own price close first (among equals by id), so that the dearer one counts as
    opening: the promise is the largest that can be needed.
    """
    held = {side: market.held_against(side) for side in BookSide}
    split: dict[str, int] = {}
    for order in sorted(orders, key=lambda order: (order.own_price_cc, order.order_id)):
        closing = min(order.remaining_centi, held[order.book_side])
        held[order.book_side] -= closing
        split[order.order_id] = order.remaining_centi - closing
    return split


def promise_micros(market: Market, orders: Sequence[Order]) -> int:
    """Sum what the open orders of a market promise: the opening parts at their price, what closing may cost, fees."""
    split = openings(market, orders)
    total = 0
    for order in orders:
        opening = split[order.order_id]
        closing = order.remaining_centi - opening
        own_cc = order.own_price_cc
        loss_by_closing = closing * (own_cc - worth_cc(market, order.book_side))
        total += opening * own_cc + worst_fee_micros(opening, order.price_cc, order.fee_rate_ppm)
        total += max(0, loss_by_closing + worst_fee_micros(closing, order.price_cc, order.fee_rate_ppm))
    return total


def side_remaining(orders: Iterable[Order], side: BookSide) -> int:
    """Sum what may still fill on one side."""
    return sum(order.remaining_centi for order in orders if order.book_side is side)


def added_opening(market: Market, orders: Sequence[Order], side: BookSide, size_centi: int) -> int:
    """Give what an order of that size would add to the opening of its side: 0 means that it only reduces risk."""
    held = market.held_against(side)
    before = side_remaining(orders, side)
    return max(0, before + size_centi - held) - max(0, before - held)
