"""Verify a recording: its checksums, and that its changes lead from each snapshot of a book to the next one.

Every snapshot of a market whose book is known (since an earlier snapshot, without a gap between) is compared with the
book that the changes before it gave. A difference means that changes are missing, repeated or in a wrong order. Two are
expected and counted apart: the first snapshot of a new connection or subscription, since nothing was received between;
and that at a market's close, when the exchange removes all orders and publishes an empty snapshot instead of changes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from truebook.book.order_book import OrderBook
from truebook.capture.event_types import CapturedEvent
from truebook.capture.events import read_events
from truebook.capture.known_books import KnownBooks
from truebook.capture.market_metadata import capture_metadata
from truebook.clock import MICROS
from truebook.kalshi.port import DeltaFrame, LifecycleFrame, SnapshotFrame
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import BEFORE_CLOSE, MarketMetadata

CLOSE_TOLERANCE_US: Final = MICROS
"""A recorder's clock may be this much early."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot that differs from the folded book: the number of levels, and the best level that differs."""

    at_us: int
    levels: int
    book_side: BookSide
    price_cc: int
    folded_centi: int
    snapshot_centi: int


class MarketCheck(msgspec.Struct, kw_only=True):
    """The check of one market. ``invalid`` counts changes that no valid book can have.

    Not compared: ``rebased`` counts the first snapshots of a new connection or subscription, ``cleared`` the empty
    snapshots at or after the close.
    """

    ticker: str
    snapshots: int = 0
    compared: int = 0
    rebased: int = 0
    cleared: int = 0
    different: int = 0
    invalid: int = 0
    first: Difference | None = None
    """The first snapshot that differs."""

    @property
    def is_consistent(self) -> bool:
        return self.different == 0 and self.invalid == 0


def verify(path: Path) -> tuple[MarketCheck, ...]:
    """Check all markets with a book, by ticker; raises ``CaptureError`` for a damaged recording."""
    books = KnownBooks()
    metadata = {one.ticker: one for one in capture_metadata(path)}
    markets: dict[str, _Market] = {}

    def market_of(ticker: str) -> _Market:
        if ticker not in markets:
            markets[ticker] = _Market(ticker, metadata.get(ticker))
        return markets[ticker]

    for captured in read_events(path):
        event = captured.event
        match event:
            case SnapshotFrame(ticker=ticker):
                market_of(ticker).take_snapshot(captured, event, books.get(ticker))
            case DeltaFrame(ticker=ticker):
                market_of(ticker).take_change()
            case LifecycleFrame(ticker=ticker):
                market_of(ticker).take_lifecycle(captured.at_us, event)
        books.apply(event)
    for ticker, count in books.invalid.items():
        market_of(ticker).check.invalid = count
    return tuple(
        market.finish() for _, market in sorted(markets.items()) if market.check.snapshots or market.check.invalid
    )


class _Market:
    """One market's check so far, and its close as far as it is known.

    An empty snapshot that differs is kept in ``_emptied`` until it is clear whether the market closed with it.
    """

    def __init__(self, ticker: str, metadata: MarketMetadata | None) -> None:
        self.check = MarketCheck(ticker=ticker)
        self._close_us = None if metadata is None or "close_us" in metadata.assumed else metadata.close_us
        self._stream: tuple[int, int | None] | None = None
        self._emptied: Difference | None = None

    def take_snapshot(self, captured: CapturedEvent, snapshot: SnapshotFrame, book: OrderBook | None) -> None:
        """Compare a snapshot with the book before it, None where that is unknown."""
        self.check.snapshots += 1
        is_empty = not snapshot.bids and not snapshot.asks
        if not is_empty:
            self._end_emptied(cleared=False)
        last, self._stream = self._stream, (captured.connection, snapshot.sid)
        if is_empty and self._is_closed(captured.at_us):
            self.check.cleared += 1
        elif book is None:
            return
        elif last != self._stream:
            self.check.rebased += 1
        elif (difference := compare(captured.at_us, book, snapshot)) is not None and is_empty:
            self._emptied = difference
        else:
            self._count(difference)

    def take_change(self) -> None:
        """Note that the market is open."""
        if self._emptied is not None:
            self._end_emptied(cleared=False)

    def take_lifecycle(self, at_us: int, event: LifecycleFrame) -> None:
        """Note a close that was moved, or that the market has ended."""
        if event.close_us is not None:
            self._close_us = event.close_us
        is_early_end = _has_ended(event) and (self._close_us is None or at_us < self._close_us)
        if is_early_end:
            self._close_us = at_us
        if self._emptied is not None and (is_early_end or self._is_closed(self._emptied.at_us)):
            self._end_emptied(cleared=True)

    def finish(self) -> MarketCheck:
        """Return the check; without a known close, an empty last snapshot was the close."""
        self._end_emptied(cleared=self._close_us is None)
        return self.check

    def _is_closed(self, at_us: int) -> bool:
        return self._close_us is not None and at_us >= self._close_us - CLOSE_TOLERANCE_US

    def _end_emptied(self, *, cleared: bool) -> None:
        emptied, self._emptied = self._emptied, None
        if emptied is not None and cleared:
            self.check.cleared += 1
        elif emptied is not None:
            self._count(emptied)

    def _count(self, difference: Difference | None) -> None:
        self.check.compared += 1
        if difference is not None:
            self.check.different += 1
            self.check.first = self.check.first or difference


def _has_ended(event: LifecycleFrame) -> bool:
    return event.status is not None and event.status not in BEFORE_CLOSE


def compare(at_us: int, book: OrderBook, snapshot: SnapshotFrame) -> Difference | None:
    """Return how a snapshot differs from a book, None where they are equal."""
    different = [
        (book_side, price_cc)
        for book_side, levels in ((BookSide.BID, dict(snapshot.bids)), (BookSide.ASK, dict(snapshot.asks)))
        for price_cc in sorted(levels.keys() | dict(book.levels(book_side)).keys(), reverse=book_side is BookSide.BID)
        if levels.get(price_cc, 0) != book.size_at(book_side, price_cc)
    ]
    if not different:
        return None
    book_side, price_cc = different[0]
    displayed = dict(snapshot.bids if book_side is BookSide.BID else snapshot.asks)
    return Difference(
        at_us=at_us, levels=len(different), book_side=book_side, price_cc=price_cc,
        folded_centi=book.size_at(book_side, price_cc), snapshot_centi=displayed.get(price_cc, 0),
    )  # fmt: skip
