"""What is known of one recorded market: its displayed book, what we took of it, and the queues before our orders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from truebook.book.order_book import BookError, OrderBook
from truebook.messages.envelope import BookSide
from truebook.simulation.orders import LiveOrder
from truebook.simulation.resting import RestingOrders, meets


class RecordedMarket:
    """One market's recorded book, what we took of it, and our orders in it."""

    __slots__ = ("_shrunk", "ahead", "book", "clock", "known", "own", "taken")

    def __init__(self) -> None:
        self.book = OrderBook()
        self.known = False
        """False before the first snapshot and after a change that no true book can undergo: nothing fills then."""
        self.clock = 0
        self.taken: dict[tuple[BookSide, int], int] = {}
        self.own = RestingOrders()
        self.ahead: dict[str, int] = {}
        self._shrunk: dict[tuple[BookSide, int], int] = {}
        """How far queues were cut because their level shrank: a trade told only afterwards does not count again."""

    def replace(self, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]]) -> None:
        """Take a snapshot. A level shown again is not refreshed by it.

        An empty one may be an empty market or a market not seen: what is known of queues and taken size is kept.
        """
        self.clock += 1
        try:
            self.book.replace(bids, asks)
        except BookError:
            self._lose()
            return
        if not self.known:
            self.known = True
            self._join_queues()
        if self.book.best(BookSide.BID) is None and self.book.best(BookSide.ASK) is None:
            return
        self._cap_by_display(list(self.taken), self.own.all())

    def change(self, side: BookSide, price_cc: int, delta_centi: int) -> None:
        """Take a level's change; without a snapshot before it means nothing."""
        if not self.known:
            return
        self.clock += 1
        try:
            self.book.change_level(side, price_cc, delta_centi)
        except BookError:
            self._lose()
            return
        if delta_centi < 0:
            self._cap_by_display([(side, price_cc)], self.own.at(side, price_cc))

    def available(self, side: BookSide, price_cc: int) -> int:
        """Give what is displayed at a level beyond what we took of it."""
        return max(0, self.book.size_at(side, price_cc) - self.taken.get((side, price_cc), 0))

    def reachable(self, side: BookSide, price_cc: int, *, strictly: bool = False) -> Iterator[tuple[int, int]]:
        """Walk the levels, (price_cc, available), that an order of ``side`` at this price meets, best first."""
        if not self.known:
            return
        for level_cc, _ in self.book.levels(side.other):
            if not meets(side, price_cc, level_cc) or (strictly and level_cc == price_cc):
                return
            available_centi = self.available(side.other, level_cc)
            if available_centi:
                yield level_cc, available_centi

    def take(self, side: BookSide, price_cc: int, size_centi: int) -> None:
        """Remember that we took displayed size off a level."""
        key = (side, price_cc)
        self.taken[key] = self.taken.get(key, 0) + size_centi

    def stand(self, order: LiveOrder) -> None:
        """Put an own order behind all that is displayed at its price."""
        self.own.add(order)
        self.ahead[order.exchange_order_id] = self.book.size_at(order.book_side, order.price_cc)

    def leave(self, order: LiveOrder) -> None:
        """Take an own order out of its queue that is about to stand elsewhere."""
        self.own.remove(order)
        del self.ahead[order.exchange_order_id]
        if self.own.total_at(order.book_side, order.price_cc) == 0:
            self._shrunk.pop((order.book_side, order.price_cc), None)

    def reduce(self, order: LiveOrder, by_centi: int) -> None:
        """Take off what an own resting order lost; one that has ended leaves the queue."""
        self.own.reduce(order, by_centi)
        if order.remaining_centi == 0:
            del self.ahead[order.exchange_order_id]
            if self.own.total_at(order.book_side, order.price_cc) == 0:
                self._shrunk.pop((order.book_side, order.price_cc), None)

    def told_by_display(self, side: BookSide, price_cc: int, size_centi: int) -> int:
        """Give how much of a trade at this level the display has told before; it is counted off only once."""
        known_centi = min(size_centi, self._shrunk.get((side, price_cc), 0))
        if known_centi:
            self._shrunk[side, price_cc] -= known_centi
        return known_centi

    def _cap_by_display(self, levels: Iterable[tuple[BookSide, int]], orders: Iterable[LiveOrder]) -> None:
        """Neither can more have been taken than is displayed, nor can more stand before an order."""
        for key in levels:
            capped_centi = min(self.taken.pop(key, 0), self.book.size_at(*key))
            if capped_centi:
                self.taken[key] = capped_centi
        cuts: dict[tuple[BookSide, int], int] = {}
        for order in orders:
            key = (order.book_side, order.price_cc)
            displayed_centi = self.book.size_at(*key)
            cut_centi = self.ahead[order.exchange_order_id] - displayed_centi
            if cut_centi > 0:
                self.ahead[order.exchange_order_id] = displayed_centi
                cuts[key] = max(cuts.get(key, 0), cut_centi)
        for key, cut_centi in cuts.items():
            self._shrunk[key] = self._shrunk.get(key, 0) + cut_centi

    def _join_queues(self) -> None:
        """Stand behind all that is displayed: what happened to the queues meanwhile was not seen."""
        self._shrunk.clear()
        for order in self.own.all():
            self.ahead[order.exchange_order_id] = self.book.size_at(order.book_side, order.price_cc)

    def _lose(self) -> None:
        self.known = False
        self.book = OrderBook()
