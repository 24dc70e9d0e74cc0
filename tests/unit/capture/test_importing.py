"""Every format gives the same events, and its markets with their outcomes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.made_recordings import make_recording
from support.recorded_data import (
    CLOSE,
    EVENTS,
    SESSION,
    START_US,
    T,
    content,
    delta,
    kalshieye_book,
    snapshot,
    text,
    write_csv,
    write_kalshieye,
    write_markets,
    write_parquet,
    write_predictiondata,
    write_wrapped,
)
from support.recordings import recording
from truebook.capture.coverage import coverage
from truebook.capture.event_types import BookGap, CapturedEvent
from truebook.capture.events import read_events
from truebook.capture.importers.importing import Imported, import_data
from truebook.capture.importers.merge import merge
from truebook.capture.importers.source import DataFormat, EventStream
from truebook.capture.manifest import CaptureError, read_manifest
from truebook.capture.market_metadata import capture_metadata
from truebook.capture.verification import verify
from truebook.kalshi.port import TradeFrame
from truebook.kalshi.wire import times
from truebook.messages.envelope import BookSide, Source


def wrapped_session(root: Path) -> Path:
    write_markets(root)
    return write_wrapped(root)


def bare_session(root: Path) -> Path:
    """Write the frames alone: the exchange's times, and numbers of one subscription without jumps."""
    frames, number = [], 0
    for line in SESSION:
        frame = {**line["event"], "sending_ts_ms": line["recv_ms"]}
        if frame["type"] != "trade":
            number += 1
            frame["seq"] = number
        frames.append(frame)
    path = root / "session.jsonl"
    path.write_bytes(text(frames))
    return path


def predictiondata_parquet(root: Path) -> Path:
    return write_predictiondata(root, as_csv=False)


def predictiondata_csv(root: Path) -> Path:
    return write_predictiondata(root, as_csv=True)


def imported_events(folder: Path) -> list[tuple[str, int, object]]:
    return [content(one.at_us, one.event) for one in read_events(folder)]


SOURCES = [
    pytest.param(wrapped_session, DataFormat.WRAPPED, id="wrapped"),
    pytest.param(bare_session, DataFormat.FRAMES, id="bare frames"),
    pytest.param(write_kalshieye, DataFormat.KALSHIEYE, id="kalshieye"),
    pytest.param(predictiondata_parquet, DataFormat.PREDICTIONDATA, id="predictiondata parquet"),
    pytest.param(predictiondata_csv, DataFormat.PREDICTIONDATA, id="predictiondata csv"),
]


@pytest.mark.parametrize("given_format", [True, False])
@pytest.mark.parametrize(("write", "data_format"), SOURCES)
def test_every_format_gives_the_same_events(
    tmp_path: Path, write: Callable[[Path], Path], data_format: DataFormat, given_format: bool
) -> None:
    (tmp_path / "in").mkdir()
    path, out = write(tmp_path / "in"), tmp_path / "out"
    imported = import_data(path, out, data_format if given_format else None)
    assert (imported.data_format, imported.events, imported.markets) == (data_format, len(EVENTS), 1)
    assert imported_events(out) == list(EVENTS)
    assert read_manifest(out).imported_from == data_format


@pytest.mark.parametrize("write", [wrapped_session, write_kalshieye])
def test_markets_have_their_outcome_and_strike(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    import_data(write(tmp_path / "in"), tmp_path / "out")
    (market,) = capture_metadata(tmp_path / "out")
    assert (market.ticker, market.event, market.settlement_cc, market.strike) == (T, "KXREC-26NOV24", 10_000, 4128.56)
    assert market.close_us == times.from_rfc3339(CLOSE)
    assert "fee_type" in market.assumed


def test_verify_compares_only_books_that_changes_lead_to(tmp_path: Path) -> None:
    import_data(wrapped_session(tmp_path / "in"), tmp_path / "out")
    (check,) = verify(tmp_path / "out")
    # The second snapshot differs from the empty first one; the third is what the changes give.
    assert (check.snapshots, check.compared, check.different, check.invalid) == (3, 2, 1, 0)
    assert check.first is not None
    assert (check.first.levels, check.first.price_cc) == (2, 5_000)
    assert (check.first.folded_centi, check.first.snapshot_centi) == (0, 1_000)


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        pytest.param(snapshot(900_000, 200), (0, 1), id="emptied at the close"),
        pytest.param(snapshot(898_999, 200), (1, 0), id="emptied before it"),
        pytest.param(snapshot(900_000, 200, yes_dollars_fp=[["0.1", "1"]]), (1, 0), id="another book at the close"),
    ],
)
def test_an_empty_snapshot_at_the_close_is_expected(
    tmp_path: Path, last: dict[str, Any], expected: tuple[int, int]
) -> None:
    write_markets(tmp_path / "in")
    import_data(write_wrapped(tmp_path / "in", [*SESSION[1:], last]), tmp_path / "out")
    (check,) = verify(tmp_path / "out")
    assert (check.different, check.cleared) == expected


def test_a_missing_change_is_found(tmp_path: Path) -> None:
    lines = [line for line in SESSION[1:] if line["event"]["msg"].get("delta_fp") != "2.25"]
    import_data(write_wrapped(tmp_path / "in", lines), tmp_path / "out")
    (check,) = verify(tmp_path / "out")
    assert (check.compared, check.different, check.is_consistent) == (1, 1, False)


def test_a_new_subscription_marks_a_gap(tmp_path: Path) -> None:
    lines = [*SESSION, delta(500, 3, "0.5000", "1.00"), snapshot(600, 4, yes_dollars_fp=[["0.2000", "1.00"]])]
    imported = import_data(write_wrapped(tmp_path / "in", lines), tmp_path / "out")
    events = list(read_events(tmp_path / "out"))
    assert [one.event for one in events if isinstance(one.event, BookGap)] == [BookGap((T,), 1)]
    assert (imported.gaps, imported.skipped) == (1, 1), "the change after the gap has no book"
    assert [one.different for one in verify(tmp_path / "out")] == [1], "the snapshot after the gap is not compared"


def test_two_files_of_a_market_and_other_markets_are_merged(tmp_path: Path) -> None:
    other = "KXREC-26NOV24-T60"
    write_markets(tmp_path, [T, other])
    write_wrapped(tmp_path, SESSION[:4])
    write_wrapped(tmp_path, SESSION[4:], day="2025-11-26")
    write_wrapped(tmp_path, [snapshot(250, 5, other), snapshot(251, 6, other)], ticker=other)
    import_data(tmp_path, tmp_path / "out")
    order = [(one.at_us - START_US, getattr(one.event, "ticker", "")) for one in read_events(tmp_path / "out")]
    assert order == [
        (0, T), (100_000, T), (200_000, T), (250_000, T), (250_000, other), (251_000, T), (251_000, other),
        (300_000, T), (400_000, T),
    ]  # fmt: skip


def test_a_recording_of_format_1_is_imported_event_by_event(tmp_path: Path) -> None:
    folder = make_recording(tmp_path / "made", seconds=3, markets=2)
    imported = import_data(folder, tmp_path / "out")
    assert imported.data_format is DataFormat.RECORDING
    assert capture_metadata(tmp_path / "out") == capture_metadata(folder)
    assert read_manifest(tmp_path / "out").source is Source.SIMULATED
    first, second = list(read_events(folder)), list(read_events(tmp_path / "out"))
    assert [one.at_us for one in first] == [one.at_us for one in second]
    assert [content(one.at_us, one.event)[1:] for one in first] == [content(one.at_us, one.event)[1:] for one in second]


def test_two_days_of_a_series_are_read_in_order(tmp_path: Path) -> None:
    for day, (name, rows) in (("25", ("b", kalshieye_book()[:5])), ("26", ("a", kalshieye_book()[5:]))):
        write_parquet(tmp_path / "book_l2" / f"date=2025-11-{day}" / "series=KXREC" / f"{name}.parquet", rows)
    import_data(tmp_path / "book_l2", tmp_path / "out")
    assert imported_events(tmp_path / "out") == [one for one in EVENTS if one[0] != "trade"]


@pytest.mark.parametrize("use", [read_events, lambda folder: import_data(folder, folder.parent / "again")])
def test_a_missing_library_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: Callable[[Path], object]
) -> None:
    folder = tmp_path / "out"
    import_data(wrapped_session(tmp_path / "in"), folder)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    source = folder if use is read_events else tmp_path / "in"
    with pytest.raises(CaptureError, match=r"install truebook\[research\]"):
        list(use(source))  # type: ignore[call-overload]


TRADES = (
    ("", "ticker_name", "create_ts", "contracts_traded", "price"),
    [
        ("1", T, "2025-11-25T00:00:03-05:00", 2, 64), ("2", T, "2025-11-25T00:00:01-05:00", 1, 63),
        ("3", T, "2025-11-25T00:00:04-05:00", 3, 64), ("4", T, "2025-11-25T00:00:05-05:00", 4, 61),
    ],
)  # fmt: skip


def test_trades_without_a_side_are_sorted_and_get_the_tick_rule(tmp_path: Path) -> None:
    imported = import_data(write_csv(tmp_path / "trades.csv", *TRADES), tmp_path / "out")
    assert imported.data_format is DataFormat.TRADES
    trades = [one.event for one in read_events(tmp_path / "out")]
    assert [
        (one.trade_id, one.price_cc, one.size_centi, one.taker_side) for one in trades if isinstance(one, TradeFrame)
    ] == [
        ("2", 6_300, 100, BookSide.BID), ("1", 6_400, 200, BookSide.BID), ("3", 6_400, 300, BookSide.BID),
        ("4", 6_100, 400, BookSide.ASK),
    ]  # fmt: skip
    assert "taker_side" in capture_metadata(tmp_path / "out")[0].assumed


def test_coverage_counts_time_and_spread(tmp_path: Path) -> None:
    import_data(wrapped_session(tmp_path / "in"), tmp_path / "out")
    found = coverage(tmp_path / "out")
    (market,) = found.markets
    assert (found.events, found.deltas, found.trades, found.snapshots, found.gaps) == (7, 3, 1, 3, 0)
    assert (market.settlement_cc, market.traded_centi) == (10_000, 50)
    assert (market.known_us, market.two_sided_us, market.longest_pause_us) == (400_000, 300_000, 100_000)
    # 300 cc for 100 ms, then 200 cc for 200 ms.
    assert market.mean_spread_cc == (300 * 100 + 200 * 200) // 300


@given(st.lists(st.lists(st.integers(1, 20), max_size=6), max_size=5))
def test_merging_keeps_time_and_the_order_of_streams(drawn: list[list[int]]) -> None:
    streams = [
        EventStream(str(number), lambda number=number, times=times: iter(  # type: ignore[misc]
            CapturedEvent(at_us, number, BookGap(())) for at_us in sorted(times)
        ))
        for number, times in enumerate(drawn)
    ]  # fmt: skip
    merged = [(one.at_us, one.connection) for one in merge(streams)]
    assert merged == sorted((at_us, number) for number, times in enumerate(drawn) for at_us in times)


@pytest.mark.parametrize("ticker", ["KXGOLD15M-26AUG101900-00", "KXGOLD15M-26AUG102000-00"])
def test_production_data_is_imported_and_verified(tmp_path: Path, ticker: str) -> None:
    imported = import_data(recording("gold15m", "events", ticker), tmp_path / "out")
    found = coverage(tmp_path / "out")
    (market,) = found.markets
    expected = {"KXGOLD15M-26AUG101900-00": (22_024, 977), "KXGOLD15M-26AUG102000-00": (46_363, 1_293)}[ticker]
    assert (imported.gaps, market.deltas, market.trades) == (0, *expected)
    assert (market.settlement_cc, market.strike is not None) == (10_000, True)
    assert [one.volume_centi for one in capture_metadata(tmp_path / "out")] == [0]
    (check,) = verify(tmp_path / "out")
    assert (check.cleared, check.different, check.invalid) == (1, 0, 0)


def test_production_trades_are_imported(tmp_path: Path) -> None:
    path = recording("trades", "capopm_prod_kxncaafplayoff25_trades_20250917_20251207.csv")
    imported: Imported = import_data(path, tmp_path / "out")
    assert (imported.events, imported.markets) == (33_005, 58)
