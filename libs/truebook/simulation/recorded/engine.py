"""Matching against a recorded market: our orders rest in a modelled queue and are filled conservatively.

The recording does not contain our orders, so their fills are modelled:

- An order that reaches the recorded opposite side takes the size displayed there, at its prices (``book_cross``).
  Taken size cannot be taken again until the level grows.
- A resting order joins the queue behind all size displayed at its price. Recorded trades at that price consume the
  queue, then fill the order (``queue``). The queue model (``queue``) decides whether size that leaves without a trade
  was ahead of the order; by default it was behind.
- A recorded trade at a worse price than ours would have matched our order first (``trade_through``).
- A recorded opposite best price that strictly crosses ours fills the order at its own price (``book_cross``): the only
  way without recorded trades.

Every fill is limited by the recorded size. Only trades by takers of the opposite side count: a taker on our side
consumed the other side's liquidity. Orders of different accounts do not match each other; those of one account are
kept apart by self-trade prevention.
"""

from __future__ import annotations

from collections.abc import Iterable

from truebook.book.order_book import OrderBook
from truebook.messages.envelope import BookSide, TimeInForce
from truebook.simulation.events import Basis, SimulationEvent
from truebook.simulation.recorded.book import RecordedBook
from truebook.simulation.recorded.queue import QueueModel
from truebook.simulation.venue.account_book import FILL_OR_KILL, POST_ONLY_CROSS, AccountBook
from truebook.simulation.venue.engine import Engine
from truebook.simulation.venue.orders import LiveOrder, Match, Rejected, UpdateReason
from truebook.simulation.venue.resting import is_better, meets
from truebook.venue.account import SelfTradePrevention


class RecordedEngine(Engine):
    """The recorded books of all markets."""

    def __init__(self, accounts: AccountBook, queue: QueueModel = QueueModel.PESSIMISTIC) -> None:
        self._accounts = accounts
        self._queue = queue
        self._books: dict[str, RecordedBook] = {}

    def add_market(self, ticker: str) -> None:
        self._books[ticker] = RecordedBook(self._queue)

    def drop_market(self, ticker: str) -> None:
        del self._books[ticker]

    def book(self, ticker: str) -> OrderBook:
        recorded = self._books.get(ticker)
        return OrderBook() if recorded is None else recorded.book.copy()

    def has_market(self, ticker: str) -> bool:
        """Return whether this market has been added."""
        return ticker in self._books

    def is_valid(self, ticker: str) -> bool:
        """Return whether the market's recorded book is valid."""
        return self._books[ticker].is_valid

    def recorded_book(self, ticker: str) -> RecordedBook | None:
        """Return a market's recorded book with our orders in it."""
        return self._books.get(ticker)

    def clock_of(self, ticker: str) -> int:
        recorded = self._books.get(ticker)
        return 0 if recorded is None else recorded.clock

    def resting_orders(self, ticker: str) -> list[LiveOrder]:
        return self._books[ticker].own.all()

    def queue_ahead(self, order: LiveOrder) -> int:
        recorded = self._books[order.ticker]
        return recorded.queue_ahead(order) + recorded.own.queue_ahead(order)

    def book_rejection(self, order: LiveOrder) -> Rejected | None:
        recorded, request = self._books[order.ticker], order.request
        reachable = recorded.reachable(order.book_side, order.price_cc)
        if request.post_only and (next(reachable, None) is not None or self._own_in_reach(order) is not None):
            return POST_ONLY_CROSS
        if request.time_in_force is TimeInForce.FILL_OR_KILL:
            own = self._own_in_reach(order)
            stops = own is not None and request.self_trade_prevention is SelfTradePrevention.TAKER_AT_CROSS
            size_centi = sum(
                size
                for price_cc, size in reachable
                if not (stops and own is not None and is_better(order.book_side.other, own.price_cc, price_cc))
            )
            if size_centi < order.size_centi:
                self._accounts.consume_client_id(order)
                return FILL_OR_KILL
        return None

    def execute(self, order: LiveOrder, at_us: int) -> list[SimulationEvent]:
        budget_centi, stopped = self._accounts.budget(order)
        events, prevented = self._take(order, budget_centi, at_us)
        stopped = prevented or stopped
        if order.remaining_centi:
            if order.request.time_in_force is TimeInForce.GOOD_TILL_CANCELED and stopped is None:
                self._books[order.ticker].join(order)
            else:
                order.cancel(stopped or (UpdateReason.TRADE if order.filled_centi else None), at_us)
        self._accounts.update_owner(order)
        return [*self._accounts.order_changed(order, at_us), *events]

    def cancel(
        self, order: LiveOrder, reason: UpdateReason | None, at_us: int, *, cause: LiveOrder | None = None
    ) -> list[SimulationEvent]:
        cancelled_centi = self._accounts.cancel(order, reason, at_us)
        self._books[order.ticker].reduce(order, cancelled_centi)
        return self._accounts.order_changed(order, at_us)

    def reduce(self, order: LiveOrder, by_centi: int, reason: UpdateReason, at_us: int) -> list[SimulationEvent]:
        order.reduce(by_centi, reason, at_us)
        self._accounts.update_owner(order)
        self._books[order.ticker].reduce(order, by_centi)
        return self._accounts.order_changed(order, at_us)

    def detach(self, order: LiveOrder, at_us: int) -> list[SimulationEvent]:
        self._books[order.ticker].detach(order)
        return []

    # Recorded events

    def snapshot(
        self, ticker: str, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]], at_us: int
    ) -> list[SimulationEvent]:
        """Apply a recorded snapshot; fills our orders that it strictly crosses."""
        recorded = self._books[ticker]
        recorded.replace(bids, asks, at_us)
        return self._fill_crossed(recorded, BookSide.BID, at_us) + self._fill_crossed(recorded, BookSide.ASK, at_us)

    def delta(
        self,
        ticker: str,
        side: BookSide,
        price_cc: int,
        delta_centi: int,
        at_us: int,
        *,
        exchange_us: int | None = None,
    ) -> list[SimulationEvent]:
        """Apply a recorded change of one level; fills our orders of the other side that it strictly crosses.

        ``exchange_us`` is the exchange's time, by which the change is paired with its trade (None: unknown).
        """
        recorded = self._books[ticker]
        recorded.change(side, price_cc, delta_centi, at_us, exchange_us)
        if delta_centi <= 0:
            return []
        best_cc = recorded.own.best_price(side.other)
        if best_cc is None or not is_better(side, price_cc, best_cc):
            return []  # only the level that grew can have become available
        return self._fill_crossed(recorded, side.other, at_us)

    def trade(
        self, ticker: str, price_cc: int, size_centi: int, taker_side: BookSide, at_us: int,
        *, exchange_us: int | None = None,
    ) -> list[SimulationEvent]:  # fmt: skip
        """Apply a recorded trade: it fills our orders at better prices, then consumes the queue at its own price."""
        recorded = self._books[ticker]
        side = taker_side.other
        left_centi = size_centi
        recorded.note_trade(side, price_cc, size_centi, at_us, exchange_us)
        queue = recorded.queue_at(side, price_cc)
        decrease = None if queue is None else queue.pair(size_centi, at_us, exchange_us)
        events: list[SimulationEvent] = []
        for order in list(recorded.own.in_priority(side)):
            if is_better(side, order.price_cc, price_cc):
                reached_centi, basis = left_centi, Basis.TRADE_THROUGH
            elif queue is not None and order.price_cc == price_cc:
                reached_centi = queue.trade(order.exchange_order_id, left_centi, at_us, decrease)
                basis = Basis.QUEUE
            else:
                break
            filled_centi = min(left_centi, reached_centi, order.remaining_centi)
            if filled_centi:
                left_centi -= filled_centi
                events += self._fill_resting(recorded, order, filled_centi, basis, at_us)
        return events

    def _fill_crossed(self, recorded: RecordedBook, side: BookSide, at_us: int) -> list[SimulationEvent]:
        events: list[SimulationEvent] = []
        for order in list(recorded.own.in_priority(side)):
            crossing = list(recorded.reachable(side, order.price_cc, strictly=True))
            if not crossing:
                break
            for level_cc, available_centi in crossing:
                size_centi = min(available_centi, order.remaining_centi)
                if size_centi == 0:
                    break
                recorded.take(side.other, level_cc, size_centi)
                events += self._fill_resting(recorded, order, size_centi, Basis.BOOK_CROSS, at_us)
        return events

    # Our orders

    def _take(
        self, order: LiveOrder, budget_centi: int, at_us: int
    ) -> tuple[list[SimulationEvent], UpdateReason | None]:
        """Take displayed size. Also returns whether self-trade prevention stopped the order."""
        recorded, side = self._books[order.ticker], order.book_side
        events: list[SimulationEvent] = []
        for level_cc, available_centi in [*recorded.reachable(side, order.price_cc), (None, 0)]:
            if budget_centi == 0:
                break
            while (own := self._own_in_reach(order)) is not None:
                if level_cc is not None and not is_better(side.other, own.price_cc, level_cc):
                    break
                if order.request.self_trade_prevention is SelfTradePrevention.TAKER_AT_CROSS:
                    return events, UpdateReason.SELF_TRADE_CANCEL
                events += self.cancel(own, UpdateReason.SELF_TRADE_CANCEL, at_us)
            size_centi = min(budget_centi, available_centi)
            if level_cc is None or size_centi == 0:
                break
            budget_centi -= size_centi
            recorded.take(side.other, level_cc, size_centi)
            events += self._accounts.fill(
                order, self._match(order, level_cc, size_centi, Basis.BOOK_CROSS, at_us), True
            )
        return events, None

    def _own_in_reach(self, order: LiveOrder) -> LiveOrder | None:
        """Return the owner's best resting order that this one would match."""
        for own in self._books[order.ticker].own.in_priority(order.book_side.other):
            if not meets(order.book_side, order.price_cc, own.price_cc):
                return None
            if own.owner == order.owner:
                return own
        return None

    def _fill_resting(
        self, recorded: RecordedBook, order: LiveOrder, size_centi: int, basis: Basis, at_us: int
    ) -> list[SimulationEvent]:
        match = self._match(order, order.price_cc, size_centi, basis, at_us)
        filled = self._accounts.fill(order, match, is_taker=False)
        recorded.reduce(order, size_centi)
        return [*self._accounts.order_changed(order, at_us), *filled]

    def _match(self, order: LiveOrder, price_cc: int, size_centi: int, basis: Basis, at_us: int) -> Match:
        return Match(self._accounts.next_id("trade", order.ticker), price_cc, size_centi, at_us, basis)
