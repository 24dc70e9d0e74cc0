"""What observation knows of each market: its book, its facts, its history, our orders in it, and what is due."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from truebook.book.order_book import OrderBook
from truebook.book.replica import BookReplica
from truebook.features.history import History
from truebook.ledger.port import MarketView, OrderView
from truebook.messages.envelope import BookSide
from truebook.messages.facts import MarketFacts
from truebook.messages.ids import is_ours
from truebook.messages.markets import Market
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale, PublicTrade

RESTING_STATES = frozenset({"reserved", "unknown", "acknowledged"})
"""Our orders that the book may show. One being sent may show before its answer is here."""

Resting = tuple[BookSide, int, int]
Own = tuple[Resting, ...]
BookNews = BookSnapshot | BookDelta | BookStale | PublicTrade


class ObservedMarket:
    """One market. ``own`` are our resting orders as of the newest view, and of the changes that the book has told since
    then; empty where the book does not show them.
    """

    __slots__ = ("_ours", "cause_id", "exchange_us", "facts", "history", "is_chosen", "observed_us", "own",
                 "pending_frame_us", "replica", "ticker", "waited")  # fmt: skip

    def __init__(self, ticker: str) -> None:
        self.ticker = ticker
        self.replica = BookReplica()
        self.history = History()
        self.facts: MarketFacts | None = None
        self.is_chosen = False
        self._ours: dict[str, Resting] = {}
        self.own: Own = ()
        self.cause_id = ""
        self.exchange_us: int | None = None
        self.observed_us = 0
        self.pending_frame_us: int | None = None
        """When the first change arrived that was not observed yet; null where there is none."""
        self.waited = False
        """That change had to wait for the throttle."""

    def take_facts(self, message: Market) -> None:
        self.facts = message.facts
        self.is_chosen = message.chosen

    def take_book(self, message: BookNews) -> bool:
        """Apply news of the book; answer whether it now differs from what was known, or has become fresh."""
        replica = self.replica
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
            self._take_ours(ours, ours.size_centi - before_centi)
        if is_changed:
            at_us = message.exchange_us or message.confirmed_us
            if self.own:
                with netted(replica.book, self.own) as net:
                    self.history.changed(net, at_us)
            else:
                self.history.changed(replica.book, at_us)
        return is_changed

    def take_orders(self, view: MarketView | None, *, shown_in_book: bool) -> None:
        """Remember which of the book's orders are ours."""
        self._ours = own_orders(view.orders) if view is not None and shown_in_book else {}
        self.own = tuple(self._ours.values())

    def _take_ours(self, delta: BookDelta, change_centi: int) -> None:
        """Our order comes into the book before a view of the ledger is read that tells of it."""
        known = self._ours.get(delta.client_order_id)
        if known is None and change_centi > 0:
            self._ours[delta.client_order_id] = delta.book_side, delta.price_cc, change_centi
        elif known is not None and change_centi < 0 and known[:2] == (delta.book_side, delta.price_cc):
            self._ours[delta.client_order_id] = *known[:2], max(0, known[2] + change_centi)
        self.own = tuple(self._ours.values())


def own_orders(orders: tuple[OrderView, ...]) -> dict[str, Resting]:
    """List our orders that may rest in the book, by id, as (side, price_cc, remaining_centi)."""
    return {
        order.order_id: (order.book_side, order.price_cc, order.remaining_centi)
        for order in orders
        if order.state in RESTING_STATES and order.remaining_centi > 0
    }


@contextmanager
def netted(book: OrderBook, own: Own) -> Iterator[OrderBook]:
    """Lend the book without our own orders, then put them back: for a look at each change, a copy costs too much.

    The rule is that of ``book.order_book.net_of``: what the book does not show is not taken away.
    """
    taken: list[tuple[BookSide, int, int]] = []
    for side, price_cc, remaining_centi in own:
        shown_centi = book.size_at(side, price_cc)
        if shown_centi:
            taken.append((side, price_cc, shown_centi))
            book.set_level(side, price_cc, max(0, shown_centi - remaining_centi))
    try:
        yield book
    finally:
        for side, price_cc, shown_centi in reversed(taken):
            book.set_level(side, price_cc, shown_centi)
