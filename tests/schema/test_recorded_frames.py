"""Every recorded WebSocket frame is decoded; the recordings show the exchange behaviour that the code relies on."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from support.recordings import recording
from truebook.capture.market_metadata import capture_metadata
from truebook.capture.reader import CaptureError, read_capture
from truebook.kalshi import port
from truebook.kalshi.stream.frames import decode_frame
from truebook.kalshi.wire import rest_bodies, translate
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import LINEAR_CENT

SESSION = "jfreun123_demo_20260701_session.jsonl"
PERPETUALS = [
    "fortuna_demo_20260612T0225Z_ws__public_orderbook_ticker.jsonl",
    "fortuna_demo_20260612T0405Z_ws__public_orderbook_ticker.jsonl",
    "fortuna_demo_20260612T1245Z_ws__private_lifecycle.jsonl",
]
Levels = dict[tuple[BookSide, int], int]


def events(*parts: str) -> Iterator[port.StreamEvent]:
    for frame in read_capture(recording(*parts)):
        event = decode_frame(frame.text, 0, use_yes_price=frame.use_yes_price)
        assert event is not None
        yield event


def session() -> list[port.StreamEvent]:
    return list(events("ws", SESSION))


def test_the_long_session_is_decoded_frame_by_frame() -> None:
    counts = Counter(type(event).__name__ for event in session())
    assert counts == {"Subscribed": 2, "CommandOk": 4, "SnapshotFrame": 5, "DeltaFrame": 2_885, "FillFrame": 2}


def test_seq_counts_per_subscription_and_ok_consumes_a_number() -> None:
    numbered = [event for event in session() if event.seq is not None]
    assert [event.seq for event in numbered] == list(range(1, 2_895))
    assert {event.sid for event in numbered} == {1}
    assert any(isinstance(event, port.CommandOk) for event in numbered)
    unnumbered = {type(event) for event in session() if event.seq is None}
    assert unnumbered == {port.Subscribed, port.FillFrame}
    assert len({event.ticker for event in numbered if isinstance(event, port.DeltaFrame)}) > 1


def test_repeated_subscribes_merge_and_snapshots_come_in_any_order() -> None:
    order = [
        event.ticker if isinstance(event, port.SnapshotFrame) else len(event.tickers)
        for event in session()
        if isinstance(event, port.SnapshotFrame | port.CommandOk)
    ]
    # Numbers are the merged counts in `ok` frames: a snapshot was received before and after its command's ok.
    assert [item for item in order if isinstance(item, int)] == [2, 3, 4, 5]
    assert order[0] == 2
    assert isinstance(order[1], str)
    assert isinstance(order[-1], str)


def test_replayed_books_are_never_negative_or_crossed() -> None:
    books: dict[str, Levels] = defaultdict(dict)
    fractional = 0
    for event in session():
        if isinstance(event, port.SnapshotFrame):
            books[event.ticker] = {(BookSide.BID, price): size for price, size in event.bids}
            books[event.ticker] |= {(BookSide.ASK, price): size for price, size in event.asks}
        elif isinstance(event, port.DeltaFrame):
            level = (event.book_side, event.price_cc)
            total = books[event.ticker].get(level, 0) + event.delta_centi
            assert total >= 0
            books[event.ticker][level] = total
            fractional += event.delta_centi % 100 != 0
    assert fractional == 479
    for book in books.values():
        bids = [price for (side, price), size in book.items() if side is BookSide.BID and size]
        asks = [price for (side, price), size in book.items() if side is BookSide.ASK and size]
        assert max(bids) < min(asks)


@pytest.mark.parametrize("name", PERPETUALS[:2])
def test_an_amend_shows_as_two_deltas_within_a_millisecond(name: str) -> None:
    # Only the perpetuals' recordings have amends. Between the two deltas the book lacks the order.
    frames = [json.loads(frame.text) for frame in read_capture(recording("perps_ws", name))]
    deltas = [frame["msg"] for frame in frames if frame["type"] == "orderbook_delta"]
    amends = [
        after["ts_ms"] - before["ts_ms"]
        for before, after in pairwise(deltas)
        if before["side"] == after["side"] and before["delta"] == f"-{after['delta']}"
        and before["price"] != after["price"] and after["ts_ms"] - before["ts_ms"] <= 1
    ]  # fmt: skip
    assert len(amends) > 50


def test_own_fills_appear_as_deltas_at_the_complement_price() -> None:
    deltas = [event for event in session() if isinstance(event, port.DeltaFrame)]
    fills = [event.fill for event in session() if isinstance(event, port.FillFrame)]
    for fill in fills:
        taken = [
            delta
            for delta in deltas
            if delta.ticker == fill.ticker and delta.exchange_us == fill.created_us
            and delta.book_side is fill.book_side.other and delta.price_cc == fill.price_cc
            and delta.delta_centi == -fill.size_centi
        ]  # fmt: skip
        assert len(taken) == 1, fill


def test_recorded_taker_fees_are_rounded_up_to_a_hundredth_of_a_cent() -> None:
    for event in session():
        if isinstance(event, port.FillFrame):
            fill = event.fill
            cost = fill.price_cc * fill.size_centi
            exact_e8 = 7 * fill.size_centi * fill.price_cc * (10_000 - fill.price_cc)  # micros times 10^8 / 10^2
            total = -(-(cost * 1_000_000 + exact_e8) // (100 * 1_000_000)) * 100
            assert fill.fee_micros == total - cost


def test_the_two_conventions_of_no_levels_show_the_same_ask() -> None:
    asks = {}
    for name in ("yes", "noleg"):
        (book,) = [
            event
            for event in events("ws", f"fortuna_demo_20260611_ws__orderbook_trade_{name}.jsonl")
            if isinstance(event, port.SnapshotFrame)
        ]
        asks[name] = [price for price, _ in book.asks]
    assert asks == {"yes": [5_200], "noleg": [5_200]}


def test_rest_books_of_the_session_equal_its_snapshots() -> None:
    snapshots = {event.ticker: event for event in session() if isinstance(event, port.SnapshotFrame)}
    compared = 0
    for line in recording("ws", "jfreun123_demo_20260701_rest.jsonl").read_text().splitlines():
        call = json.loads(line)
        if not call["url"].endswith("/orderbook"):
            continue
        ticker = call["url"].split("/")[-2]
        bids, asks = translate.book(msgspec.json.decode(call["response_body"], type=rest_bodies.BookResponse))
        assert (bids, asks) == (snapshots[ticker].bids, snapshots[ticker].asks), ticker
        compared += 1
    assert compared == 5


def test_production_trades_and_tickers_of_early_2026_are_read() -> None:
    trades = list(events("ws", "ssmd_prod_20260212_kalshi_trade.jsonl"))
    assert all(isinstance(event, port.TradeFrame) for event in trades)
    assert len(trades) == 10
    tickers = list(events("ws", "ssmd_prod_20260212_kalshi_ticker.jsonl"))
    assert all(isinstance(event, port.OtherFrame) and event.known and event.seq is None for event in tickers)


@pytest.mark.parametrize("name", PERPETUALS)
def test_the_envelope_of_a_foreign_payload_keeps_its_numbers(name: str) -> None:
    last: dict[int, int] = {}
    for frame in read_capture(recording("perps_ws", name)):
        try:
            event = decode_frame(frame.text, 0)
        except port.FrameError as error:
            sid, seq = error.sid, error.seq
        else:
            assert event is not None
            assert not isinstance(event, port.SnapshotFrame | port.DeltaFrame | port.FillFrame)
            sid, seq = event.sid, event.seq
        fields = json.loads(frame.text)
        assert sid == fields.get("sid", fields["msg"].get("sid"))
        assert seq == fields.get("seq")
        if seq is not None and sid is not None:
            assert seq == last.get(sid, 0) + 1
            last[sid] = seq
    assert last


def test_a_recording_of_rest_calls_is_not_taken_for_frames() -> None:
    with pytest.raises(CaptureError, match=r"line 1: not a WebSocket frame"):
        list(read_capture(recording("ws", "jfreun123_demo_20260701_rest.jsonl")))


def test_a_bare_session_gives_assumed_metadata_of_its_markets() -> None:
    facts = capture_metadata(recording("ws", SESSION))
    assert [one.ticker for one in facts] == [
        "KXBTCD-26JUL0317-T60499.99", "KXBTCD-26JUL0317-T60999.99", "KXNEXTTEAMNBA-26LJAM-CLE",
        "KXNEXTTEAMNBA-26LJAM-GSW", "KXNEXTTEAMNBA-26LJAM-MIA",
    ]  # fmt: skip
    assert all(one.price_ranges == LINEAR_CENT and "price_ranges" in one.assumed for one in facts)


def test_a_cut_session_is_refused_by_name(tmp_path: Path) -> None:
    content = recording("ws", SESSION).read_bytes().rstrip()
    path = tmp_path / "cut.jsonl"
    path.write_bytes(content[:-20])
    with pytest.raises(CaptureError, match="the last line is cut off"):
        list(read_capture(path))
