"""The cutoff between live and historical endpoints, which moves with time.

What is older is only listed by ``/historical/…``; resting orders stay live. Cutoffs of days are midnights UTC.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from truebook.clock import MICROS
from truebook.messages.market_metadata import MarketMetadata, MarketStatus
from truebook.simulation.candles import DAY_S
from truebook_services.paper_exchange.engine.market_stats import StatsByMarket
from truebook_services.paper_exchange.rest.requests import ExchangeState

ORDERS_AFTER_S: Final = 14 * DAY_S
"""Orders become historical two weeks after they ended, or earlier if everything does."""


class Cutoff(NamedTuple):
    """Times in microseconds: what was settled, traded or ended before them is historical."""

    settled_us: int
    traded_us: int
    ended_us: int
    stats: StatsByMarket

    @classmethod
    def of(cls, state: ExchangeState) -> Cutoff:
        """Return the cutoff of this moment."""
        now_s = state.now_us() // MICROS
        settled_us = _cutoff_us(now_s, state.history_after_s)
        return cls(
            settled_us, settled_us, _cutoff_us(now_s, min(state.history_after_s, ORDERS_AFTER_S)), state.stats
        )  # fmt: skip

    def has_market(self, market: MarketMetadata) -> bool:
        """Return whether a market is historical."""
        if market.status is not MarketStatus.FINALIZED:
            return False
        settled_us = self.stats.of(market.ticker).settled_us
        return 0 < settled_us < self.settled_us


def _cutoff_us(now_s: int, after_s: int) -> int:
    at_s = max(0, now_s - after_s)
    return (at_s - at_s % DAY_S if after_s >= DAY_S else at_s) * MICROS
