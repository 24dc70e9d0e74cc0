"""Capture format 2 and the columns: the same events as the frames that they were made of."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from support.recordings import recording
from truebook.capture.columnar.writer import DAY_US, ColumnarWriter
from truebook.capture.columns import Columns, Kind, Side, read_columns, tickers
from truebook.capture.events import BookGap, CapturedEvent, SkippedFrame, SkipReason, decode_events, read_events
from truebook.capture.manifest import CaptureError, read_manifest
from truebook.capture.market_metadata import assume_metadata
from truebook.capture.reader import CapturedFrame, read_capture
from truebook.capture.rows import events_of, rows_of
from truebook.kalshi.port import DeltaFrame, LifecycleFrame, OtherFrame, SnapshotFrame, TradeFrame
from truebook.messages.envelope import BookSide, Source

START_US = 1_764_028_800_000_000
"""The first microsecond of a day (UTC)."""
A, B = "KXREC-26NOV24-T50", "KXREC-26NOV24-T60"


def frame(at_us: int, kind: str, sid: int | None, seq: int | None, ticker: str = A, **message: Any) -> CapturedFrame:
    text = json.dumps({"type": kind, "sid": sid, "seq": seq, "msg": {"market_ticker": ticker, **message}})
    return CapturedFrame(START_US + at_us, 0, text)


def book(at_us: int, seq: int, ticker: str = A, **levels: Any) -> CapturedFrame:
    sides = levels or {"yes_dollars_fp": [["0.4900", "5.00"], ["0.5000", "10.00"]], "no_dollars_fp": [["0.47", "1.50"]]}
    return frame(at_us, "orderbook_snapshot", 1, seq, ticker, **sides)


def delta(at_us: int, seq: int, ticker: str = A, size: str = "1.00", side: str = "yes") -> CapturedFrame:
    price = "0.5000" if side == "yes" else "0.4700"
    change = {"price_dollars": price, "delta_fp": size, "side": side, "ts_ms": (START_US + at_us) // 1000}
    return frame(at_us, "orderbook_delta", 1, seq, ticker, **change)


def trade(at_us: int, trade_id: str, *, block: bool = False) -> CapturedFrame:
    return frame(
        at_us, "trade", 2, None, trade_id=trade_id, yes_price_dollars="0.4900", count_fp="4.00",
        taker_book_side="ask", is_block_trade=block, ts_ms=START_US // 1000,
    )  # fmt: skip


FRAMES = [
    frame(0, "subscribed", 1, None, channel="orderbook_delta"),
    book(1000, 1),
    book(1500, 2, B, yes_dollars_fp=[], no_dollars_fp=[]),
    delta(2000, 3),
    trade(2100, "t-1"),
    trade(2200, "t-1"),
    trade(2300, "t-2", block=True),
    frame(2400, "market_lifecycle_v2", 3, None, event_type="determined", result="yes", settlement_value="1.0000"),
    frame(2500, "orderbook_delta", 1, 4, price_dollars="1.2000", delta_fp="1.00", side="yes"),
    delta(3000, 9, side="no", size="-1.00"),
    delta(3100, 10),
    book(DAY_US + 1000, 11),
]
"""A gap before the change with the number 9 (the invalid frame used one), and a snapshot on the next day."""


def written(folder: Path, events: Iterable[CapturedEvent], frames: Iterable[CapturedFrame], **options: Any) -> Path:
    with ColumnarWriter(folder, source=Source.CAPTURE, imported_from="test", **options) as writer:
        for event in events:
            writer.add(event)
        writer.finish(assume_metadata(frames))
    return folder


def stored(captured: CapturedEvent) -> CapturedEvent:
    """Drop what format 2 does not store."""
    event = captured.event
    match event:
        case DeltaFrame():
            event = msgspec.structs.replace(event, seq=None, sent_us=None, client_order_id=None)
        case SnapshotFrame() | TradeFrame() | LifecycleFrame():
            event = msgspec.structs.replace(event, seq=None, sent_us=None)
        case BookGap() | SkippedFrame():
            pass
        case _:
            event = OtherFrame(sid=event.sid, seq=None, received_us=captured.at_us, type="", known=True)
    return msgspec.structs.replace(captured, event=event)


def nameless(captured: CapturedEvent) -> CapturedEvent:
    event = captured.event
    return msgspec.structs.replace(captured, event=msgspec.structs.replace(event, type="")) if isinstance(
        event, OtherFrame
    ) else captured  # fmt: skip


def test_events_of_format_2_are_those_of_the_frames(tmp_path: Path) -> None:
    events = list(decode_events(FRAMES))
    folder = written(tmp_path / "r", events, FRAMES)
    assert [nameless(one) for one in read_events(folder)] == [stored(one) for one in events]
    assert sorted(read_manifest(folder).files) == [
        "events-2025-11-25.parquet", "events-2025-11-26.parquet", "markets.jsonl",
    ]  # fmt: skip


def test_events_state_gaps_and_frames_that_are_not_applied() -> None:
    events = [one.event for one in decode_events(FRAMES)]
    assert [one.tickers for one in events if isinstance(one, BookGap)] == [(A, B)]
    assert [one.reason for one in events if isinstance(one, SkippedFrame)] == [
        SkipReason.DUPLICATE_TRADE, SkipReason.INVALID, SkipReason.NOT_FOLLOWED, SkipReason.NOT_FOLLOWED,
    ]  # fmt: skip


COLUMNS = [
    (Kind.OTHER, -1, Side.NONE, 0, 0),
    (Kind.SNAPSHOT, 0, Side.NONE, 0, 3),
    (Kind.LEVEL, 0, Side.BID, 5_000, 1_000),
    (Kind.LEVEL, 0, Side.BID, 4_900, 500),
    (Kind.LEVEL, 0, Side.ASK, 5_300, 150),
    (Kind.SNAPSHOT, 1, Side.NONE, 0, 0),
    (Kind.DELTA, 0, Side.BID, 5_000, 100),
    (Kind.TRADE, 0, Side.ASK, 4_900, 400),
    (Kind.SKIPPED, -1, Side.NONE, 0, 0),
    (Kind.BLOCK_TRADE, 0, Side.ASK, 4_900, 400),
    (Kind.LIFECYCLE, 0, Side.NONE, 0, 0),
    (Kind.SKIPPED, -1, Side.NONE, 0, 0),
    (Kind.GAP, 0, Side.NONE, 0, 0),
    (Kind.GAP, 1, Side.NONE, 0, 0),
    (Kind.SKIPPED, -1, Side.NONE, 0, 0),
    (Kind.SKIPPED, -1, Side.NONE, 0, 0),
    (Kind.SNAPSHOT, 0, Side.NONE, 0, 3),
    (Kind.LEVEL, 0, Side.BID, 5_000, 1_000),
    (Kind.LEVEL, 0, Side.BID, 4_900, 500),
    (Kind.LEVEL, 0, Side.ASK, 5_300, 150),
]


def rows(chunks: Iterable[Columns]) -> list[tuple[int, ...]]:
    return [
        row
        for one in chunks
        for row in zip(
            *(array.tolist() for array in (one.kind, one.market, one.side, one.price_cc, one.size_centi)), strict=True
        )
    ]


@pytest.mark.parametrize("chunk_rows", [1, 3, 1_000])
@pytest.mark.parametrize("columnar", [True, False])
def test_columns_are_equal_for_each_format(tmp_path: Path, chunk_rows: int, columnar: bool) -> None:
    path = tmp_path / "bare.jsonl"
    path.write_text("\n".join(one.text for one in FRAMES))
    if columnar:
        path = written(tmp_path / "r", decode_events(FRAMES), FRAMES, row_group_rows=4)
    chunks = list(read_columns(path, chunk_rows))
    assert tickers(path) == (A, B)
    assert rows(chunks) == COLUMNS
    assert all(one.kind[0] != Kind.LEVEL for one in chunks), "a chunk begins with an event"
    (outcome,) = [frame for one in chunks for frame in one.lifecycle.values()]
    assert (outcome.ticker, outcome.settlement_cc) == (A, 10_000)
    assert {one.at_us.dtype.name for one in chunks} == {"int64"}
    assert {one.market.dtype.name for one in chunks} == {"int32"}


def test_a_failed_writer_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), ColumnarWriter(tmp_path / "r", source=Source.CAPTURE, imported_from="test") as writer:
        for event in decode_events(FRAMES):
            writer.add(event)
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda folder: damage(folder / "events-2025-11-25.parquet"), "changed since", id="a damaged file"),
        pytest.param(lambda folder: (folder / "events-2025-11-25.parquet").unlink(), "cannot be read", id="missing"),
        pytest.param(lambda folder: (folder / "events-2025-01-01.parquet").touch(), "not listed", id="unlisted"),
        pytest.param(
            lambda folder: (folder / "manifest.json").write_text('{"format": 3}'), "capture format 3", id="newer"
        ),
    ],
)
def test_a_changed_folder_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    folder = written(tmp_path / "r", decode_events(FRAMES), FRAMES)
    change(folder)
    with pytest.raises(CaptureError, match=message):
        list(read_events(folder))
    with pytest.raises(CaptureError, match=message):
        list(read_columns(folder))


def test_format_2_has_no_raw_frames(tmp_path: Path) -> None:
    folder = written(tmp_path / "r", decode_events(FRAMES), FRAMES)
    with pytest.raises(CaptureError, match="has no raw frames"):
        list(read_capture(folder))


def event_of(kind: str, number: int, sid: int | None) -> CapturedEvent:
    """Make an event whose fields differ with the number."""
    at_us = START_US + number
    common: dict[str, Any] = {"sid": sid, "seq": None, "received_us": at_us, "ticker": (A, B)[number % 2]}
    side = (BookSide.BID, BookSide.ASK)[number // 2 % 2]
    price_cc, size_centi = number % 9_999 + 1, number % 10**9 + 1
    event: Any
    match kind:
        case "delta":
            event = DeltaFrame(
                **common, book_side=side, price_cc=price_cc, delta_centi=size_centi - 5 * 10**8,
                exchange_us=at_us - 5 if number % 3 else None,
            )  # fmt: skip
        case "snapshot":
            levels = tuple((price_cc + step, size_centi) for step in range(number % 4))
            event = SnapshotFrame(**common, bids=levels, asks=levels[1:], exchange_us=None)
        case "trade":
            event = TradeFrame(
                **common, trade_id=f"t-{number}", price_cc=price_cc, size_centi=size_centi, taker_side=side,
                exchange_us=at_us, block=number % 3 == 0,
            )  # fmt: skip
        case "gap":
            event = BookGap((A, B)[: number % 3], sid)
        case _:
            event = SkippedFrame(list(SkipReason)[number % len(SkipReason)], "price: '1.2'" if number % 2 else "")
    return CapturedEvent(at_us, number % 3, event)


KINDS = st.sampled_from(["delta", "snapshot", "trade", "gap", "skipped"])


@given(st.lists(st.tuples(KINDS, st.integers(0, 3 * DAY_US), st.none() | st.integers(0, 99)), max_size=8))
def test_rows_give_back_any_event(drawn: list[tuple[str, int, int | None]]) -> None:
    events = [event_of(*each) for each in drawn]
    gaps_are_apart = all(a.at_us != b.at_us for a, b in itertools.pairwise(events) if isinstance(b.event, BookGap))
    assume(gaps_are_apart)
    assert list(events_of(row for one in events for row in rows_of(one))) == events


def test_a_recorded_session_is_equal_in_format_2(tmp_path: Path) -> None:
    path = recording("ws", "jfreun123_demo_20260701_session.jsonl")
    folder = written(tmp_path / "r", read_events(path), read_capture(path), row_group_rows=500)
    assert [nameless(one) for one in read_events(folder)] == [stored(one) for one in read_events(path)]
    first, second = (list(read_columns(each, 700)) for each in (path, folder))
    for name in ("at_us", "exchange_us", "market", "kind", "side", "price_cc", "size_centi"):
        np.testing.assert_array_equal(
            np.concatenate([getattr(one, name) for one in first]),
            np.concatenate([getattr(one, name) for one in second]),
        )
