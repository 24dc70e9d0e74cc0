"""The books of a recording while its events are applied: a book is known from its snapshot to the next gap."""

from __future__ import annotations

from truebook.book.order_book import BookError, OrderBook
from truebook.capture.event_types import BookGap, SkippedFrame
from truebook.kalshi.port import DeltaFrame, SnapshotFrame, StreamEvent
from truebook.messages.envelope import BookSide


class KnownBooks:
    """The known books by ticker. A change that no valid book can have makes its book unknown, and is counted."""

    def __init__(self) -> None:
        self.invalid: dict[str, int] = {}
        self._books: dict[str, OrderBook] = {}

    def get(self, ticker: str) -> OrderBook | None:
        """Return a market's book, None where it is unknown."""
        return self._books.get(ticker)

    def apply(self, event: StreamEvent | BookGap | SkippedFrame) -> None:
        """Apply one event; those without a book change nothing."""
        match event:
            case DeltaFrame(ticker=ticker):
                book = self._books.get(ticker)
                if book is not None:
                    try:
                        book.change_level(event.book_side, event.price_cc, event.delta_centi)
                    except BookError:
                        self._invalidate(ticker)
            case SnapshotFrame(ticker=ticker):
                try:
                    self._books[ticker] = OrderBook(event.bids, event.asks)
                except BookError:
                    self._invalidate(ticker)
            case BookGap(tickers=tickers):
                for ticker in tickers:
                    self._books.pop(ticker, None)

    def _invalidate(self, ticker: str) -> None:
        self._books.pop(ticker, None)
        self.invalid[ticker] = self.invalid.get(ticker, 0) + 1


def spread_cc(book: OrderBook | None) -> int | None:
    """Return best ask less best bid, None where a side is empty or the book is unknown."""
    if book is None:
        return None
    bid, ask = book.best(BookSide.BID), book.best(BookSide.ASK)
    return None if bid is None or ask is None else ask[0] - bid[0]
