"""What the exchange shows of a market beside its facts and its book: the last trade and the open interest."""

from __future__ import annotations

from truebook.simulation.events import Traded


class MarketStats:
    """Totals of one market. Every trade counts as opening: anonymous traders have no positions to close."""

    __slots__ = ("last_price_cc", "last_size_centi", "open_interest_centi")

    def __init__(self) -> None:
        self.last_price_cc = 0
        self.last_size_centi = 0
        self.open_interest_centi = 0

    def traded(self, event: Traded) -> None:
        self.last_price_cc = event.price_cc
        self.last_size_centi = event.size_centi
        self.open_interest_centi += event.size_centi
