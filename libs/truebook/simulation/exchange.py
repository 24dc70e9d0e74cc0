"""The simulated exchange's engine: one price-time book per market, deterministic, without sockets and clock.

Commands and times go in, answers and events come out; equal commands give equal events, ids included. The order of the
events of one command is stated in ``matching``: an owner hears of an order's state before its fills, and of its fills
before the book. The exchange announces neither a market's opening nor its close: ``market().status`` tells them, no
event does.
"""

from __future__ import annotations

from truebook.messages.facts import MarketFacts
from truebook.simulation.desk import Desk
from truebook.simulation.events import SimulationEvent
from truebook.simulation.matching import MatchingEngine
from truebook.simulation.order_entry import OrderEntry
from truebook.simulation.orders import Rejected

__all__ = ["Rejected", "SimulatedExchange"]


class SimulatedExchange(OrderEntry):
    """An exchange whose counterparties are synthetic traders and other accounts."""

    def __init__(self, seed: int, *, settlement_delay_us: int = 2_000_000) -> None:
        desk = Desk(seed)
        super().__init__(desk, MatchingEngine(desk), settlement_delay_us)

    def add_market(self, facts: MarketFacts, at_us: int) -> list[SimulationEvent]:
        """List a market; raises ``ValueError`` where the ticker exists already."""
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
