"""What execution knows of each market: its book and how fresh it is, and the exchange's facts about it."""

from __future__ import annotations

from truebook.book.replica import BookReplica
from truebook.clock import Clock
from truebook.messages.facts import MarketFacts
from truebook.messages.markets import Market
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale, PublicTrade


class Books:
    """One replica per market, for freshness and for the last look before an order is sent."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._born_us = clock.now_us()
        self._replicas: dict[str, BookReplica] = {}
        self._facts: dict[str, MarketFacts] = {}
        self._fresh_us: dict[str, int] = {}

    def learn(self, market: Market) -> None:
        """Take the newest facts of a market; the book of one that is no longer followed is dropped."""
        self._facts[market.ticker] = market.facts
        if not market.chosen:
            self._replicas.pop(market.ticker, None)
            self._fresh_us.pop(market.ticker, None)

    def apply(self, message: BookSnapshot | BookDelta | BookStale | PublicTrade) -> None:
        """Bring one message into its market's book."""
        replica = self._replicas.get(message.ticker)
        if replica is None:
            replica = self._replicas[message.ticker] = BookReplica()
        replica.apply(message)
        if replica.stale is None:
            self._fresh_us[message.ticker] = replica.confirmed_us

    def facts(self, ticker: str) -> MarketFacts | None:
        return self._facts.get(ticker)

    def replica(self, ticker: str) -> BookReplica | None:
        return self._replicas.get(ticker)

    def is_fresh(self, ticker: str, within_us: int) -> bool:
        """Tell whether the book is right now and was confirmed by the exchange no longer than ``within_us`` ago."""
        replica = self._replicas.get(ticker)
        return replica is not None and replica.stale is None and self.age_us(ticker) <= within_us

    def ages_us(self) -> dict[str, int]:
        """Answer ``age_us`` of every market that has a book here."""
        return {ticker: self.age_us(ticker) for ticker in self._replicas}

    def age_us(self, ticker: str) -> int:
        """Time since the book was last known to be right; counted from our own start where it never was."""
        return max(0, self._clock.now_us() - self._fresh_us.get(ticker, self._born_us))
