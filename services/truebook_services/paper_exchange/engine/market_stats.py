"""What the exchange shows of a market beside its metadata and its book: last trade, open interest, times, candles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from truebook.messages.market_metadata import MarketStatus
from truebook.simulation.candles import MarketCandles
from truebook.simulation.events import BookReplaced, LevelChanged, MarketChanged, SimulationEvent, Traded
from truebook.simulation.venue.exchange import SimulatedExchange

MAX_MARKETS: Final = 5_000
"""Markets with statistics; the engine itself drops finished markets."""
MAX_MINUTES: Final = 5_000
"""Minutes of candles kept of a market, as many as one request may ask for."""
MINUTES_IN_ALL: Final = 300_000
"""Bound of all markets' minutes; with more than 60 markets, each later one keeps fewer."""


class MarketStats:
    """Totals, times and candles of one market. Every trade counts as opening: anonymous traders have no positions.

    Times are 0 where they are not known: they are those of the market's events.
    """

    __slots__ = (
        "candles", "created_us", "last_price_cc", "last_size_centi", "open_interest_centi", "settled_us", "updated_us",
    )  # fmt: skip

    def __init__(self, max_minutes: int = MAX_MINUTES) -> None:
        self.last_price_cc = 0
        self.last_size_centi = 0
        self.open_interest_centi = 0
        self.created_us = 0
        self.updated_us = 0
        """Time of the last change that is not a trade's."""
        self.settled_us = 0
        self.candles = MarketCandles(max_minutes)

    def record_change(self, event: MarketChanged) -> None:
        self.updated_us = event.at_us
        if event.event_type == "created":
            self.created_us = event.at_us
        elif event.event_type == "settled":
            self.settled_us = event.at_us


_NOTHING: Final = MarketStats()
"""Of a market without any event."""


class StatsByMarket:
    """The totals of all markets, built from the engine's events: no other place has them."""

    def __init__(self, engine: SimulatedExchange, by_ticker: dict[str, MarketStats] | None = None) -> None:
        self.by_ticker = {} if by_ticker is None else by_ticker
        self._engine = engine

    def of(self, ticker: str) -> MarketStats:
        """Return a market's totals, to be read only."""
        return self.by_ticker.get(ticker) or _NOTHING

    def _own(self, ticker: str) -> MarketStats:
        stats = self.by_ticker.get(ticker)
        if stats is None:
            if len(self.by_ticker) >= MAX_MARKETS:
                self._drop_finished()
            minutes = min(MAX_MINUTES, MINUTES_IN_ALL // max(1, len(self.by_ticker)))
            stats = self.by_ticker[ticker] = MarketStats(minutes)
        return stats

    def record(self, events: Iterable[SimulationEvent]) -> None:
        for event in events:
            match event:
                case LevelChanged():
                    candles = self._own(event.ticker).candles
                    candles.level(event.book_side, event.price_cc, event.delta_centi, event.at_us)
                case Traded():
                    stats = self._own(event.ticker)
                    stats.last_price_cc = event.price_cc
                    stats.last_size_centi = event.size_centi
                    stats.open_interest_centi += event.size_centi
                    stats.candles.trade(event.price_cc, event.size_centi, stats.open_interest_centi, event.at_us)
                case BookReplaced():
                    self._own(event.ticker).candles.book(event.bids, event.asks, event.at_us)
                case MarketChanged():
                    self._own(event.metadata.ticker).record_change(event)

    def _drop_finished(self) -> None:
        """Drop the oldest finished market; a market that still trades is kept, whatever its age."""
        for ticker in self.by_ticker:
            market = self._engine.queries.market(ticker)
            if market is None or market.status is MarketStatus.FINALIZED:
                del self.by_ticker[ticker]
                return
