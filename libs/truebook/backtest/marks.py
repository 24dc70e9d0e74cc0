"""The value of a pass's account at its own time, by the books that were known then."""

from __future__ import annotations

from truebook.backtest.engine.market_data import MarketData
from truebook.book.order_book import OrderBook
from truebook.ledger.port import LedgerView
from truebook.ledger.rules.ledger import Ledger
from truebook.ledger.valuation import Books
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import BEFORE_CLOSE
from truebook.observation.portfolio import sale_micros


def known_book(data: MarketData, ticker: str) -> OrderBook | None:
    """Return the book that values a position: a fresh one, with any level, of a market that has not closed.

    After a gap in the recording a book is empty until its next snapshot: it is not known.
    """
    known = data.markets.get(ticker)
    if known is None or known.stale is not None or known.metadata is None:
        return None
    book = known.replica.book
    return book if known.metadata.status in BEFORE_CLOSE and book.summary()[:2] != (None, None) else None


def known_books(data: MarketData, view: LedgerView) -> Books:
    """Return the known books of the view's markets as (bids, asks)."""
    found = {}
    for market in view.markets:
        book = known_book(data, market.ticker)
        if book is not None:
            found[market.ticker] = (book.levels(BookSide.BID), book.levels(BookSide.ASK))
    return found


def equity_micros(ledger: Ledger, data: MarketData) -> int | None:
    """Return ``account_values(...).equity_micros`` without the other values: it is read after each step in training.

    None where a position has no known value.
    """
    state = ledger.state
    total = state.totals.net_micros + state.totals.reserved_micros + state.totals.in_transit_micros
    for market in state.markets.values():
        if market.position_centi and market.settlement_cc is None:
            book = known_book(data, market.ticker)
            if book is None:
                return None
            total += sale_micros(market.position_centi, book)
    return total
