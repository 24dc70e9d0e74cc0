"""Matching: where an order meets the resting ones, and what becomes of both.

Order of the events of one command: the taker's ``OrderChanged`` with its final state, then for each match the maker's
``OrderChanged``, ``Filled`` of the maker and of the taker, ``Traded``, and the level's change; last the level on which
the remainder rests. So an owner hears of an order's state before its fills, and of its fills before the book.
"""

from __future__ import annotations

from truebook.book.order_book import OrderBook
from truebook.messages.envelope import TimeInForce
from truebook.simulation.desk import FILL_OR_KILL, POST_ONLY_CROSS, Desk
from truebook.simulation.engine import Engine
from truebook.simulation.events import Basis, LevelChanged, SimulationEvent, Traded
from truebook.simulation.orders import LiveOrder, Match, Rejected, UpdateReason
from truebook.simulation.resting import RestingOrders, meets
from truebook.venue.account import SelfTradePrevention


class MatchingEngine(Engine):
    """The exchange's own books."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._resting: dict[str, RestingOrders] = {}

    def add_market(self, ticker: str) -> None:
        self._resting[ticker] = RestingOrders()

    def forget_market(self, ticker: str) -> None:
        del self._resting[ticker]

    def book(self, ticker: str) -> OrderBook:
        resting = self._resting.get(ticker)
        return OrderBook() if resting is None else resting.book()

    def clock_of(self, ticker: str) -> int:
        resting = self._resting.get(ticker)
        return 0 if resting is None else resting.clock

    def orders_of(self, ticker: str) -> list[LiveOrder]:
        return self._resting[ticker].all()

    def ahead_of(self, order: LiveOrder) -> int:
        return self._resting[order.ticker].ahead_of(order)

    def refused_by_book(self, order: LiveOrder) -> Rejected | None:
        request, resting = order.request, self._resting[order.ticker]
        if request.post_only and resting.crosses(order.book_side, order.price_cc):
            return POST_ONLY_CROSS
        if request.time_in_force is TimeInForce.FILL_OR_KILL and self._reachable_centi(order) < order.size_centi:
            self._desk.consume_client_id(order)
            return FILL_OR_KILL
        return None

    def _reachable_centi(self, order: LiveOrder) -> int:
        """Sum what the order could trade with at once, up to its own size."""
        reachable_centi = 0
        for maker in self._resting[order.ticker].in_priority(order.book_side.other):
            if reachable_centi >= order.size_centi or not meets(order.book_side, order.price_cc, maker.price_cc):
                break
            if maker.account == order.account:
                if order.request.self_trade_prevention is SelfTradePrevention.TAKER_AT_CROSS:
                    break
                continue
            reachable_centi += maker.remaining_centi
        return reachable_centi

    def execute(self, order: LiveOrder, at_us: int) -> list[SimulationEvent]:
        matches, stopped = self._match(order, at_us)
        if order.remaining_centi:
            rests = order.request.time_in_force is TimeInForce.GOOD_TILL_CANCELED and stopped is None
            if rests:
                matches.append(self._stand(order, at_us))
            else:
                order.cancel(stopped or (UpdateReason.TRADE if order.filled_centi else None), at_us)
        self._desk.settle_into(order)
        return [*self._desk.changed(order, at_us), *matches]

    def _match(self, order: LiveOrder, at_us: int) -> tuple[list[SimulationEvent], UpdateReason | None]:
        """Trade until nothing fits; answers also why the remainder must not rest."""
        resting, side = self._resting[order.ticker], order.book_side
        budget_centi, stopped = self._desk.budget(order)
        events: list[SimulationEvent] = []
        while budget_centi and resting.crosses(side, order.price_cc):
            maker = resting.first(side.other)
            assert maker is not None
            if maker.account == order.account:
                if order.request.self_trade_prevention is SelfTradePrevention.TAKER_AT_CROSS:
                    return events, UpdateReason.SELF_TRADE_CANCEL
                events += self.take_off(maker, UpdateReason.SELF_TRADE_CANCEL, at_us, cause=order)
                continue
            size_centi = min(budget_centi, maker.remaining_centi)
            budget_centi -= size_centi
            events += self._trade(order, maker, size_centi, at_us)
        return events, stopped

    def _trade(self, taker: LiveOrder, maker: LiveOrder, size_centi: int, at_us: int) -> list[SimulationEvent]:
        match = Match(
            trade_id=self._desk.next_id("trade", taker.ticker),
            price_cc=maker.price_cc,
            size_centi=size_centi,
            at_us=at_us,
            basis=Basis.SYNTHETIC,
        )
        maker_filled = self._desk.fill(maker, match, is_taker=False)
        events = [*self._desk.changed(maker, at_us), *maker_filled]
        events += self._desk.fill(taker, match, is_taker=True)
        events.append(
            self._desk.markets.traded(
                Traded(
                    at_us=at_us,
                    ticker=taker.ticker,
                    trade_id=match.trade_id,
                    price_cc=match.price_cc,
                    size_centi=size_centi,
                    taker_side=taker.book_side,
                )
            )
        )
        self._resting[taker.ticker].reduce(maker, size_centi)
        events.append(self._level_changed(maker, -size_centi, at_us, taker))
        return events

    def _stand(self, order: LiveOrder, at_us: int) -> SimulationEvent:
        self._resting[order.ticker].add(order)
        return self._level_changed(order, order.remaining_centi, at_us, order)

    def shrink(self, order: LiveOrder, by_centi: int, reason: UpdateReason, at_us: int) -> list[SimulationEvent]:
        order.shrink(by_centi, reason, at_us)
        self._desk.settle_into(order)
        self._resting[order.ticker].reduce(order, by_centi)
        return [*self._desk.changed(order, at_us), self._level_changed(order, -by_centi, at_us, order)]

    def detach(self, order: LiveOrder, at_us: int) -> list[SimulationEvent]:
        self._resting[order.ticker].remove(order)
        return [self._level_changed(order, -order.remaining_centi, at_us, order)]

    def take_off(
        self, order: LiveOrder, reason: UpdateReason | None, at_us: int, *, cause: LiveOrder | None = None
    ) -> list[SimulationEvent]:
        reduced_centi = self._desk.cancel(order, reason, at_us)
        self._resting[order.ticker].reduce(order, reduced_centi)
        return [*self._desk.changed(order, at_us), self._level_changed(order, -reduced_centi, at_us, cause or order)]

    def _level_changed(self, order: LiveOrder, delta_centi: int, at_us: int, cause: LiveOrder) -> SimulationEvent:
        known = not cause.anonymous
        return LevelChanged(
            at_us=at_us,
            ticker=order.ticker,
            book_side=order.book_side,
            price_cc=order.price_cc,
            delta_centi=delta_centi,
            clock=self._resting[order.ticker].clock,
            account=cause.account if known else None,
            client_order_id=cause.request.client_order_id if known else None,
        )
