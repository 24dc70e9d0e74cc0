"""One recorded market: the displayed book, the size that we took, and our orders with their queue positions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from truebook.book.order_book import BookError, Changed, OrderBook
from truebook.messages.envelope import BookSide
from truebook.simulation.recorded.queue import LevelQueue, QueueModel
from truebook.simulation.recorded.recent import Lot, RecentEvents
from truebook.simulation.venue.orders import LiveOrder
from truebook.simulation.venue.resting import RestingOrders, meets


class RecordedBook:
    """The recorded book, the size taken from it, and our orders in it."""

    __slots__ = ("_model", "_queues", "_recent", "book", "clock", "is_valid", "own", "taken")

    def __init__(self, model: QueueModel = QueueModel.PESSIMISTIC) -> None:
        self.book = OrderBook()
        self.is_valid = False
        """False before the first snapshot and after an inconsistent change; nothing is filled then."""
        self.clock = 0
        self.taken: dict[tuple[BookSide, int], int] = {}
        self.own = RestingOrders()
        self._model = model
        self._queues: dict[tuple[BookSide, int], LevelQueue] = {}
        self._recent = RecentEvents()

    def replace(self, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]], at_us: int) -> None:
        """Apply a snapshot; taken size of a level stays taken.

        An empty snapshot may be an empty market or an unseen one: queues and taken size are kept.
        """
        self.clock += 1
        try:
            self.book.replace(bids, asks)
        except BookError:
            self._invalidate()
            return
        if not self.is_valid:
            self.is_valid = True
            for key, queue in self._queues.items():
                queue.rejoin(self.book.size_at(*key))
        if self.book.best(BookSide.BID) is None and self.book.best(BookSide.ASK) is None:
            return
        self._cap_taken(list(self.taken))
        for key, queue in self._queues.items():
            queue.cap(self.book.size_at(*key), at_us)

    def change(
        self, side: BookSide, price_cc: int, delta_centi: int, at_us: int, exchange_us: int | None = None
    ) -> None:
        """Apply a level's change, by the exchange at ``exchange_us`` (None: unknown); ignored before a snapshot."""
        if not self.is_valid:
            return
        self.clock += 1
        try:
            displayed_centi = self.book.change_level(side, price_cc, delta_centi)
        except BookError:
            self._invalidate()
            return
        if delta_centi < 0:
            self._recent.add(at_us, _level_cc(side, price_cc), delta_centi, exchange_us)
            self._cap_taken([(side, price_cc)])
            queue = self._queues.get((side, price_cc))
            if queue is not None:
                queue.decrease(displayed_centi - delta_centi, displayed_centi, at_us, exchange_us)

    def change_all(self, lot: Lot) -> Changed:
        """Apply the ordinary changes as ``change`` does, see ``OrderBook.change_levels``; the book must be valid."""
        keys = {_level_cc(side, price_cc): (side, price_cc) for side, price_cc in (*self._queues, *self.taken)}
        changed = self.book.change_levels(zip(*lot[1:4], strict=True), keys)
        count = len(changed.states)
        self.clock += count
        if count:
            applied = lot if count == len(lot.at_us) else Lot(lot.at_us[count - 1], *(one[:count] for one in lot[1:]))
            self._recent.add_lot(applied)
        for number, level_cc, before_centi, after_centi in changed.shrunk:
            key = keys[level_cc]
            self._cap_taken_to(key, after_centi)
            queue = self._queues.get(key)
            if queue is not None:
                queue.decrease(before_centi, after_centi, lot.at_us[number], lot.exchange_us[number])
        return changed

    def available(self, side: BookSide, price_cc: int) -> int:
        """Return a level's displayed size less the size that we took."""
        return max(0, self.book.size_at(side, price_cc) - self.taken.get((side, price_cc), 0))

    def reachable(self, side: BookSide, price_cc: int, *, strictly: bool = False) -> Iterator[tuple[int, int]]:
        """Iterate over the levels (price_cc, available) that an order of ``side`` at this price reaches, best first."""
        if not self.is_valid:
            return
        for level_cc, _ in self.book.levels(side.other):
            if not meets(side, price_cc, level_cc) or (strictly and level_cc == price_cc):
                return
            available_centi = self.available(side.other, level_cc)
            if available_centi:
                yield level_cc, available_centi

    def take(self, side: BookSide, price_cc: int, size_centi: int) -> None:
        """Record that we took displayed size from a level."""
        key = (side, price_cc)
        self.taken[key] = self.taken.get(key, 0) + size_centi

    def join(self, order: LiveOrder) -> None:
        """Add our order behind all size displayed at its price."""
        self.own.add(order)
        key = (order.book_side, order.price_cc)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = LevelQueue(self._model, self._recent.of_level(_level_cc(*key)))
        queue.join(order.exchange_order_id, self.book.size_at(*key))

    def note_trade(self, side: BookSide, price_cc: int, size_centi: int, at_us: int, exchange_us: int | None) -> None:
        """Remember a trade with orders of ``side``, for those of ours that join its level later."""
        self._recent.add(at_us, _level_cc(side, price_cc), size_centi, exchange_us)

    def queue_at(self, side: BookSide, price_cc: int) -> LevelQueue | None:
        """Return the queue of a level; None where none of our orders rests."""
        return self._queues.get((side, price_cc))

    def queue_ahead(self, order: LiveOrder) -> int:
        """Return the recorded size ahead of our resting order."""
        return self._queues[order.book_side, order.price_cc].ahead(order.exchange_order_id)

    def detach(self, order: LiveOrder) -> None:
        """Remove our order from its queue without ending it."""
        self.own.remove(order)
        self._leave_queue(order)

    def reduce(self, order: LiveOrder, by_centi: int) -> None:
        """Reduce our resting order; once ended it leaves the queue."""
        self.own.reduce(order, by_centi)
        if order.remaining_centi == 0:
            self._leave_queue(order)

    def _leave_queue(self, order: LiveOrder) -> None:
        key = (order.book_side, order.price_cc)
        self._queues[key].leave(order.exchange_order_id)
        if not self._queues[key]:
            del self._queues[key]

    def _cap_taken(self, levels: Iterable[tuple[BookSide, int]]) -> None:
        """Limit taken size to the displayed size."""
        for key in levels:
            self._cap_taken_to(key, self.book.size_at(*key))

    def _cap_taken_to(self, key: tuple[BookSide, int], displayed_centi: int) -> None:
        capped_centi = min(self.taken.pop(key, 0), displayed_centi)
        if capped_centi:
            self.taken[key] = capped_centi

    def _invalidate(self) -> None:
        self.is_valid = False
        self.book = OrderBook()


def _level_cc(side: BookSide, price_cc: int) -> int:
    return price_cc if side is BookSide.BID else -price_cc
