"""Blocks of consecutive changes: together with the single events they are what ``read_events`` gives, in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from truebook.capture import delta_block
from truebook.capture.columnar import reader
from truebook.capture.columnar.writer import ColumnarWriter
from truebook.capture.delta_block import MIN_ROWS, DeltaBlock
from truebook.capture.event_types import BookGap, CapturedEvent
from truebook.capture.events import read_blocks, read_events
from truebook.kalshi.port import DeltaFrame, SnapshotFrame, TradeFrame
from truebook.messages.envelope import BookSide, Source

START_US = 1_764_028_800_000_000
A, B = "KXREC-26NOV24-T50", "KXREC-26NOV24-T60"


def changes(ticker: str, count: int, *, first: int = 0) -> Iterator[CapturedEvent]:
    for number in range(first, first + count):
        at_us = START_US + number // 2
        side = BookSide.BID if number % 3 else BookSide.ASK
        event = DeltaFrame(
            sid=None, seq=None, received_us=at_us, ticker=ticker, book_side=side, price_cc=5_000 + number,
            delta_centi=(number % 5 - 2) * 100, exchange_us=None,
        )  # fmt: skip
        yield CapturedEvent(at_us, 0, event)


def snapshot(ticker: str) -> CapturedEvent:
    frame = SnapshotFrame(
        sid=None, seq=None, received_us=START_US, ticker=ticker, bids=((4_000, 100), (3_000, 50)), asks=((6_000, 7),),
        exchange_us=None,
    )  # fmt: skip
    return CapturedEvent(START_US, 0, frame)


def trade() -> CapturedEvent:
    frame = TradeFrame(
        sid=None, seq=None, received_us=START_US + 900, ticker=A, trade_id="t1", price_cc=5_000, size_centi=100,
        taker_side=BookSide.BID, exchange_us=START_US, block=False,
    )  # fmt: skip
    return CapturedEvent(START_US + 900, 0, frame)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    few = MIN_ROWS - 1
    with ColumnarWriter(tmp_path / "made", source=Source.CAPTURE, imported_from="test") as writer:
        for event in (
            snapshot(A), snapshot(B), *changes(A, few), *changes(B, few, first=10), *changes(A, 40, first=20),
            *changes(B, MIN_ROWS, first=70), trade(), CapturedEvent(START_US + 900, 0, BookGap((A, B))),
            *changes(A, few, first=1_900), *changes(B, 30, first=1_910),
        ):  # fmt: skip
            writer.add(event)
        writer.finish(())
    return tmp_path / "made"


def test_blocks_and_single_events_are_the_recorded_ones(recorded: Path) -> None:
    found, lengths = [], []
    for one in read_blocks(recorded):
        if isinstance(one, DeltaBlock):
            lengths.append((one.ticker, len(one)))
            found += list(one.events())
        else:
            found.append(one)
    assert found == list(read_events(recorded))
    assert lengths == [(A, 40), (B, MIN_ROWS), (B, 30)]


def test_a_block_has_the_levels_that_grew(recorded: Path) -> None:
    blocks = [one for one in read_blocks(recorded) if isinstance(one, DeltaBlock)]
    for block in blocks:
        for number in range(len(block)):
            frame = block.frame(number)
            is_bid, grew = frame.book_side is BookSide.BID, frame.delta_centi > 0
            assert block.grown_bid_cc[number] == (frame.price_cc if is_bid and grew else 0)
            assert block.grown_ask_cc[number] == (-frame.price_cc if grew and not is_bid else -10_000)


def test_a_long_block_is_divided(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_ROWS", 16)
    lengths = [len(one) for one in read_blocks(recorded) if isinstance(one, DeltaBlock)]
    assert lengths == [16, 16, 8, 8, 16, 14]
    assert delta_block.MAX_ROWS > 16
