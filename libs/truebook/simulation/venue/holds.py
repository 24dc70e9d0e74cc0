"""The cash that one account's open orders hold in one market: the worst case of each side.

Reducing a position needs no cash. Where a side has more than the position against it, the position covers the orders
with the lowest own price first, the oldest first among equals; the rest opens and holds own price plus the worst taker
fee. The sum of each side is kept order by order: an order costs the same with one other order in the market as with
thousands, unless a position covers many.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from sortedcontainers import SortedDict

from truebook.messages.envelope import BookSide
from truebook.simulation.venue.orders import LiveOrder
from truebook.venue.fees import worst_fee_micros

_SIDES: Final = tuple(BookSide)
_TRIAL: Final = ""
"""The key of an order that is not accepted: it has no id yet."""


class _Entry(msgspec.Struct, frozen=True, gc=False):
    """One order of a side as it was put there last."""

    side: BookSide
    own_price_cc: int
    number: int
    price_cc: int
    remaining_centi: int
    held_micros: int
    """What the whole remainder would hold."""

    @property
    def rank(self) -> tuple[int, int]:
        return self.own_price_cc, self.number


class MarketHolds:
    """The open orders of one account in one market, at one taker's rate (in millionths)."""

    def __init__(self, rate_ppm: int, orders: Iterable[LiveOrder] = ()) -> None:
        self.rate_ppm = rate_ppm
        self._entries: dict[str, _Entry] = {}
        self._ranked: dict[BookSide, SortedDict] = {side: SortedDict() for side in _SIDES}
        self._sums: dict[BookSide, int] = dict.fromkeys(_SIDES, 0)
        self._added = 0
        for order in orders:
            self.put(order)

    def put(self, order: LiveOrder) -> None:
        """Add an order behind those that are there, or replace its price and remainder at its place."""
        self._put(order.exchange_order_id, order)

    def remove(self, exchange_order_id: str) -> None:
        """Remove an order; a no-op where it is not there."""
        if exchange_order_id in self._entries:
            self._take(exchange_order_id)

    def held_micros(self, position_centi: int) -> int:
        """Return the cash that the orders hold beside that position (+ YES, - NO)."""
        if not position_centi:
            return sum(self._sums.values())
        return sum([self.side_held_micros(side, position_centi) for side in _SIDES])

    def side_held_micros(self, side: BookSide, position_centi: int) -> int:
        """Return the cash that the orders of one side hold."""
        held = self._sums[side]
        left_centi = _covered_centi(side, position_centi)
        if not left_centi:
            return held
        for entry in self._ranked[side].values():
            closing_centi = min(left_centi, entry.remaining_centi)
            left_centi -= closing_centi
            held += self._held(entry.remaining_centi - closing_centi, entry.own_price_cc, entry.price_cc)
            held -= entry.held_micros
            if not left_centi:
                break
        return held

    def held_with(self, order: LiveOrder, position_centi: int, *, instead_of: LiveOrder | None = None) -> int:
        """Return the cash that would be held with one more order, or with one in place of another."""
        if instead_of is None and not _covered_centi(order.book_side, position_centi):
            # No order of its side is covered, so it adds what it holds alone.
            held = self._held(order.remaining_centi, order.own_price_cc, order.price_cc)
            return self.held_micros(position_centi) + held
        replaced = None if instead_of is None else self._entries.get(instead_of.exchange_order_id)
        if instead_of is not None and replaced is not None:
            self._take(instead_of.exchange_order_id)
        self._put(_TRIAL, order)
        held = self.held_micros(position_centi)
        self._take(_TRIAL)
        if instead_of is not None and replaced is not None:
            self._insert(instead_of.exchange_order_id, replaced)
        return held

    def _held(self, size_centi: int, own_price_cc: int, price_cc: int) -> int:
        if not size_centi:
            return 0
        return size_centi * own_price_cc + worst_fee_micros(size_centi, price_cc, self.rate_ppm)

    def _put(self, key: str, order: LiveOrder) -> None:
        known = self._entries.get(key)
        if known is None:
            self._added += 1
            number = self._added
        else:
            number = known.number
            self._take(key)
        own_cc, price_cc, remaining_centi = order.own_price_cc, order.price_cc, order.remaining_centi
        held = self._held(remaining_centi, own_cc, price_cc)
        self._insert(key, _Entry(order.book_side, own_cc, number, price_cc, remaining_centi, held))

    def _insert(self, key: str, entry: _Entry) -> None:
        self._entries[key] = entry
        self._ranked[entry.side][entry.rank] = entry
        self._sums[entry.side] += entry.held_micros

    def _take(self, key: str) -> None:
        entry = self._entries.pop(key)
        del self._ranked[entry.side][entry.rank]
        self._sums[entry.side] -= entry.held_micros


def _covered_centi(side: BookSide, position_centi: int) -> int:
    """Return how much of a side's orders the position covers: what reduces it."""
    against_centi = -position_centi if side is BookSide.BID else position_centi
    return max(0, against_centi)
