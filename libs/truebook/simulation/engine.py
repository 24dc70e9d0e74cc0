"""The seam between the desk and a market: where orders meet a counterparty.

Two fill it: ``matching`` (the exchange's own book) and ``recorded`` (a recorded book with a modelled queue).
"""

from __future__ import annotations

from typing import Protocol

from truebook.book.order_book import OrderBook
from truebook.simulation.events import SimulationEvent
from truebook.simulation.orders import LiveOrder, Rejected, UpdateReason


class Engine(Protocol):
    """The books of all markets of a venue."""

    def add_market(self, ticker: str) -> None: ...
    def forget_market(self, ticker: str) -> None:
        """Drop an ended market's book."""
        ...

    def book(self, ticker: str) -> OrderBook:
        """Copy the displayed book; empty where the market is not known."""
        ...

    def clock_of(self, ticker: str) -> int:
        """Count the changes that the displayed book has seen."""
        ...

    def orders_of(self, ticker: str) -> list[LiveOrder]:
        """List the resting orders of a market."""
        ...

    def ahead_of(self, order: LiveOrder) -> int:
        """Give how much stands before a resting order at its own price."""
        ...

    def refused_by_book(self, order: LiveOrder) -> Rejected | None:
        """Give the refusal of an admitted order that the book itself forbids; a killed one uses up its client id."""
        ...

    def execute(self, order: LiveOrder, at_us: int) -> list[SimulationEvent]:
        """Match an accepted order; the rest stands or ends as its time in force says."""
        ...

    def shrink(self, order: LiveOrder, by_centi: int, reason: UpdateReason, at_us: int) -> list[SimulationEvent]:
        """Take off a part of a resting order, which keeps its place, and tell its owner and the book."""
        ...

    def detach(self, order: LiveOrder, at_us: int) -> list[SimulationEvent]:
        """Take an order that is about to change off its level without ending it, and tell the book."""
        ...

    def take_off(
        self, order: LiveOrder, reason: UpdateReason | None, at_us: int, *, cause: LiveOrder | None = None
    ) -> list[SimulationEvent]:
        """End a resting order and tell its owner and the book; without a cause the order itself is the cause."""
        ...
