"""The resting orders of one market: price-time priority on the single YES-leg book.

Levels are sorted by price, orders within a level by arrival. Each level keeps its total, so that the displayed book is
cheap to derive.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from sortedcontainers import SortedDict

from truebook.book.order_book import OrderBook
from truebook.messages.envelope import BookSide
from truebook.simulation.venue.orders import LiveOrder


class Level(msgspec.Struct, eq=False):
    """One price of one side: its orders, oldest first, and their total."""

    orders: dict[str, LiveOrder] = {}
    total_centi: int = 0


class RestingOrders:
    """Both sides of one market's book."""

    __slots__ = ("_best", "_sides", "clock")

    def __init__(self) -> None:
        self._sides: dict[BookSide, Any] = {BookSide.BID: SortedDict(), BookSide.ASK: SortedDict()}
        self._best: dict[BookSide, int | None] = dict.fromkeys(BookSide)
        self.clock = 0
        """Number of changes of this book."""

    def add(self, order: LiveOrder) -> None:
        """Append an order to its level."""
        levels = self._sides[order.book_side]
        level = levels.get(order.price_cc)
        if level is None:
            level = levels[order.price_cc] = Level()
            best_cc = self._best[order.book_side]
            if best_cc is None or is_better(order.book_side, order.price_cc, best_cc):
                self._best[order.book_side] = order.price_cc
        level.orders[order.exchange_order_id] = order
        level.total_centi += order.remaining_centi
        self.clock += 1

    def reduce(self, order: LiveOrder, by_centi: int) -> None:
        """Reduce the order's level after the order itself was reduced; remove the order once it has ended."""
        levels = self._sides[order.book_side]
        level: Level = levels[order.price_cc]
        level.total_centi -= by_centi
        if order.remaining_centi == 0:
            del level.orders[order.exchange_order_id]
        if not level.orders:
            assert level.total_centi == 0, level.total_centi
            self._remove_level(order.book_side, order.price_cc)
        self.clock += 1

    def remove(self, order: LiveOrder) -> None:
        """Remove an order from its level with its remainder, before it is placed elsewhere."""
        level: Level = self._sides[order.book_side][order.price_cc]
        del level.orders[order.exchange_order_id]
        level.total_centi -= order.remaining_centi
        if not level.orders:
            self._remove_level(order.book_side, order.price_cc)
        self.clock += 1

    def _remove_level(self, side: BookSide, price_cc: int) -> None:
        levels = self._sides[side]
        del levels[price_cc]
        if price_cc == self._best[side]:
            self._best[side] = levels.peekitem(-1 if side is BookSide.BID else 0)[0] if levels else None

    def best_price(self, side: BookSide) -> int | None:
        return self._best[side]

    def first(self, side: BookSide) -> LiveOrder | None:
        """Return the next order to trade: the oldest at the best price."""
        price_cc = self.best_price(side)
        return None if price_cc is None else next(iter(self._sides[side][price_cc].orders.values()))

    def crosses(self, side: BookSide, price_cc: int) -> bool:
        """Return whether an order of ``side`` at this price would trade with the other side."""
        best_cc = self.best_price(side.other)
        if best_cc is None:
            return False
        return meets(side, price_cc, best_cc)

    def in_priority(self, side: BookSide) -> Iterator[LiveOrder]:
        """Iterate over a side's orders in trading priority; the book must not change meanwhile."""
        levels = self._sides[side]
        for price_cc in reversed(levels) if side is BookSide.BID else iter(levels):
            yield from levels[price_cc].orders.values()

    def all(self) -> list[LiveOrder]:
        """List all orders in priority, bids first."""
        return [*self.in_priority(BookSide.BID), *self.in_priority(BookSide.ASK)]

    def at(self, side: BookSide, price_cc: int) -> list[LiveOrder]:
        """List the orders of one level, oldest first."""
        level = self._sides[side].get(price_cc)
        return [] if level is None else list(level.orders.values())

    def queue_ahead(self, order: LiveOrder) -> int:
        """Return the total size ahead of the order at its own price."""
        ahead_centi = 0
        for other in self._sides[order.book_side][order.price_cc].orders.values():
            if other is order:
                break
            ahead_centi += other.remaining_centi
        return ahead_centi

    def book(self) -> OrderBook:
        """Return the displayed book: the totals of all levels."""
        return OrderBook(
            ((price_cc, level.total_centi) for price_cc, level in self._sides[BookSide.BID].items()),
            ((price_cc, level.total_centi) for price_cc, level in self._sides[BookSide.ASK].items()),
        )


def meets(side: BookSide, price_cc: int, opposite_cc: int) -> bool:
    """Return whether an order of ``side`` at ``price_cc`` trades with one of the other side at ``opposite_cc``."""
    return price_cc >= opposite_cc if side is BookSide.BID else price_cc <= opposite_cc


def is_better(side: BookSide, price_cc: int, than_cc: int) -> bool:
    """Return whether a resting order of ``side`` at ``price_cc`` has priority over one at ``than_cc``."""
    return price_cc > than_cc if side is BookSide.BID else price_cc < than_cc
