"""The exchange's own matching engine: price-time priority.

Order of one command's events: the taker's ``OrderChanged`` with its final state; for each match ``LevelChanged``,
``Traded``, the maker's ``OrderChanged``, and ``Filled`` of the maker and of the taker; last the level on which the
remainder rests. So the book's change precedes the trade and the fills that explain it, as in recorded sessions; all
have one time. An owner receives an order's state before its fills.
"""

from __future__ import annotations

from truebook.book.order_book import OrderBook
from truebook.messages.envelope import TimeInForce
from truebook.simulation.events import Basis, LevelChanged, SimulationEvent, Traded
from truebook.simulation.venue.account_book import FILL_OR_KILL, POST_ONLY_CROSS, AccountBook
from truebook.simulation.venue.engine import Engine
from truebook.simulation.venue.orders import LiveOrder, Match, Rejected, UpdateReason
from truebook.simulation.venue.resting import RestingOrders, meets
from truebook.venue.account import SelfTradePrevention


class MatchingEngine(Engine):
    """The exchange's own books."""

    def __init__(self, accounts: AccountBook) -> None:
        self._accounts = accounts
        self._resting: dict[str, RestingOrders] = {}

    def add_market(self, ticker: str) -> None:
        self._resting[ticker] = RestingOrders()

    def drop_market(self, ticker: str) -> None:
        del self._resting[ticker]

    def book(self, ticker: str) -> OrderBook:
        resting = self._resting.get(ticker)
        return OrderBook() if resting is None else resting.book()

    def clock_of(self, ticker: str) -> int:
        resting = self._resting.get(ticker)
        return 0 if resting is None else resting.clock

    def resting_orders(self, ticker: str) -> list[LiveOrder]:
        return self._resting[ticker].all()

    def queue_ahead(self, order: LiveOrder) -> int:
        return self._resting[order.ticker].queue_ahead(order)

    def book_rejection(self, order: LiveOrder) -> Rejected | None:
        request, resting = order.request, self._resting[order.ticker]
        if request.post_only and resting.crosses(order.book_side, order.price_cc):
            return POST_ONLY_CROSS
        if request.time_in_force is TimeInForce.FILL_OR_KILL and self._reachable_centi(order) < order.size_centi:
            self._accounts.consume_client_id(order)
            return FILL_OR_KILL
        return None

    def _reachable_centi(self, order: LiveOrder) -> int:
        """Return the size that the order could trade at once, up to its own size."""
        reachable_centi = 0
        for maker in self._resting[order.ticker].in_priority(order.book_side.other):
            if reachable_centi >= order.size_centi or not meets(order.book_side, order.price_cc, maker.price_cc):
                break
            if maker.owner == order.owner:
                if order.request.self_trade_prevention is SelfTradePrevention.TAKER_AT_CROSS:
                    break
                continue
            reachable_centi += maker.remaining_centi
        return reachable_centi

    def execute(self, order: LiveOrder, at_us: int) -> list[SimulationEvent]:
        matches, stopped = self._match(order, at_us)
        if order.remaining_centi:
            if order.request.time_in_force is TimeInForce.GOOD_TILL_CANCELED and stopped is None:
                self._resting[order.ticker].add(order)
                matches.append(self._level_changed(order, order.remaining_centi, at_us, order))
            else:
                order.cancel(stopped or (UpdateReason.TRADE if order.filled_centi else None), at_us)
        self._accounts.update_owner(order)
        return [*self._accounts.order_changed(order, at_us), *matches]

    def _match(self, order: LiveOrder, at_us: int) -> tuple[list[SimulationEvent], UpdateReason | None]:
        """Match while prices cross. Also returns the reason why the remainder must not rest, if any."""
        resting, side = self._resting[order.ticker], order.book_side
        budget_centi, stopped = self._accounts.budget(order)
        events: list[SimulationEvent] = []
        while budget_centi and resting.crosses(side, order.price_cc):
            maker = resting.first(side.other)
            assert maker is not None
            if maker.owner == order.owner:
                if order.request.self_trade_prevention is SelfTradePrevention.TAKER_AT_CROSS:
                    return events, UpdateReason.SELF_TRADE_CANCEL
                events += self.cancel(maker, UpdateReason.SELF_TRADE_CANCEL, at_us, cause=order)
                continue
            size_centi = min(budget_centi, maker.remaining_centi)
            budget_centi -= size_centi
            events += self._trade(order, maker, size_centi, at_us)
        return events, stopped

    def _trade(self, taker: LiveOrder, maker: LiveOrder, size_centi: int, at_us: int) -> list[SimulationEvent]:
        trade_id = self._accounts.next_id("trade", taker.ticker)
        match = Match(trade_id, maker.price_cc, size_centi, at_us, Basis.SYNTHETIC)
        maker_filled = self._accounts.fill(maker, match, is_taker=False)
        private = [*self._accounts.order_changed(maker, at_us), *maker_filled]
        private += self._accounts.fill(taker, match, is_taker=True)
        trade = Traded(
            at_us=at_us, ticker=taker.ticker, trade_id=trade_id, price_cc=match.price_cc, size_centi=size_centi,
            taker_side=taker.book_side,
        )  # fmt: skip
        self._accounts.markets.record_trade(trade)
        self._resting[taker.ticker].reduce(maker, size_centi)
        return [self._level_changed(maker, -size_centi, at_us, taker), trade, *private]

    def reduce(self, order: LiveOrder, by_centi: int, reason: UpdateReason, at_us: int) -> list[SimulationEvent]:
        order.reduce(by_centi, reason, at_us)
        self._accounts.update_owner(order)
        self._resting[order.ticker].reduce(order, by_centi)
        return [*self._accounts.order_changed(order, at_us), self._level_changed(order, -by_centi, at_us, order)]

    def detach(self, order: LiveOrder, at_us: int) -> list[SimulationEvent]:
        self._resting[order.ticker].remove(order)
        return [self._level_changed(order, -order.remaining_centi, at_us, order)]

    def cancel(
        self, order: LiveOrder, reason: UpdateReason | None, at_us: int, *, cause: LiveOrder | None = None
    ) -> list[SimulationEvent]:
        cancelled_centi = self._accounts.cancel(order, reason, at_us)
        self._resting[order.ticker].reduce(order, cancelled_centi)
        return [
            *self._accounts.order_changed(order, at_us),
            self._level_changed(order, -cancelled_centi, at_us, cause or order),
        ]

    def _level_changed(self, order: LiveOrder, delta_centi: int, at_us: int, cause: LiveOrder) -> SimulationEvent:
        attributed = not cause.is_synthetic
        return LevelChanged(
            at_us=at_us, ticker=order.ticker, book_side=order.book_side, price_cc=order.price_cc,
            delta_centi=delta_centi, clock=self._resting[order.ticker].clock,
            account=cause.account if attributed else None,
            client_order_id=cause.request.client_order_id if attributed else None,
        )  # fmt: skip
