"""What is known of a recording's markets when a window of it begins: their books, and their life cycle so far."""

from __future__ import annotations

from collections.abc import Iterator

from truebook.backtest.engine.venue import Recorded
from truebook.book.order_book import BookError, OrderBook
from truebook.capture.event_types import BookGap
from truebook.kalshi.port import DeltaFrame, LifecycleFrame, SnapshotFrame
from truebook.messages.envelope import BookSide


class KnownBefore:
    """Folds the events before a window. An inconsistent book is unknown until its next snapshot."""

    def __init__(self) -> None:
        self._books: dict[str, OrderBook] = {}
        self._lifecycle: list[LifecycleFrame] = []

    def add(self, event: Recorded) -> None:
        """Apply one event, in the order of the recording."""
        books = self._books
        match event:
            case SnapshotFrame():
                try:
                    books[event.ticker] = OrderBook(event.bids, event.asks)
                except BookError:
                    books.pop(event.ticker, None)
            case DeltaFrame() if event.ticker in books:
                try:
                    books[event.ticker].change_level(event.book_side, event.price_cc, event.delta_centi)
                except BookError:
                    del books[event.ticker]
            case LifecycleFrame():
                self._lifecycle.append(event)
            case BookGap():
                for ticker in event.tickers:
                    books.pop(ticker, None)
            case _:
                pass

    def events(self) -> Iterator[Recorded]:
        """Yield events that lead to what is known: pauses, closes and grids of before, then each book."""
        yield from self._lifecycle
        for ticker, book in sorted(self._books.items()):
            yield from _whole_book(ticker, book)


def _whole_book(ticker: str, book: OrderBook) -> Iterator[Recorded]:
    """Yield a book as a snapshot. A crossed one is no valid snapshot: its asks follow as changes."""
    bids, asks = book.levels(BookSide.BID), book.levels(BookSide.ASK)
    is_crossed = book.is_crossed()
    yield SnapshotFrame(
        sid=None, seq=None, received_us=0, ticker=ticker, bids=tuple(bids), asks=() if is_crossed else tuple(asks),
        exchange_us=None,
    )  # fmt: skip
    for price_cc, size_centi in asks if is_crossed else ():
        yield DeltaFrame(
            sid=None, seq=None, received_us=0, ticker=ticker, book_side=BookSide.ASK, price_cc=price_cc,
            delta_centi=size_centi, exchange_us=None,
        )  # fmt: skip
