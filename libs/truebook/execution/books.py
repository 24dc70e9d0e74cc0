"""Each market's book, its age, and the exchange's metadata of the market."""

from __future__ import annotations

from truebook.book.order_book import OrderBook
from truebook.book.replica import BookReplica
from truebook.clock import Clock
from truebook.messages.market_metadata import MarketMetadata
from truebook.messages.markets import MarketUpdated
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale, PublicTrade


class Books:
    """One replica per market: guards read it before an order is sent."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started_us = clock.now_us()
        self._replicas: dict[str, BookReplica] = {}
        self._metadata: dict[str, MarketMetadata] = {}
        self._fresh_us: dict[str, int] = {}

    def update_market(self, market: MarketUpdated) -> None:
        """Store a market's metadata; drop the book of a market that is no longer selected."""
        self._metadata[market.ticker] = market.metadata
        if not market.selected:
            self._replicas.pop(market.ticker, None)
            self._fresh_us.pop(market.ticker, None)

    def drop(self, ticker: str) -> None:
        """Drop all that is kept of a market that is deleted from the topic."""
        self._metadata.pop(ticker, None)
        self._replicas.pop(ticker, None)
        self._fresh_us.pop(ticker, None)

    def apply(self, message: BookSnapshot | BookDelta | BookStale | PublicTrade) -> None:
        """Apply one message to its market's book."""
        replica = self._replicas.get(message.ticker)
        if replica is None and isinstance(message, BookStale):
            return  # a market that is no longer selected: its last message must not bring the book back
        if replica is None:
            replica = self._replicas[message.ticker] = BookReplica()
        replica.apply(message)
        if replica.stale is None:
            self._fresh_us[message.ticker] = replica.confirmed_us

    def metadata(self, ticker: str) -> MarketMetadata | None:
        return self._metadata.get(ticker)

    def book(self, ticker: str) -> OrderBook | None:
        replica = self._replicas.get(ticker)
        return replica.book if replica is not None else None

    def is_fresh(self, ticker: str, within_us: int) -> bool:
        """Return whether the book is not stale and was confirmed by the exchange within ``within_us``."""
        replica = self._replicas.get(ticker)
        return replica is not None and replica.stale is None and self.age_us(ticker) <= within_us

    def ages_us(self) -> dict[str, int]:
        """Return ``age_us`` of every market with a book."""
        return {ticker: self.age_us(ticker) for ticker in self._replicas}

    def age_us(self, ticker: str) -> int:
        """Return the time since the book was last fresh, or since the start of this service if it never was."""
        return max(0, self._clock.now_us() - self._fresh_us.get(ticker, self._started_us))
