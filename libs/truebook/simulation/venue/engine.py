"""The port of a matching engine.

Two implementations: ``matching`` (the exchange's own book) and ``recorded`` (a recorded book with a modelled queue).
"""

from __future__ import annotations

from typing import Protocol

from truebook.book.order_book import OrderBook
from truebook.simulation.events import SimulationEvent
from truebook.simulation.venue.orders import LiveOrder, Rejected, UpdateReason


class Engine(Protocol):
    """The books of all markets of a simulated exchange. Each method returns the events that it caused."""

    def add_market(self, ticker: str) -> None: ...
    def drop_market(self, ticker: str) -> None: ...

    def book(self, ticker: str) -> OrderBook:
        """Copy the displayed book; empty for an unknown market."""
        ...

    def clock_of(self, ticker: str) -> int:
        """Return the number of changes of the displayed book; 0 for an unknown market."""
        ...

    def resting_orders(self, ticker: str) -> list[LiveOrder]: ...

    def queue_ahead(self, order: LiveOrder) -> int:
        """Return the size ahead of a resting order at its own price."""
        ...

    def book_rejection(self, order: LiveOrder) -> Rejected | None:
        """Check an admitted order against the book; a killed order (FOK) uses up its client order id."""
        ...

    def execute(self, order: LiveOrder, at_us: int) -> list[SimulationEvent]:
        """Match an accepted order; the remainder rests or is cancelled by its time in force."""
        ...

    def reduce(self, order: LiveOrder, by_centi: int, reason: UpdateReason, at_us: int) -> list[SimulationEvent]:
        """Reduce a resting order, which keeps its queue position."""
        ...

    def detach(self, order: LiveOrder, at_us: int) -> list[SimulationEvent]:
        """Remove an order from its level without ending it, before it is executed again."""
        ...

    def cancel(
        self, order: LiveOrder, reason: UpdateReason | None, at_us: int, *, cause: LiveOrder | None = None
    ) -> list[SimulationEvent]:
        """Cancel a resting order. ``cause`` is the order that its level change is attributed to, itself by default."""
        ...
