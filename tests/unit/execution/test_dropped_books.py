"""The book of a market that is no longer selected is dropped, and stays dropped."""

from __future__ import annotations

import msgspec

from support.samples import samples
from truebook.clock import ManualClock
from truebook.execution.books import Books
from truebook.messages.markets import MarketUpdated
from truebook.messages.orderbook import BookSnapshot, BookStale


def test_the_last_message_of_a_dropped_market_brings_no_book_back() -> None:
    """Topics have no common order: the book's last message may follow the market's."""
    update, snapshot, stale = (
        samples()[name] for name in ("markets.market_updated", "orderbook.book_snapshot", "orderbook.book_stale")
    )
    assert isinstance(update, MarketUpdated) and isinstance(snapshot, BookSnapshot) and isinstance(stale, BookStale)
    books = Books(ManualClock(snapshot.produced_us))
    books.apply(snapshot)
    assert list(books.ages_us()) == [snapshot.ticker]
    books.update_market(msgspec.structs.replace(update, ticker=snapshot.ticker, selected=False))
    books.apply(msgspec.structs.replace(stale, ticker=snapshot.ticker))
    assert books.ages_us() == {}
    assert books.book(snapshot.ticker) is None
    assert not books.is_fresh(snapshot.ticker, 10**9)


def test_nothing_is_kept_of_a_deleted_market() -> None:
    update, snapshot = (samples()[name] for name in ("markets.market_updated", "orderbook.book_snapshot"))
    assert isinstance(update, MarketUpdated) and isinstance(snapshot, BookSnapshot)
    books = Books(ManualClock(snapshot.produced_us))
    books.update_market(msgspec.structs.replace(update, ticker=snapshot.ticker))
    books.apply(snapshot)
    books.drop(snapshot.ticker)
    assert (books.metadata(snapshot.ticker), books.book(snapshot.ticker), books.ages_us()) == (None, None, {})
