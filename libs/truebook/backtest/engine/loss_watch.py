"""Marks the account's equity for the limits of losses, as the reconciler does."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from truebook.backtest.engine.periodic import Every
from truebook.backtest.engine.settings import EngineSettings
from truebook.book.order_book import OrderBook
from truebook.ledger.port import MarketView
from truebook.ledger.rules.ledger import Ledger
from truebook.ledger.valuation import (
    Book,
    equity_micros,
    has_loss_limits,
    held_markets,
    is_seen,
    outcome_book,
    shows_a_book,
    trading_day,
)
from truebook.ledger.verbs import MarkEquity
from truebook.messages.envelope import BookSide, Source
from truebook.simulation.venue.queries import VenueQueries


def loss_marks(settings: EngineSettings, ledger: Ledger, queries: VenueQueries) -> tuple[Every, ...]:
    """Return the periodic mark if a limit of losses is set, else nothing."""
    if not has_loss_limits(settings.limits):
        return ()
    return (Every(settings.mark_us, LossWatch(ledger, queries, ZoneInfo(settings.day_zone)).run),)


class LossWatch:
    """Values the account and records the mark; the ledger's rule places the holds."""

    def __init__(self, ledger: Ledger, queries: VenueQueries, zone: ZoneInfo) -> None:
        self._ledger = ledger
        self._queries = queries
        self._zone = zone
        self._books: dict[str, Book] = {}
        """The last known book of each market with a position."""

    def run(self, now_us: int) -> None:
        """Record one mark, unless a position has no known value."""
        view = self._ledger.live_view()
        held = held_markets(view)
        for ticker, market in held.items():
            book = self._book(market)
            if book is not None:
                self._books[ticker] = book
        self._books = {ticker: book for ticker, book in self._books.items() if ticker in held}
        equity = equity_micros(view, self._books)
        if equity is not None:
            profit_micros = equity - view.account.deposits_micros
            self._ledger.apply(MarkEquity(day=trading_day(now_us, self._zone), profit_micros=profit_micros))

    def _book(self, market: MarketView) -> Book | None:
        metadata = self._queries.market(market.ticker)
        if metadata is None:
            return None
        outcome = outcome_book(market, metadata)
        if outcome is not None or not shows_a_book(metadata):
            return outcome
        book: OrderBook = self._queries.book(market.ticker)
        levels = tuple(book.levels(BookSide.BID)), tuple(book.levels(BookSide.ASK))  # a recorded one, without ours
        return levels if is_seen(levels, Source.CAPTURE) else None
