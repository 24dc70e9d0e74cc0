"""Matching against a recorded market: our orders rest in a modelled queue and never fill for free.

The recording does not know our orders, so what it would have done to them is judged on the careful side:

- An order that reaches the recorded opposite side takes what is displayed there, at its prices (``book_cross``). What
  was taken once is remembered and can't be taken again until the level grows again.
- A resting order stands behind all that was displayed at its price when it came. Recorded trades at that price work
  the queue off, then fill it (``queue``); whose size leaves the level without a trade is a matter of the queue's model
  (``recorded_queue``), by default of those behind it.
- A recorded trade at a worse price than ours would have met us first (``trade_through``).
- A recorded opposite best that strictly crosses our price fills us at our price (``book_cross``): without recorded
  trades the only way.

Every fill is limited by the recorded size. Only takers of the opposite side count: a trade whose taker was on our side
consumed the other side's liquidity. Orders of different accounts do not meet each other; those of one account are kept
apart by the self-trade prevention.
"""

from __future__ import annotations

from collections.abc import Iterable

from truebook.book.order_book import OrderBook
from truebook.messages.envelope import BookSide, TimeInForce
from truebook.simulation.desk import FILL_OR_KILL, POST_ONLY_CROSS, Desk
from truebook.simulation.engine import Engine
from truebook.simulation.events import Basis, SimulationEvent
from truebook.simulation.orders import LiveOrder, Match, Rejected, UpdateReason
from truebook.simulation.recorded_book import RecordedMarket
from truebook.simulation.recorded_queue import QueueModel
from truebook.simulation.resting import is_better, meets
from truebook.venue.account import SelfTradePrevention


class RecordedEngine(Engine):
    """The recorded books of all markets."""

    def __init__(self, desk: Desk, queue: QueueModel = QueueModel.PESSIMISTIC) -> None:
        self._desk = desk
        self._queue = queue
        self._markets: dict[str, RecordedMarket] = {}

    def add_market(self, ticker: str) -> None:
        self._markets[ticker] = RecordedMarket(self._queue)

    def forget_market(self, ticker: str) -> None:
        del self._markets[ticker]

    def book(self, ticker: str) -> OrderBook:
        market = self._markets.get(ticker)
        return OrderBook() if market is None else market.book.copy()

    def has(self, ticker: str) -> bool:
        """Whether this market has been added."""
        return ticker in self._markets

    def is_known(self, ticker: str) -> bool:
        """Whether the market's recorded book can be trusted."""
        return self._markets[ticker].known

    def clock_of(self, ticker: str) -> int:
        market = self._markets.get(ticker)
        return 0 if market is None else market.clock

    def orders_of(self, ticker: str) -> list[LiveOrder]:
        return self._markets[ticker].own.all()

    def ahead_of(self, order: LiveOrder) -> int:
        market = self._markets[order.ticker]
        return market.ahead_of(order) + market.own.ahead_of(order)

    def refused_by_book(self, order: LiveOrder) -> Rejected | None:
        market, request = self._markets[order.ticker], order.request
        reachable = market.reachable(order.book_side, order.price_cc)
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
                self._desk.consume_client_id(order)
                return FILL_OR_KILL
        return None

    def execute(self, order: LiveOrder, at_us: int) -> list[SimulationEvent]:
        budget_centi, stopped = self._desk.budget(order)
        events, prevented = self._take(order, budget_centi, at_us)
        stopped = prevented or stopped
        if order.remaining_centi:
            if order.request.time_in_force is TimeInForce.GOOD_TILL_CANCELED and stopped is None:
                self._markets[order.ticker].stand(order)
            else:
                order.cancel(stopped or (UpdateReason.TRADE if order.filled_centi else None), at_us)
        self._desk.settle_into(order)
        return [*self._desk.changed(order, at_us), *events]

    def take_off(
        self, order: LiveOrder, reason: UpdateReason | None, at_us: int, *, cause: LiveOrder | None = None
    ) -> list[SimulationEvent]:
        reduced_centi = self._desk.cancel(order, reason, at_us)
        self._markets[order.ticker].reduce(order, reduced_centi)
        return self._desk.changed(order, at_us)

    def shrink(self, order: LiveOrder, by_centi: int, reason: UpdateReason, at_us: int) -> list[SimulationEvent]:
        order.shrink(by_centi, reason, at_us)
        self._desk.settle_into(order)
        self._markets[order.ticker].reduce(order, by_centi)
        return self._desk.changed(order, at_us)

    def detach(self, order: LiveOrder, at_us: int) -> list[SimulationEvent]:
        self._markets[order.ticker].leave(order)
        return []

    # What the recording does

    def snapshot(
        self, ticker: str, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]], at_us: int
    ) -> list[SimulationEvent]:
        """Take a recorded snapshot; fills what it strictly crosses."""
        market = self._markets[ticker]
        market.replace(bids, asks, at_us)
        return self._fill_crossed(market, BookSide.BID, at_us) + self._fill_crossed(market, BookSide.ASK, at_us)

    def delta(self, ticker: str, side: BookSide, price_cc: int, delta_centi: int, at_us: int) -> list[SimulationEvent]:
        """Take a recorded change of one level; fills the own orders of the other side that it strictly crosses."""
        market = self._markets[ticker]
        market.change(side, price_cc, delta_centi, at_us)
        return self._fill_crossed(market, side.other, at_us) if delta_centi > 0 else []

    def trade(
        self, ticker: str, price_cc: int, size_centi: int, taker_side: BookSide, at_us: int
    ) -> list[SimulationEvent]:
        """Take a recorded trade: it meets own orders at better prices, then works off the queues at its own price."""
        market = self._markets[ticker]
        side = taker_side.other
        left_centi, worked_centi, basis = size_centi, 0, Basis.TRADE_THROUGH
        queue = market.queue_at(side, price_cc)
        told_centi = 0 if queue is None else queue.trade(size_centi, at_us)
        events: list[SimulationEvent] = []
        for order in list(market.own.in_priority(side)):
            if left_centi == 0:
                break
            if is_better(side, order.price_cc, price_cc):
                basis = Basis.TRADE_THROUGH
            elif queue is not None and order.price_cc == price_cc:
                left_centi, told_centi, basis = max(0, left_centi - told_centi), 0, Basis.QUEUE
                worked = min(left_centi, max(0, queue.ahead(order.exchange_order_id) - worked_centi))
                worked_centi += worked
                left_centi -= worked
            else:
                break
            filled_centi = min(left_centi, order.remaining_centi)
            if filled_centi:
                left_centi -= filled_centi
                events += self._fill_resting(market, order, filled_centi, basis, at_us)
        if queue is not None:
            queue.work_off(worked_centi)
        return events

    def _fill_crossed(self, market: RecordedMarket, side: BookSide, at_us: int) -> list[SimulationEvent]:
        events: list[SimulationEvent] = []
        for order in list(market.own.in_priority(side)):
            crossing = list(market.reachable(side, order.price_cc, strictly=True))
            if not crossing:
                break
            for level_cc, available_centi in crossing:
                size_centi = min(available_centi, order.remaining_centi)
                if size_centi == 0:
                    break
                market.take(side.other, level_cc, size_centi)
                events += self._fill_resting(market, order, size_centi, Basis.BOOK_CROSS, at_us)
        return events

    # Our orders

    def _take(
        self, order: LiveOrder, budget_centi: int, at_us: int
    ) -> tuple[list[SimulationEvent], UpdateReason | None]:
        """Take displayed liquidity; answers also whether the self-trade prevention stopped the order."""
        market, side = self._markets[order.ticker], order.book_side
        events: list[SimulationEvent] = []
        for level_cc, available_centi in [*market.reachable(side, order.price_cc), (None, 0)]:
            if budget_centi == 0:
                break
            while (own := self._own_in_reach(order)) is not None:
                if level_cc is not None and not is_better(side.other, own.price_cc, level_cc):
                    break
                if order.request.self_trade_prevention is SelfTradePrevention.TAKER_AT_CROSS:
                    return events, UpdateReason.SELF_TRADE_CANCEL
                events += self.take_off(own, UpdateReason.SELF_TRADE_CANCEL, at_us)
            size_centi = min(budget_centi, available_centi)
            if level_cc is None or size_centi == 0:
                break
            budget_centi -= size_centi
            market.take(side.other, level_cc, size_centi)
            events += self._desk.fill(order, self._match(order, level_cc, size_centi, Basis.BOOK_CROSS, at_us), True)
        return events, None

    def _own_in_reach(self, order: LiveOrder) -> LiveOrder | None:
        """Give the owner's best resting order that this one would meet."""
        for own in self._markets[order.ticker].own.in_priority(order.book_side.other):
            if not meets(order.book_side, order.price_cc, own.price_cc):
                return None
            if own.account == order.account:
                return own
        return None

    def _fill_resting(
        self, market: RecordedMarket, order: LiveOrder, size_centi: int, basis: Basis, at_us: int
    ) -> list[SimulationEvent]:
        match = self._match(order, order.price_cc, size_centi, basis, at_us)
        filled = self._desk.fill(order, match, is_taker=False)
        market.reduce(order, size_centi)
        return [*self._desk.changed(order, at_us), *filled]

    def _match(self, order: LiveOrder, price_cc: int, size_centi: int, basis: Basis, at_us: int) -> Match:
        return Match(self._desk.next_id("trade", order.ticker), price_cc, size_centi, at_us, basis)
