"""Matching: where an order meets the resting ones, and what becomes of both.

Order of the events of one command: the taker's ``OrderChanged`` with its final state, then for each match the maker's
``OrderChanged``, ``Filled`` of the maker and of the taker, ``Traded``, and the level's change; last the level on which
the remainder rests. So an owner hears of an order's state before its fills, and of its fills before the book.
"""

from __future__ import annotations

from truebook.messages.envelope import BookSide, TimeInForce
from truebook.simulation.desk import FILL_OR_KILL, POST_ONLY_CROSS, Desk
from truebook.simulation.events import Basis, LevelChanged, SimulationEvent, Traded
from truebook.simulation.orders import LiveOrder, Match, Rejected, UpdateReason
from truebook.simulation.resting import RestingOrders
from truebook.venue.account import SelfTradePrevention


class MatchingEngine:
    """The books of all markets."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._resting: dict[str, RestingOrders] = {}

    def add_market(self, ticker: str) -> None:
        self._resting[ticker] = RestingOrders()

    def forget_market(self, ticker: str) -> None:
        """Drop an ended market's book, which is empty."""
        del self._resting[ticker]

    def resting(self, ticker: str) -> RestingOrders | None:
        return self._resting.get(ticker)

    def refused_by_book(self, order: LiveOrder) -> Rejected | None:
        """Give the refusal of an admitted order that the book itself forbids; a killed one uses up its client id."""
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
            if reachable_centi >= order.size_centi or not _meets(order, maker.price_cc):
                break
            if maker.account == order.account:
                if order.request.self_trade_prevention is SelfTradePrevention.TAKER_AT_CROSS:
                    break
                continue
            reachable_centi += maker.remaining_centi
        return reachable_centi

    def execute(self, order: LiveOrder, at_us: int) -> list[SimulationEvent]:
        """Match an accepted order; the rest stands or ends as its time in force says."""
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
        budget_centi, stopped = self._budget(order)
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

    def _budget(self, order: LiveOrder) -> tuple[int, UpdateReason | None]:
        """Give how much an order may trade: reduce-only is capped at the position against it."""
        if not order.request.reduce_only or order.anonymous:
            return order.remaining_centi, None
        position_centi = self._desk.accounts[order.account].position_centi(order.ticker)
        against_centi = max(0, -position_centi if order.book_side is BookSide.BID else position_centi)
        if against_centi >= order.remaining_centi:
            return order.remaining_centi, None
        return against_centi, UpdateReason.REDUCE_ONLY_CANCEL

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

    def take_off(
        self, order: LiveOrder, reason: UpdateReason | None, at_us: int, *, cause: LiveOrder | None = None
    ) -> list[SimulationEvent]:
        """End a resting order and tell its owner and the book; without a cause the order itself is the cause."""
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


def _meets(order: LiveOrder, price_cc: int) -> bool:
    return price_cc <= order.price_cc if order.book_side is BookSide.BID else price_cc >= order.price_cc
