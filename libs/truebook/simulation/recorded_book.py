"""What is known of one recorded market: its displayed book, what we took of it, and where our orders stand in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from truebook.book.order_book import BookError, OrderBook
from truebook.messages.envelope import BookSide
from truebook.simulation.orders import LiveOrder
from truebook.simulation.recorded_queue import LevelQueue, QueueModel
from truebook.simulation.resting import RestingOrders, meets


class RecordedMarket:
    """One market's recorded book, what we took of it, and our orders in it."""

    __slots__ = ("_model", "_queues", "book", "clock", "known", "own", "taken")

    def __init__(self, model: QueueModel = QueueModel.PESSIMISTIC) -> None:
        self.book = OrderBook()
        self.known = False
        """False before the first snapshot and after a change that no true book can undergo: nothing fills then."""
        self.clock = 0
        self.taken: dict[tuple[BookSide, int], int] = {}
        self.own = RestingOrders()
        self._model = model
        self._queues: dict[tuple[BookSide, int], LevelQueue] = {}

    def replace(self, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]], at_us: int) -> None:
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
            for key, queue in self._queues.items():
                queue.stand_anew(self.book.size_at(*key))
        if self.book.best(BookSide.BID) is None and self.book.best(BookSide.ASK) is None:
            return
        self._cap_taken(list(self.taken))
        for key, queue in self._queues.items():
            queue.cap(self.book.size_at(*key), at_us)

    def change(self, side: BookSide, price_cc: int, delta_centi: int, at_us: int) -> None:
        """Take a level's change; without a snapshot before it means nothing."""
        if not self.known:
            return
        self.clock += 1
        try:
            displayed_centi = self.book.change_level(side, price_cc, delta_centi)
        except BookError:
            self._lose()
            return
        if delta_centi < 0:
            self._cap_taken([(side, price_cc)])
            queue = self._queues.get((side, price_cc))
            if queue is not None:
                queue.shrink(displayed_centi - delta_centi, displayed_centi, at_us)

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
        key = (order.book_side, order.price_cc)
        queue = self._queues.setdefault(key, LevelQueue(self._model))
        queue.stand(order.exchange_order_id, self.book.size_at(*key))

    def queue_at(self, side: BookSide, price_cc: int) -> LevelQueue | None:
        """Give the queue of a level; none where no own order rests."""
        return self._queues.get((side, price_cc))

    def ahead_of(self, order: LiveOrder) -> int:
        """Give the recorded size that stands before an own resting order."""
        return self._queues[order.book_side, order.price_cc].ahead(order.exchange_order_id)

    def leave(self, order: LiveOrder) -> None:
        """Take an own order out of its queue that is about to stand elsewhere."""
        self.own.remove(order)
        self._leave_queue(order)

    def reduce(self, order: LiveOrder, by_centi: int) -> None:
        """Take off what an own resting order lost; one that has ended leaves the queue."""
        self.own.reduce(order, by_centi)
        if order.remaining_centi == 0:
            self._leave_queue(order)

    def _leave_queue(self, order: LiveOrder) -> None:
        key = (order.book_side, order.price_cc)
        self._queues[key].leave(order.exchange_order_id)
        if not self._queues[key]:
            del self._queues[key]

    def _cap_taken(self, levels: Iterable[tuple[BookSide, int]]) -> None:
        """Let no more have been taken than is displayed."""
        for key in levels:
            capped_centi = min(self.taken.pop(key, 0), self.book.size_at(*key))
            if capped_centi:
                self.taken[key] = capped_centi

    def _lose(self) -> None:
        self.known = False
        self.book = OrderBook()
