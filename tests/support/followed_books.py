"""Ingest's books with what they publish, and frames for them."""

from __future__ import annotations

from typing import Any

from support.services import make_context
from truebook.book.replica import BookReplica
from truebook.clock import ManualClock
from truebook.kalshi.port import DeltaFrame, SnapshotFrame
from truebook.messages.book_states import BookState
from truebook.messages.envelope import BookSide
from truebook.messages.orderbook import BookMessage
from truebook_services.ingest.books import FollowedBooks


def snapshot(ticker: str = "A", bids: Any = ((4_000, 100),), asks: Any = ((4_400, 100),)) -> SnapshotFrame:
    return SnapshotFrame(sid=1, seq=1, received_us=7, ticker=ticker, bids=bids, asks=asks, exchange_us=None)


def delta(ticker: str, side: BookSide, price_cc: int, delta_centi: int) -> DeltaFrame:
    return DeltaFrame(
        sid=1, seq=1, received_us=9, ticker=ticker, book_side=side, price_cc=price_cc, delta_centi=delta_centi,
        exchange_us=5,
    )  # fmt: skip


class BooksHarness:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.published: list[BookMessage] = []
        self.states: list[BookState] = []
        self.context = make_context("ingest", clock=self.clock)
        self.books = FollowedBooks(self.context)
        self.books.publish_through(self.published.append, self.states.append)
        self.books.follow("A", "E")

    def replica(self) -> BookReplica:
        replica = BookReplica()
        for message in self.published:
            replica.apply(message)  # type: ignore[arg-type]
        return replica
