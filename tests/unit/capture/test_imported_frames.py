"""Raw frames, bare and wrapped: their times, frames that were recorded twice, and several files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from support.recorded_data import (
    EVENTS,
    SESSION,
    START_MS,
    Line,
    T,
    content,
    delta,
    snapshot,
    text,
    trade,
    write_markets,
    write_wrapped,
)
from support.refused_imports import refused
from truebook.capture.event_types import BookGap, SkippedFrame, SkipReason
from truebook.capture.events import read_events
from truebook.capture.importers.importing import import_data
from truebook.capture.market_metadata import capture_metadata
from truebook.capture.verification import verify
from truebook.capture.writer import CaptureWriter
from truebook.kalshi.port import DeltaFrame
from truebook.messages.envelope import Source


def bare(line: Line, **changes: Any) -> Line:
    return {**line["event"], "sending_ts_ms": line["recv_ms"], **changes}


def numbered(lines: list[Line]) -> list[Line]:
    return [bare(line, seq=number) for number, line in enumerate(lines, 1)]


BOOK = [line for line in SESSION if line["event"]["type"] != "trade"]


def skipped(folder: Path) -> list[SkipReason]:
    return [one.event.reason for one in read_events(folder) if isinstance(one.event, SkippedFrame)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sending_ts_ms": START_MS * 1_000}, "line 3: .*is not a time in milliseconds; it is a time in microseconds"),
        ({"sid": 2**31}, "line 3: sid: 2147483648 is not between 0 and"),
        ({"msg": {**SESSION[3]["event"]["msg"], "ts_ms": START_MS * 1_000_000}}, "line 3: .*it is a time in nano"),
    ],
)
def test_a_wrong_number_in_a_bare_frame_is_named(tmp_path: Path, changes: Line, message: str) -> None:
    path = tmp_path / "frames.jsonl"
    path.write_bytes(text([bare(SESSION[0])]) + b"\n" + text([bare(SESSION[3], **changes)]))
    refused(path, tmp_path / "out", f"frames.jsonl, {message}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sid": 2**31}, "sid: 2147483648 is not between 0 and"),
        ({"msg": {**SESSION[2]["event"]["msg"], "ts_ms": START_MS * 1_000_000}}, ".*it is a time in nanoseconds"),
    ],
)
def test_a_wrong_number_in_a_wrapped_frame_is_named(tmp_path: Path, changes: Line, message: str) -> None:
    line = {**SESSION[2], "event": {**SESSION[2]["event"], **changes}}
    refused(write_wrapped(tmp_path / "in", [*SESSION[:2], line]), tmp_path / "out", f"line 3: {message}")


def test_a_wrong_subscription_in_a_recording_is_named(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "in", source=Source.CAPTURE, hosts=[]) as writer:
        writer.add_frame(START_MS * 1_000, 0, json.dumps(bare(SESSION[0], sid=2**31)))
    refused(tmp_path / "in", tmp_path / "out", "in, frame received at 2025-11-25T00:00:00Z: sid: 2147483648 is not")


def test_a_wrapped_line_that_is_no_text_is_named(tmp_path: Path) -> None:
    root = write_wrapped(tmp_path / "in")
    path = root / "events" / T / "2025-11-25.ndjson.gz"
    path.write_bytes(gzip.compress(text(SESSION) + text(SESSION[-1:]).replace(T.encode(), b"\xff\xfe")))
    refused(root, tmp_path / "out", "line 8: orderbook_delta: 'utf-8' codec can't decode byte 0xff")


def test_overlapping_bare_files_give_one_book(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_bytes(text([*numbered(BOOK), bare(SESSION[3])]))
    (tmp_path / "in" / "b.jsonl").write_bytes(text([*numbered(BOOK), bare(SESSION[3])]))
    import_data(tmp_path / "in", tmp_path / "out")
    (check,) = verify(tmp_path / "out")
    assert (check.invalid, check.different) == (0, 0)
    events = read_events(tmp_path / "out")
    deltas = [content(one.at_us, one.event) for one in events if isinstance(one.event, DeltaFrame)]
    assert deltas == [one for one in EVENTS if one[0] == "delta"]
    assert SkipReason.DUPLICATE_TRADE in skipped(tmp_path / "out")


def test_a_wrong_line_in_the_second_bare_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_bytes(text(numbered(BOOK)))
    wrong = {"type": "orderbook_delta", "sid": 1, "seq": 3, "sending_ts_ms": START_MS + 300, "msg": {}}
    (tmp_path / "in" / "b.jsonl").write_bytes(text([*numbered(BOOK[:2]), wrong]))
    refused(tmp_path / "in", tmp_path / "out", "b.jsonl, line 3: orderbook_delta: ")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (trade(500, 4, "t-1", "0.5300", "0.50"), SkipReason.DUPLICATE_TRADE),
        ({**SESSION[-1], "recv_ms": START_MS + 401}, SkipReason.REPEATED),
    ],
)
def test_a_wrapped_frame_received_twice_counts_once(tmp_path: Path, line: Line, reason: SkipReason) -> None:
    write_markets(tmp_path / "in")
    imported = import_data(write_wrapped(tmp_path / "in", [*SESSION, line]), tmp_path / "out")
    assert (imported.gaps, skipped(tmp_path / "out")) == (0, [reason])


def test_another_wrapped_subscription_marks_a_gap(tmp_path: Path) -> None:
    following = snapshot(500, 140)
    following["event"]["sid"] = 5
    import_data(write_wrapped(tmp_path / "in", [*SESSION, following]), tmp_path / "out")
    gaps = [one.event for one in read_events(tmp_path / "out") if isinstance(one.event, BookGap)]
    assert gaps == [BookGap((T,), 5)]


def test_wrapped_files_of_several_markets_share_a_folder(tmp_path: Path) -> None:
    other = "KXREC-26NOV24-T3.25"
    lines = [snapshot(50, 1, other), delta(60, 2, "0.5", "1", ticker=other)]
    for name, written in ((f"{T}_2025-11-25", SESSION), (f"{other}_2025-11-25", lines)):
        (tmp_path / f"{name}.ndjson").write_bytes(text(written))
    imported = import_data(tmp_path, tmp_path / "out")
    assert (imported.markets, imported.gaps) == (2, 0)


def test_a_described_market_starts_without_a_volume(tmp_path: Path) -> None:
    write_markets(tmp_path / "in")
    import_data(write_wrapped(tmp_path / "in"), tmp_path / "out")
    assert [one.volume_centi for one in capture_metadata(tmp_path / "out")] == [0]
