"""The state that observation keeps per market: its book, metadata, history, our orders, and the pending change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from truebook.book.order_book import OrderBook
from truebook.book.replica import BookReplica
from truebook.features.history import History
from truebook.ledger.port import MarketView, OrderView
from truebook.messages.envelope import BookSide, Source
from truebook.messages.ids import is_ours
from truebook.messages.market_metadata import MarketMetadata
from truebook.messages.markets import MarketUpdated
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale, PublicTrade

FEEDS_WITH_OWN_ORDERS = (Source.SIMULATED, Source.DEMO)
"""Sources whose market data is of the exchange that we trade on, and so contains our own orders."""
RestingOrder = tuple[BookSide, int, int]
"""(side, price_cc, remaining_centi)."""
BookUpdate = BookSnapshot | BookDelta | BookStale | PublicTrade


class ObservedMarket:
    """One market. ``own_orders`` are our resting orders by the newest view of the ledger and the book changes since
    then; empty if the feed does not contain them.
    """

    __slots__ = ("_own_by_id", "cause_id", "exchange_us", "history", "metadata", "observed_us", "own_orders",
                 "pending_frame_us", "replica", "selected", "ticker", "was_throttled")  # fmt: skip

    def __init__(self, ticker: str) -> None:
        self.ticker = ticker
        self.replica = BookReplica()
        self.history = History()
        self.metadata: MarketMetadata | None = None
        self.selected = False
        self._own_by_id: dict[str, RestingOrder] = {}
        self.own_orders: tuple[RestingOrder, ...] = ()
        self.cause_id = ""
        self.exchange_us: int | None = None
        self.observed_us = 0
        self.pending_frame_us: int | None = None
        """When the first change that is not observed yet was received; None without one."""
        self.was_throttled = False
        """Whether that change had to wait for the throttle."""

    def update_metadata(self, message: MarketUpdated) -> None:
        self.metadata, self.selected = message.metadata, message.selected

    def update_book(self, message: BookUpdate) -> bool:
        """Apply a message about the book; returns whether the book changed or became fresh."""
        replica = self.replica
        if type(message) is BookDelta and not message.client_order_id and replica.stale is None:
            return self._update_level(message)  # nearly every message
        known, was_stale = (replica.epoch, replica.version), replica.stale is not None
        ours = message if isinstance(message, BookDelta) and is_ours(message.client_order_id) else None
        before_centi = replica.book.size_at(ours.book_side, ours.price_cc) if ours is not None else 0
        replica.apply(message)
        if replica.stale is not None:
            if not was_stale:
                self.history.clear()
            return False
        is_changed = was_stale or (replica.epoch, replica.version) != known
        self.cause_id, self.exchange_us = message.id, message.exchange_us
        if is_changed and ours is not None:
            self._track_own_order(ours, ours.size_centi - before_centi)
        if is_changed:
            self._record(message)
        return is_changed

    def _update_level(self, delta: BookDelta) -> bool:
        """Apply a change of a fresh book that none of our orders caused."""
        replica = self.replica
        is_changed = replica.apply(delta)
        if replica.stale is not None:
            self.history.clear()
            return False
        self.cause_id, self.exchange_us = delta.id, delta.exchange_us
        if is_changed:
            self._record(delta)
        return is_changed

    def _record(self, message: BookUpdate) -> None:
        """Record the book after a change in the history."""
        book, at_us = self.replica.book, message.exchange_us or message.confirmed_us
        if self.own_orders:
            with netted(book, self.own_orders) as net:
                self.history.changed(net, at_us)
        else:
            self.history.changed(book, at_us)

    def update_own_orders(self, view: MarketView | None, *, in_feed: bool) -> None:
        """Take our resting orders from the ledger's view, if the feed contains them."""
        self._own_by_id = resting_orders(view.orders) if view is not None and in_feed else {}
        self.own_orders = tuple(self._own_by_id.values())

    def _track_own_order(self, delta: BookDelta, change_centi: int) -> None:
        """Apply a book change that one of our orders caused: the next view of the ledger may be read later."""
        known = self._own_by_id.get(delta.client_order_id)
        if known is None and change_centi > 0:
            self._own_by_id[delta.client_order_id] = delta.book_side, delta.price_cc, change_centi
        elif known is not None and change_centi < 0 and known[:2] == (delta.book_side, delta.price_cc):
            self._own_by_id[delta.client_order_id] = *known[:2], max(0, known[2] + change_centi)
        self.own_orders = tuple(self._own_by_id.values())


def resting_orders(orders: tuple[OrderView, ...]) -> dict[str, RestingOrder]:
    """Return our orders that the book may contain, by id; one being sent may appear before its response is received."""
    return {
        order.order_id: (order.book_side, order.price_cc, order.remaining_centi)
        for order in orders
        if order.state.holds_slot and order.remaining_centi > 0
    }


@contextmanager
def netted(book: OrderBook, own: tuple[RestingOrder, ...]) -> Iterator[OrderBook]:
    """Remove our own orders from the book and restore them afterwards: one copy per change would cost too much.

    Equal to ``book.order_book.net_of``: no level becomes smaller than 0.
    """
    changed: list[RestingOrder] = []
    for side, price_cc, remaining_centi in own:
        shown_centi = book.size_at(side, price_cc)
        if shown_centi:
            changed.append((side, price_cc, shown_centi))
            book.set_level(side, price_cc, max(0, shown_centi - remaining_centi))
    try:
        yield book
    finally:
        for side, price_cc, shown_centi in reversed(changed):
            book.set_level(side, price_cc, shown_centi)
