"""The simulated exchange's engine: one price-time book per market, deterministic.

Commands and times go in, answers and events come out; equal commands give equal events, ids included. Time never goes
back: a command with an earlier time is taken at the newest time seen, and every command first carries out what was due
before it (expiries, closes, settlements), whose events come first.

The order of the events of one command is stated in ``matching``: an owner hears of an order's state before its fills,
and of its fills before the book.

The exchange announces neither a market's opening nor its close: ``market().status`` tells them, no event does.
"""

from __future__ import annotations

from truebook.book.order_book import OrderBook
from truebook.messages.facts import MarketFacts
from truebook.simulation.desk import Desk
from truebook.simulation.events import SimulationEvent
from truebook.simulation.lifecycle import LifeCycle
from truebook.simulation.matching import MatchingEngine
from truebook.simulation.orders import Rejected
from truebook.simulation.reads import Venue, create_answer
from truebook.venue.account import CancelAnswer, CreateAnswer, OrderRequest


class SimulatedExchange(Venue):
    """An exchange without sockets and without a clock."""

    def __init__(self, seed: int, *, settlement_delay_us: int = 2_000_000) -> None:
        super().__init__(Desk(seed))
        self._engine = MatchingEngine(self._desk)
        self._life = LifeCycle(self._desk, self._engine, settlement_delay_us)

    # Commands of the venue itself

    def add_market(self, facts: MarketFacts, at_us: int) -> list[SimulationEvent]:
        """List a market; raises ``ValueError`` where the ticker exists or the fee type is not supported."""
        events = self.advance(at_us)
        return events + self._life.add(facts, self._now_us)

    def determine(self, ticker: str, settlement_cc: int, at_us: int) -> list[SimulationEvent]:
        """State what a YES contract is worth (0..10,000): closes the market if need be, pays out after the delay."""
        events = self.advance(at_us)
        return events + self._life.determine(ticker, settlement_cc, self._now_us)

    def move_close(self, ticker: str, close_us: int, at_us: int) -> list[SimulationEvent]:
        """Move the close of a market that takes orders; nothing happens to one that has closed."""
        events = self.advance(at_us)
        return events + self._life.move_close(ticker, close_us, self._now_us)

    def advance(self, now_us: int) -> list[SimulationEvent]:
        """Carry out what is due by now: expiries, closes, settlements."""
        self._now_us = max(self._now_us, now_us)
        return self._life.advance(self._now_us)

    def next_due_us(self) -> int | None:
        """Give the time of the next thing that happens by itself."""
        return self._life.next_due_us()

    # Commands of accounts

    def place(
        self, account: str, request: OrderRequest, at_us: int
    ) -> tuple[CreateAnswer | Rejected, list[SimulationEvent]]:
        """Take an order: match it, let the rest stand or end as its time in force says."""
        events = self.advance(at_us)
        order = self._desk.admit(account, request, self._now_us)
        if isinstance(order, Rejected):
            return order, events
        refusal = self._engine.refused_by_book(order)
        if refusal is not None:
            return refusal, events
        self._desk.accept(order)
        events += self._engine.execute(order, self._now_us)
        self._life.watch_expiry(order)
        return create_answer(order.picture(), self._now_us), events

    def cancel(
        self, account: str, exchange_order_id: str, at_us: int
    ) -> tuple[CancelAnswer | Rejected, list[SimulationEvent]]:
        """Take a resting order off the book."""
        events = self.advance(at_us)
        order = self._desk.cancellable(account, exchange_order_id)
        if isinstance(order, Rejected):
            return order, events
        reduced_centi = order.remaining_centi
        events += self._engine.take_off(order, None, self._now_us)
        answer = CancelAnswer(
            exchange_order_id=exchange_order_id, reduced_centi=reduced_centi, processed_us=self._now_us
        )
        return answer, events

    def cancel_all(self, account: str, at_us: int) -> list[SimulationEvent]:
        """Take all of an account's resting orders off the books."""
        events = self.advance(at_us)
        open_orders = self._desk.account(account).open_orders
        for order in [one for orders in open_orders.values() for one in orders.values()]:
            events += self._engine.take_off(order, None, self._now_us)
        return events

    # Reads that need the engine's own book

    def book(self, ticker: str) -> OrderBook:
        resting = self._engine.resting(ticker)
        return OrderBook() if resting is None else resting.book()

    def clock_of(self, ticker: str) -> int:
        resting = self._engine.resting(ticker)
        return 0 if resting is None else resting.clock

    def queue_position(self, account: str, exchange_order_id: str) -> int | None:
        order = self._desk.find(account, exchange_order_id)
        if order is None or not order.is_resting:
            return None
        resting = self._engine.resting(order.ticker)
        return None if resting is None else resting.ahead_of(order)
