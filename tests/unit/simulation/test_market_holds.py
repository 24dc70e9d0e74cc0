"""Held cash that is kept order by order equals the rule over all open orders."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from truebook.messages.envelope import BookSide, TimeInForce
from truebook.simulation.venue.holds import MarketHolds
from truebook.simulation.venue.orders import LiveOrder
from truebook.venue.account import OrderRequest
from truebook.venue.fees import worst_fee_micros

RATE_PPM = 70_000
SIDES = st.sampled_from(BookSide)
PRICES = st.sampled_from([100, 200, 4_500, 4_600, 9_900])
SIZES = st.integers(1, 400)
POSITIONS = st.integers(-900, 900)
CHANGES = st.lists(
    st.tuples(st.integers(0, 5), SIDES, PRICES, SIZES, st.sampled_from(["put", "put", "remove"])), max_size=25
)


def order(key: int, side: BookSide, price_cc: int, size_centi: int) -> LiveOrder:
    request = OrderRequest(
        client_order_id=f"c{key}", ticker="EXAMPLE-A", book_side=side, price_cc=price_cc, size_centi=size_centi,
        time_in_force=TimeInForce.GOOD_TILL_CANCELED,
    )  # fmt: skip
    made = LiveOrder.create("account", request, 0)
    made.exchange_order_id = f"o{key}"
    return made


def rule(orders: list[LiveOrder], position_centi: int) -> int:
    """A position covers the orders against it with the lowest own price first; the rest holds price and worst fee."""
    held = 0
    for side in BookSide:
        left_centi = max(0, -position_centi if side is BookSide.BID else position_centi)
        for one in sorted((one for one in orders if one.book_side is side), key=lambda one: one.own_price_cc):
            closing_centi = min(left_centi, one.remaining_centi)
            left_centi -= closing_centi
            if opening_centi := one.remaining_centi - closing_centi:
                held += opening_centi * one.own_price_cc + worst_fee_micros(opening_centi, one.price_cc, RATE_PPM)
    return held


@given(changes=CHANGES, positions=st.lists(POSITIONS, min_size=25, max_size=25), more=st.tuples(SIDES, PRICES, SIZES))
def test_held_cash_follows_each_change(
    changes: list[tuple[int, BookSide, int, int, str]], positions: list[int], more: tuple[BookSide, int, int]
) -> None:
    holds, orders = MarketHolds(RATE_PPM), dict[int, LiveOrder]()
    for (key, side, price_cc, size_centi, what), position_centi in zip(changes, positions, strict=False):
        if what == "remove":
            orders.pop(key, None)
            holds.remove(f"o{key}")
        elif key in orders:  # an order keeps its side and its place among equal prices
            request = msgspec.structs.replace(orders[key].request, price_cc=price_cc)
            orders[key].request, orders[key].remaining_centi = request, size_centi
            holds.put(orders[key])
        else:
            orders[key] = order(key, side, price_cc, size_centi)
            holds.put(orders[key])
        present = list(orders.values())
        assert holds.held_micros(position_centi) == rule(present, position_centi)
        new = order(99, *more)
        new.exchange_order_id = ""
        assert holds.held_with(new, position_centi) == rule([*present, new], position_centi)
        for one in present:
            others = [other for other in present if other is not one]
            assert holds.held_with(new, position_centi, instead_of=one) == rule([*others, new], position_centi)
        assert holds.held_micros(position_centi) == rule(present, position_centi)
        assert MarketHolds(RATE_PPM, present).held_micros(position_centi) == rule(present, position_centi)
