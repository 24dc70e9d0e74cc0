"""What the exchange shows of a market beside its metadata and its book: the last trade and the open interest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from truebook.messages.market_metadata import MarketStatus
from truebook.simulation.events import SimulationEvent, Traded
from truebook.simulation.venue.exchange import SimulatedExchange

MAX_MARKETS: Final = 5_000
"""Markets with statistics; the engine itself drops finished markets."""


class MarketStats:
    """Totals of one market. Every trade counts as opening: anonymous traders have no positions to close."""

    __slots__ = ("last_price_cc", "last_size_centi", "open_interest_centi")

    def __init__(self) -> None:
        self.last_price_cc = 0
        self.last_size_centi = 0
        self.open_interest_centi = 0


class StatsByMarket:
    """The totals of all markets, built from the engine's events: no other place has them."""

    def __init__(self, engine: SimulatedExchange, by_ticker: dict[str, MarketStats] | None = None) -> None:
        self.by_ticker = {} if by_ticker is None else by_ticker
        self._engine = engine

    def of(self, ticker: str) -> MarketStats:
        stats = self.by_ticker.get(ticker)
        if stats is None:
            if len(self.by_ticker) >= MAX_MARKETS:
                self._drop_finished()
            stats = self.by_ticker[ticker] = MarketStats()
        return stats

    def record(self, events: Iterable[SimulationEvent]) -> None:
        for event in events:
            if isinstance(event, Traded):
                stats = self.of(event.ticker)
                stats.last_price_cc = event.price_cc
                stats.last_size_centi = event.size_centi
                stats.open_interest_centi += event.size_centi

    def _drop_finished(self) -> None:
        """Drop the oldest finished market; a market that still trades is kept, whatever its age."""
        for ticker in self.by_ticker:
            market = self._engine.queries.market(ticker)
            if market is None or market.status is MarketStatus.FINALIZED:
                del self.by_ticker[ticker]
                return
