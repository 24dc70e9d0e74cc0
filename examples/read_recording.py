"""Write a recording of three frames, read it back and follow the book's best bid and offer."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from truebook.book.order_book import OrderBook
from truebook.capture.reader import read_capture
from truebook.capture.writer import CaptureWriter
from truebook.kalshi.port import DeltaFrame, SnapshotFrame
from truebook.kalshi.stream.frames import decode_frame
from truebook.messages.envelope import BookSide, Source
from truebook.money import format_price, format_size

START_US = 1_764_000_000_000_000
FRAMES = (
    '{"type":"orderbook_snapshot","sid":1,"seq":1,"msg":{"market_ticker":"RAIN","market_id":"1",'
    '"yes_dollars_fp":[["0.4600","120.00"],["0.4500","300.00"]],"no_dollars_fp":[["0.5200","80.00"]]}}',
    '{"type":"orderbook_delta","sid":1,"seq":2,"msg":{"market_ticker":"RAIN","market_id":"1",'
    '"price_dollars":"0.4700","delta_fp":"25.00","side":"yes"}}',
    '{"type":"orderbook_delta","sid":1,"seq":3,"msg":{"market_ticker":"RAIN","market_id":"1",'
    '"price_dollars":"0.5200","delta_fp":"-80.00","side":"no"}}',
)


def record(folder: Path) -> None:
    with CaptureWriter(folder, source=Source.SIMULATED, hosts=["example"]) as writer:
        for number, text in enumerate(FRAMES):
            writer.add_frame(START_US + number * 1_000_000, 0, text)


def show(folder: Path) -> None:
    """Print the best bid and offer after each frame; a NO bid at p is an offer of YES at $1 − p."""
    book = OrderBook()
    for captured in read_capture(folder):
        match decode_frame(captured.text, captured.at_us, use_yes_price=captured.use_yes_price):
            case SnapshotFrame(bids=bids, asks=asks):
                book.replace(bids, asks)
            case DeltaFrame(book_side=side, price_cc=price_cc, delta_centi=delta_centi):
                book.change_level(side, price_cc, delta_centi)
        print("bid", level(book, BookSide.BID), "offer", level(book, BookSide.ASK))


def level(book: OrderBook, side: BookSide) -> str:
    best = book.best(side)
    return f"{format_size(best[1])} at {format_price(best[0])}" if best else "none"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        show(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            record(Path(scratch) / "recording")
            show(Path(scratch) / "recording")
