"""The recorded session of Kalshi's demo, 2,885 deltas of five markets, through ingest's books and sequence."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from support.fakes_market import context
from truebook.book.replica import BookReplica
from truebook.kalshi.frames import decode_frame
from truebook.kalshi.port import DeltaFrame, SnapshotFrame
from truebook.messages.envelope import BookSide
from truebook.messages.orderbook import BookDelta, BookMessage, BookSnapshot
from truebook_services.ingest.books import FollowedBooks
from truebook_services.ingest.subscription import Subscription

CAPTURES = os.environ.get("TRUEBOOK_CAPTURES")
SESSION = Path(CAPTURES or "") / "ws" / "jfreun123_demo_20260701_session.jsonl"
pytestmark = pytest.mark.skipif(not CAPTURES, reason="TRUEBOOK_CAPTURES is not set: no recorded frames")


def naive_books(lines: list[str]) -> dict[str, dict[tuple[str, Decimal], Decimal]]:
    """Fold the raw frames with dictionaries and decimals, knowing nothing of Truebook."""
    books: dict[str, dict[tuple[str, Decimal], Decimal]] = {}
    for frame in (json.loads(line) for line in lines if line.strip()):
        message = frame.get("msg", {})
        if frame["type"] == "orderbook_snapshot":
            book = books[message["market_ticker"]] = {}
            for side in ("yes", "no"):
                for price, size in message.get(f"{side}_dollars_fp", []):
                    book[side, Decimal(price)] = Decimal(size)
        elif frame["type"] == "orderbook_delta":
            level = message["side"], Decimal(message["price_dollars"])
            book = books[message["market_ticker"]]
            book[level] = book.get(level, Decimal(0)) + Decimal(message["delta_fp"])
    return {ticker: {level: size for level, size in book.items() if size} for ticker, book in books.items()}


def as_naive(replica: BookReplica) -> dict[tuple[str, Decimal], Decimal]:
    bids = {("yes", Decimal(p) / 10_000): Decimal(s) / 100 for p, s in replica.book.levels(BookSide.BID)}
    asks = {("no", 1 - Decimal(p) / 10_000): Decimal(s) / 100 for p, s in replica.book.levels(BookSide.ASK)}
    return bids | asks


def test_every_recorded_delta_is_applied_without_a_gap_and_readers_end_with_the_naive_books() -> None:
    lines = SESSION.read_text().splitlines()
    naive = naive_books(lines)
    published: list[BookMessage] = []
    books = FollowedBooks(context("ingest"))
    books.publish_through(published.append)
    for ticker in naive:
        books.follow(ticker, ticker)
    subscription = Subscription(1, 1)
    verdicts, trouble, deltas = set(), set(), 0
    for line in lines:
        event = decode_frame(line, 0)
        if event is None:
            continue
        if event.sid is not None and event.seq is not None:
            verdicts.add(subscription.take_seq(event.sid, event.seq))
        if isinstance(event, SnapshotFrame):
            trouble.add(books.take_snapshot(event))
        elif isinstance(event, DeltaFrame):
            deltas += 1
            trouble.add(books.take_delta(event))
    assert (verdicts, trouble, deltas) == ({"next"}, {None}, 2_885)

    replicas: dict[str, BookReplica] = {ticker: BookReplica() for ticker in naive}
    for message in published:
        assert isinstance(message, BookSnapshot | BookDelta)
        assert replicas[message.ticker].apply(message)
    assert {ticker: as_naive(replica) for ticker, replica in replicas.items()} == naive
