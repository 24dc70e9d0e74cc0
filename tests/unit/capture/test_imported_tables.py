"""Tables: several tickers in a file, outcomes without markets, assumed sides, files of other formats beside them."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from support.recorded_data import (
    EVENTS,
    SESSION,
    T,
    content,
    kalshieye_book,
    kalshieye_trades,
    predictiondata_book,
    predictiondata_trades,
    text,
    write_csv,
    write_kalshieye,
    write_parquet,
    write_wrapped,
)
from support.refused_imports import refused
from truebook.capture.event_types import SkippedFrame, SkipReason
from truebook.capture.events import read_events
from truebook.capture.importers.importing import import_data
from truebook.capture.importers.source import DataFormat
from truebook.capture.market_metadata import capture_metadata
from truebook.kalshi.port import DeltaFrame, SnapshotFrame, TradeFrame
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketStatus, PriceRange

OTHER = "KXREC-26NOV24-T3.25"
NAMES = ("ticker", "created_time", "count", "yes_price", "taker_side")


def trades_of(folder: Path) -> list[TradeFrame]:
    return [one.event for one in read_events(folder) if isinstance(one.event, TradeFrame)]


def test_two_markets_in_a_file_have_their_own_sizes(tmp_path: Path) -> None:
    rows = [{**row, "ticker": ticker} for row in predictiondata_book() for ticker in (T, OTHER)]
    import_data(write_parquet(tmp_path / "in" / "complete.parquet", rows).parent, tmp_path / "out")
    events = [one for one in read_events(tmp_path / "out") if isinstance(one.event, DeltaFrame | SnapshotFrame)]
    for ticker in (T, OTHER):
        found = [content(one.at_us, one.event) for one in events if getattr(one.event, "ticker", "") == ticker]
        assert found == [one for one in EVENTS if one[0] != "trade"]


def test_a_ticker_with_a_dot_is_a_market_of_its_own(tmp_path: Path) -> None:
    for ticker in (OTHER, OTHER.replace(".25", ".75")):
        rows = [{**row, "ticker": ticker} for row in predictiondata_book()]
        write_parquet(tmp_path / "in" / f"{ticker}_2025-11-25.parquet", rows)
    assert import_data(tmp_path / "in", tmp_path / "out").markets == 2


def test_outcomes_without_markets_are_kept(tmp_path: Path) -> None:
    shutil.rmtree(write_kalshieye(tmp_path / "in") / "markets")
    import_data(tmp_path / "in", tmp_path / "out")
    (market,) = capture_metadata(tmp_path / "out")
    assert (market.settlement_cc, market.status, "status" in market.assumed) == (10_000, MarketStatus.FINALIZED, False)
    assert "close_us" in market.assumed


def test_an_assumed_grid_contains_the_prices(tmp_path: Path) -> None:
    root = write_kalshieye(tmp_path / "in")
    path = next((root / "book_l2").rglob("*.parquet"))
    write_parquet(path, [{**row, "price": 0.513 if row["price"] == 0.51 else row["price"]} for row in kalshieye_book()])
    import_data(root, tmp_path / "out")
    (market,) = capture_metadata(tmp_path / "out")
    assert (market.price_ranges, market.volume_centi) == ((PriceRange(0, 10_000, 10),), 0)


def test_a_trade_in_another_place_counts_once(tmp_path: Path) -> None:
    first = kalshieye_trades()[0]
    write_parquet(tmp_path / "in" / "trades.parquet", [first, {**first, "trade_id": "t-2"}, first])
    import_data(tmp_path / "in", tmp_path / "out")
    assert [one.trade_id for one in trades_of(tmp_path / "out")] == ["t-1", "t-2"]
    skipped = [one.event.reason for one in read_events(tmp_path / "out") if isinstance(one.event, SkippedFrame)]
    assert skipped == [SkipReason.DUPLICATE_TRADE]


ROWS: Sequence[tuple[str, list[dict[str, Any]], str]] = [
    ("text", [{**one, "is_snapshot": "False"} for one in kalshieye_book()], "row 1: is_snapshot: 'False' is neither"),
    ("level", [kalshieye_book()[0], {**kalshieye_book()[1], "size": -1.0}], "row 2: size: -1.0 is below zero"),
    ("trade", [{**kalshieye_trades()[0], "size": -1.0}], "row 1: size: -1.0 is not above zero"),
    ("zero", [{**predictiondata_trades()[0], "quantity": 0.0}], "row 1: quantity: 0.0 is not above zero"),
    ("sizes", [{**predictiondata_book()[1], "snapshot_bid_sizes": "-1"}], "row 1: snapshot_bid_sizes: -1 is below"),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "message"), [pytest.param(*each[1:], id=each[0]) for each in ROWS])
def test_a_wrong_value_is_named(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    refused(write_parquet(tmp_path / "in" / "a.parquet", rows).parent, tmp_path / "out", f"a.parquet, {message}")


def test_a_strike_that_is_no_number_is_named(tmp_path: Path) -> None:
    market = {"ticker": T, "floor_strike": "high", "open_time": kalshieye_book()[0]["ts_recv"]}
    root = write_kalshieye(tmp_path / "in")
    write_parquet(root / "markets" / "markets.parquet", [{**market, "close_time": market["open_time"]}])
    refused(root, tmp_path / "out", "markets.parquet, row 1: floor_strike: not a number: 'high'")


def test_an_empty_side_of_a_trade_is_assumed(tmp_path: Path) -> None:
    rows = [(T, "2025-11-25T00:00:03Z", 2, 64, "no"), (OTHER, "2025-11-25T00:00:04Z", 2, 64, "")]
    import_data(write_csv(tmp_path / "trades.csv", NAMES, rows), tmp_path / "out")
    assert [one.taker_side for one in trades_of(tmp_path / "out")] == [BookSide.ASK, BookSide.BID]
    assumed = {one.ticker: "taker_side" in one.assumed for one in capture_metadata(tmp_path / "out")}
    assert assumed == {T: False, OTHER: True}


def test_trades_of_two_files_have_different_ids(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_csv(tmp_path / "in" / f"{name}.csv", NAMES, [(T, "2025-11-25T00:00:03Z", 2, 64, "no")])
    import_data(tmp_path / "in", tmp_path / "out")
    assert [one.trade_id for one in trades_of(tmp_path / "out")] == ["a.csv-1", "b.csv-1"]


def test_a_byte_order_mark_is_not_part_of_a_name(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "trades.csv", NAMES, [(T, "2025-11-25T00:00:03Z", 2, 64, "no")])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert import_data(path, tmp_path / "out").data_format is DataFormat.TRADES
    assert [one.ticker for one in trades_of(tmp_path / "out")] == [T]


def test_a_stray_quote_is_named(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "trades.csv", NAMES, [(T, "2025-11-25T00:00:03Z", 2, 64, "no")] * 5_000)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = b'"' + lines[2]
    path.write_bytes(b"".join(lines))
    refused(path, tmp_path / "out", r"trades.csv, line \d+: field larger than field limit .*; .*quote")


def test_tables_beside_wrapped_frames_are_left_out(tmp_path: Path) -> None:
    write_csv(tmp_path / "in" / "a.csv", ("a", "b"), [(1, 2)])
    assert import_data(write_wrapped(tmp_path / "in"), tmp_path / "out").data_format is DataFormat.WRAPPED


def test_packed_bare_frames_must_be_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl.gz"
    path.write_bytes(b"")
    refused(
        path, tmp_path / "out", r"frames.jsonl.gz: bare frames are read from .jsonl files; unpack", DataFormat.FRAMES
    )


def test_a_folder_without_files_of_the_format_is_refused(tmp_path: Path) -> None:
    write_wrapped(tmp_path / "in")
    refused(tmp_path / "in", tmp_path / "out", r"in: no \.parquet, \.csv or .*of trades", DataFormat.TRADES)


@pytest.mark.parametrize("manifest", [{"name": "lake"}, {"format": 1, "files": {}}])
def test_a_format_that_is_given_counts(tmp_path: Path, manifest: dict[str, Any]) -> None:
    root = write_wrapped(tmp_path / "in")
    (root / "manifest.json").write_text(json.dumps(manifest))
    assert import_data(root, tmp_path / "out", DataFormat.WRAPPED).events == len(EVENTS)


def test_a_foreign_manifest_is_not_a_recording(tmp_path: Path) -> None:
    root = write_wrapped(tmp_path / "in")
    (root / "manifest.json").write_bytes(text([{"name": "lake"}]))
    assert import_data(root, tmp_path / "out").events == len(SESSION)


def test_too_many_open_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_wrapped(tmp_path / "in")
    monkeypatch.setattr(Path, "open", _no_more_files)
    refused(root, tmp_path / "out", "too many files are open; raise the limit")


def _no_more_files(path: Path, *_: object, **__: object) -> object:
    raise OSError(errno.EMFILE, "Too many open files", str(path))
