"""A real recording as the market: its books are reproduced, and fills are by recorded size only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.simulated_exchange import ASK, BID, of_kind, request
from truebook.book.order_book import OrderBook
from truebook.capture.reader import read_capture
from truebook.kalshi.port import DeltaFrame, SnapshotFrame
from truebook.kalshi.stream.frames import decode_frame
from truebook.messages.market_metadata import LINEAR_CENT
from truebook.simulation.events import Basis, Filled
from truebook.simulation.recorded.replay import MarketReplay

CAPTURES = os.environ.get("TRUEBOOK_CAPTURES")
SESSION = "ws/jfreun123_demo_20260701_session.jsonl"

pytestmark = pytest.mark.skipif(not CAPTURES, reason="TRUEBOOK_CAPTURES is not set: no recorded exchange data here")


def test_a_recorded_session_fills_resting_orders_by_crosses() -> None:
    """The session has no trades: a resting order is filled only where the recorded book strictly crosses it."""
    replay = MarketReplay(1)
    venue = replay.exchange
    venue.open_account("alice", 1_000_000_000_000)
    books: dict[str, OrderBook] = {}
    fills: list[Filled] = []
    deltas = 0
    for captured in read_capture(Path(CAPTURES or "") / SESSION):
        frame = decode_frame(captured.text, captured.at_us, use_yes_price=captured.use_yes_price)
        if not isinstance(frame, SnapshotFrame | DeltaFrame):
            continue
        ticker = frame.ticker
        first_seen = ticker not in books
        if isinstance(frame, SnapshotFrame):
            fills += of_kind(replay.snapshot(ticker, frame.bids, frame.asks, captured.at_us), Filled)
            books[ticker] = OrderBook(frame.bids, frame.asks)
        else:
            deltas += 1
            changes = replay.delta(ticker, frame.book_side, frame.price_cc, frame.delta_centi, captured.at_us)
            fills += of_kind(changes, Filled)
            books[ticker].change_level(frame.book_side, frame.price_cc, frame.delta_centi)
        assert venue.queries.book(ticker) == books[ticker]
        if not (first_seen or deltas % 200 == 0):
            continue
        for side in (BID, ASK):
            best = books[ticker].best(side)
            if best is not None:
                _, events = venue.place("alice", request(side, best[0], 500, ticker), captured.at_us)
                assert of_kind(events, Filled) == [], "an order at its own side's best price takes nothing"
    assert deltas == 2_885
    assert len(books) == 5
    assert all(one.basis is Basis.BOOK_CROSS and not one.fill.is_taker for one in fills)
    assert all(market.assumed and market.price_ranges == LINEAR_CENT for market in venue.queries.markets())
