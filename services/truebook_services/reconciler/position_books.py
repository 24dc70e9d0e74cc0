"""The books that value the account's positions, as the exchange shows them, without the account's own orders.

A position in a market that has ended is valued by its outcome. Where the exchange shows neither, the last book that was
read values it. Without one its value is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from truebook.kalshi.port import ExchangeError, NotFound, RestClient
from truebook.ledger.port import LedgerView, MarketView
from truebook.ledger.valuation import Book, held_markets, is_seen, others_book, outcome_book, shows_a_book
from truebook.messages.market_metadata import MarketMetadata
from truebook.observation.markets import FEEDS_WITH_OWN_ORDERS
from truebook.runtime.context import Context

MAX_NEW: Final = 3
"""New positions whose books are read at once."""


class PositionBooks:
    """The last book of each market with a position, by ticker."""

    def __init__(self, context: Context, rest: RestClient) -> None:
        self._context = context
        self._rest = rest
        self.books: dict[str, Book] = {}
        self.read_us: int | None = None
        """When all of them were read last."""
        self._unvalued: frozenset[str] = frozenset()
        self._tried: set[str] = set()
        """Positions whose books were requested since the last complete reading began."""

    async def read(self, view: LedgerView) -> dict[str, Book]:
        """Read the book or the outcome of each position's market; raises ``ExchangeError``."""
        now_us = self._context.clock.now_us()
        held = held_markets(view)
        self._tried = set(held)
        await self._read(held)
        self.books = {ticker: book for ticker, book in self.books.items() if ticker in held}
        unvalued = frozenset(held) - self.books.keys()
        if unvalued - self._unvalued:
            self._context.log.warning("equity not known: positions without a known value", tickers=sorted(unvalued))
        self._unvalued = unvalued
        self._context.metrics.gauge("ledger_unvalued_positions", len(unvalued))
        self.read_us = now_us
        return self.books

    async def read_new(self, view: LedgerView) -> None:
        """Read the books of a few new positions; raises ``ExchangeError``."""
        held = held_markets(view)
        new = [ticker for ticker in held if ticker not in self.books and ticker not in self._tried][:MAX_NEW]
        self._tried.update(new)
        await self._read({ticker: held[ticker] for ticker in new})

    async def _read(self, held: Mapping[str, MarketView]) -> None:
        listed = await self._rest.markets(tickers=sorted(held)) if held else ()
        for metadata in listed:
            if metadata.ticker not in held:
                continue
            try:
                book = await self._book(held[metadata.ticker], metadata)
            except ExchangeError as error:
                if error.retry:
                    raise
                self._context.log.warning("book not readable", ticker=metadata.ticker, error=str(error))
                continue
            if book is not None:
                self.books[metadata.ticker] = book

    async def _book(self, market: MarketView, metadata: MarketMetadata) -> Book | None:
        """Return the book without our orders, or the outcome as a book; None where neither is shown."""
        outcome = outcome_book(market, metadata)
        if outcome is not None or not shows_a_book(metadata):
            return outcome
        try:
            book = await self._rest.book(market.ticker)
        except NotFound:
            return None
        if not is_seen((book.bids, book.asks), self._context.source):
            return None
        if self._context.source not in FEEDS_WITH_OWN_ORDERS:
            return book.bids, book.asks
        return others_book(market, book.bids, book.asks)
