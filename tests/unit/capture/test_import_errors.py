"""Data that cannot be imported: one message with file and row, and nothing is written."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.recorded_data import (
    SESSION,
    START_US,
    T,
    delta,
    kalshieye_book,
    kalshieye_trades,
    predictiondata_book,
    predictiondata_trades,
    text,
    trade,
    write_csv,
    write_markets,
    write_parquet,
    write_wrapped,
)
from support.refused_imports import refused
from truebook.capture.importers.importing import import_data
from truebook.capture.manifest import CaptureError

FILE = "2025-11-25.ndjson.gz"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([*SESSION, delta(500, 140, "55", "1.00")], f"{FILE}, line 8: orderbook_delta: price: outside of 0.0001"),
        ([*SESSION, delta(500, 140, "0.55", "1.001")], f"{FILE}, line 8: orderbook_delta: count: finer than 2"),
        ([*SESSION, trade(500, 9, "t-2", "1.0000", "1")], f"{FILE}, line 8: trade: price: outside of"),
        ([*SESSION, delta(399, 140, "0.55", "1.00")], f"{FILE}, line 8: out of order, received 1000 us before"),
        ([*SESSION, SESSION[-1]], f"{FILE}, line 8: the previous line again"),
        ([{**SESSION[0], "recv_ms": START_US}], f"{FILE}, line 1: recv_ms: .* it is a time in microseconds"),
        ([{**SESSION[0], "recv_ms": START_US * 1_000}], f"{FILE}, line 1: recv_ms: .* a time in nanoseconds"),
        ([{**SESSION[0], "recv_ms": START_US // 1_000_000}], f"{FILE}, line 1: recv_ms: .* a time in seconds"),
        ([{"recv_ms": 1, "event": {}}], f"{FILE}, line 1: recv_ms: 1 is not a time in milliseconds"),
        ([{"received": 1, "frame": {}}], f"{FILE}, line 1: unknown format"),
        ([], f"{FILE}: empty"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, lines: Sequence[Any], message: str) -> None:
    refused(write_wrapped(tmp_path / "in", lines), tmp_path / "out", message)


WHOLE = text(SESSION)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(gzip.compress(WHOLE)[:-20], "the file is cut off; restore it", id="torn gzip"),
        pytest.param(gzip.compress(WHOLE[:-9]), "line 7: not a wrapped frame: .*; the file is cut off", id="torn line"),
        pytest.param(b"\x1f\x8b" + WHOLE, "damaged", id="no gzip"),
        pytest.param(gzip.compress(WHOLE + b"{}\n"), "line 8: not a wrapped frame", id="another line"),
        pytest.param(gzip.compress(b"\xff\xfe\n"), "line 1: not JSON", id="no text"),
    ],
)
def test_a_torn_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    root = write_wrapped(tmp_path / "in")
    (root / "events" / T / FILE).write_bytes(content)
    refused(root, tmp_path / "out", f"{FILE}.*{message}")


def changed(rows: list[dict[str, Any]], number: int, **values: Any) -> list[dict[str, Any]]:
    return [{**row, **values} if index == number else row for index, row in enumerate(rows)]


TABLES: Sequence[tuple[str, list[dict[str, Any]], str]] = [
    ("price above $1", changed(predictiondata_book(), 2, price_level_update_price=51.0), "row 3: .*not below .1"),
    ("price below a step", changed(predictiondata_book(), 2, price_level_update_price=0.51003), "row 3: .*finer"),
    ("negative size", changed(predictiondata_book(), 2, price_level_update_quantity=-1.0), "row 3: .*below zero"),
    ("unknown side", changed(predictiondata_book(), 2, price_level_update_side="buy"), "row 3: .*neither yes, no"),
    ("microseconds", changed(predictiondata_book(), 0, local_timestamp=START_US), "row 1: .* in microseconds"),
    ("order", changed(predictiondata_book(), 2, local_timestamp=START_US * 1000), "row 3: out of order"),
    ("duplicate", [*predictiondata_book(), predictiondata_book()[-1]], "row 7: the previous row again"),
    ("sizes", changed(predictiondata_book(), 1, snapshot_bid_sizes="1,2"), "row 2: .*1 prices, but 2 sizes"),
    ("kind", changed(predictiondata_book(), 1, message_type="trade"), "row 2: message_type: 'trade' is neither"),
    ("trade price", changed(predictiondata_trades(), 0, price=53.0), "row 1: price: 53.0 is not below .1"),
    ("cents", changed(kalshieye_book(), 3, price=51.0), "row 4: price: 51.0 is not below .1"),
    ("nanoseconds", changed(kalshieye_book(), 0, ts_recv=START_US * 1000), "row 1: .*a time in nanoseconds"),
    ("milliseconds", changed(kalshieye_book(), 0, ts_recv=START_US // 1000), "row 1: .*a time in milliseconds"),
    ("kalshieye order", list(reversed(kalshieye_book())), "row 2: out of order"),
    ("kalshieye duplicate", [*kalshieye_book(), kalshieye_book()[-1]], "row 10: the previous row again"),
    ("snapshot level twice", [*kalshieye_book()[:3], kalshieye_book()[2]], "row 4: the level is in this snapshot"),
    ("trade twice", [*kalshieye_trades(), *kalshieye_trades()], "row 2: the trade of the previous row"),
    ("other columns", [{"a": 1, "b": 2}], "unknown format with the columns a, b"),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "message"), [pytest.param(*each[1:], id=each[0]) for each in TABLES])
def test_a_wrong_row_is_named(tmp_path: Path, rows: Sequence[Mapping[str, Any]], message: str) -> None:
    write_parquet(tmp_path / "in" / "2025-11-25.parquet", rows)
    refused(tmp_path / "in", tmp_path / "out", f"2025-11-25.parquet.*{message}")


CSV_NAMES = ("ticker", "created_time", "count", "yes_price", "trade_id")
CSV_ROWS = [(T, "2025-11-25T00:00:03Z", 2, 64, "a"), (T, "2025-11-25T00:00:04Z", 2, 64, "b")]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((T, "2025-11-25T00:00:05Z", 2, 164, "c"), "line 4: yes_price: 164 is not a whole number of cents"),
        ((T, "2025-11-25T00:00:05Z", 2, "0.64", "c"), "line 4: yes_price: 0.64 is not a whole number of cents"),
        ((T, "2025-11-25T00:00:05Z", 2, 64, "b"), "line 4: trade b again"),
        ((T, "yesterday", 2, 64, "c"), "line 4: created_time: not an RFC 3339 time"),
        ((T, "2025-11-25T00:00:05Z", 0, 64, "c"), "line 4: count: 0 is not above zero"),
        ((T, "2025-11-25T00:00:05Z"), "line 4: 2 values for 5 columns"),
    ],
)
def test_a_wrong_line_of_a_table_is_named(tmp_path: Path, row: tuple[Any, ...], message: str) -> None:
    path = write_csv(tmp_path / "trades.csv", CSV_NAMES, [*CSV_ROWS, row])
    refused(path, tmp_path / "out", f"trades.csv, {message}")


def test_a_torn_table_is_named(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "in" / "a.parquet", kalshieye_book())
    path.write_bytes(path.read_bytes()[:-30])
    refused(tmp_path / "in", tmp_path / "out", "a.parquet: cannot be read as Parquet")


def test_a_market_without_metadata_is_named(tmp_path: Path) -> None:
    write_markets(tmp_path / "in", ["KXREC-26NOV24-T60"])
    refused(write_wrapped(tmp_path / "in"), tmp_path / "out", f"{T} has events, but the data describe no such market")


def test_an_invalid_bare_frame_is_named(tmp_path: Path) -> None:
    frames = [{**SESSION[1]["event"], "sending_ts_ms": 1_764_028_800_000}, SESSION[2]["event"]]
    path = tmp_path / "frames.jsonl"
    path.write_bytes(text(frames[:1]) + b"\n" + text([{**frames[1], "msg": {"market_ticker": T}}]))
    refused(path, tmp_path / "out", "frames.jsonl, line 3: orderbook_delta: .*price_dollars")


def no_folder(root: Path) -> Path:
    return root / "nothing"


def empty_folder(root: Path) -> Path:
    (root / "empty").mkdir()
    return root / "empty"


def other_file(root: Path) -> Path:
    (root / "notes.txt").write_text("prices")
    return root / "notes.txt"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (no_folder, "nothing: no such file or folder"),
        (empty_folder, "empty: no recorded data in it"),
        (other_file, "notes.txt: unknown format; the formats are recording, frames"),
    ],
)
def test_a_path_without_data_is_refused(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    refused(make(tmp_path), tmp_path / "out", message)


def test_a_recording_of_format_2_is_not_imported_again(tmp_path: Path) -> None:
    import_data(write_wrapped(tmp_path / "in"), tmp_path / "one")
    refused(tmp_path / "one", tmp_path / "two", "a recording of format 2 already")


@pytest.mark.parametrize("name", ["out", "out.part"])
def test_an_existing_folder_is_kept(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "file").touch()
    with pytest.raises(CaptureError, match=f"{name}: (not empty|left by an interrupted import)"):
        import_data(write_wrapped(tmp_path / "in"), tmp_path / "out")
    assert (tmp_path / name / "file").exists()
