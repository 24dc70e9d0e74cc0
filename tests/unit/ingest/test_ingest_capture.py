"""The recorded session of Kalshi's demo, 2,885 deltas of five markets, through ingest's books and sequence."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from support.services import make_context
from truebook.book.replica import BookReplica
from truebook.kalshi.port import DeltaFrame, SnapshotFrame
from truebook.kalshi.stream.frames import decode_frame
from truebook.messages.envelope import BookSide
from truebook.messages.orderbook import BookDelta, BookMessage, BookSnapshot
from truebook_services.ingest.books import FollowedBooks
from truebook_services.ingest.subscription import Subscription

CAPTURES = os.environ.get("TRUEBOOK_CAPTURES")
SESSION = Path(CAPTURES or "") / "ws" / "jfreun123_demo_20260701_session.jsonl"
pytestmark = pytest.mark.skipif(not CAPTURES, reason="TRUEBOOK_CAPTURES is not set: no recorded frames")


def naive_books(lines: list[str]) -> dict[str, dict[tuple[str, Decimal], Decimal]]:
    """Fold the raw frames with dictionaries and decimals, without any code of Truebook."""
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


def test_recorded_deltas_give_readers_the_naive_books() -> None:
    lines = SESSION.read_text().splitlines()
    naive = naive_books(lines)
    published: list[BookMessage] = []
    books = FollowedBooks(make_context("ingest"))
    books.publish_through(published.append, lambda state: None)
    for ticker in naive:
        books.follow(ticker, ticker)
    subscription = Subscription(1, 1)
    verdicts, reasons, deltas = set(), set(), 0
    for line in lines:
        event = decode_frame(line, 0)
        if event is None:
            continue
        if event.sid is not None and event.seq is not None:
            verdicts.add(subscription.take_seq(event.sid, event.seq, line))
        if isinstance(event, SnapshotFrame):
            reasons.add(books.apply_snapshot(event))
        elif isinstance(event, DeltaFrame):
            deltas += 1
            reasons.add(books.apply_delta(event))
    assert (verdicts, reasons, deltas) == ({"next"}, {None}, 2_885)

    replicas: dict[str, BookReplica] = {ticker: BookReplica() for ticker in naive}
    for message in published:
        assert isinstance(message, BookSnapshot | BookDelta)
        assert replicas[message.ticker].apply(message)
    assert {ticker: as_naive(replica) for ticker, replica in replicas.items()} == naive
