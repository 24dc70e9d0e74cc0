"""Which snapshots are compared with the changes before them: a new connection and a market's close are no faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from truebook.capture.columns import Kind, read_columns
from truebook.capture.coverage import coverage
from truebook.capture.importers.importing import import_data
from truebook.capture.verification import verify
from truebook.capture.writer import CaptureWriter
from truebook.messages.envelope import Source
from truebook.messages.market_metadata import LINEAR_CENT
from truebook.venue.assumed_market import assumed_metadata

T = "KXREC-26NOV24-T50"
START_US = 1_764_028_800_000_000
CLOSE_US = START_US + 900_000_000
MINUTE_US = 60_000_000
Frame = tuple[int, int, dict[str, Any]]
"""Microseconds since the start, connection, frame."""


def frame(at_us: int, kind: str, sid: int, seq: int | None, connection: int = 1, **message: Any) -> Frame:
    return at_us, connection, {"type": kind, "sid": sid, "seq": seq, "msg": {"market_ticker": T, **message}}


def snapshot(at_us: int, seq: int, size: str = "", *, sid: int = 1, connection: int = 1) -> Frame:
    """Make a snapshot with one bid at 50 cents, without a size an empty one."""
    levels = [["0.5000", size]] if size else []
    return frame(at_us, "orderbook_snapshot", sid, seq, connection, yes_dollars_fp=levels)


def change(at_us: int, seq: int, size: str = "1.00", connection: int = 1) -> Frame:
    return frame(
        at_us, "orderbook_delta", 1, seq, connection, price_dollars="0.5000", delta_fp=size, side="yes",
        ts_ms=(START_US + at_us) // 1_000,
    )  # fmt: skip


def lifecycle(at_us: int, event_type: str, **fields: Any) -> Frame:
    return frame(at_us, "market_lifecycle_v2", 3, None, event_type=event_type, **fields)


def recorded(folder: Path, *frames: Frame, close_is_assumed: bool = False) -> Path:
    """Write a recording of format 1; the market's close is 15 minutes after its start, or is not recorded."""
    market = assumed_metadata(T, START_US, CLOSE_US, LINEAR_CENT)
    with CaptureWriter(folder, source=Source.CAPTURE, hosts=["test"]) as writer:
        if not close_is_assumed:
            writer.add_markets([msgspec.structs.replace(market, assumed=())])
        for at_us, connection, content in frames:
            writer.add_frame(START_US + at_us, connection, json.dumps(content))
    return folder


def counts(folder: Path) -> tuple[int, int, int, int]:
    (check,) = verify(folder)
    return check.compared, check.rebased, check.cleared, check.different


RECONNECTED = (
    snapshot(0, 1, "10.00"), change(1_000, 2),
    snapshot(MINUTE_US, 1, "25.00", connection=2), change(MINUTE_US + 1_000, 2, connection=2),
    snapshot(MINUTE_US + 2_000, 3, "26.00", connection=2),
)  # fmt: skip
"""A recorder that lost its connection for a minute."""


@pytest.mark.parametrize("columnar", [False, True])
def test_a_snapshot_of_a_new_connection_is_not_compared(tmp_path: Path, columnar: bool) -> None:
    folder = recorded(tmp_path / "r", *RECONNECTED)
    if columnar:
        import_data(folder, tmp_path / "out")
        folder = tmp_path / "out"
    assert counts(folder) == (1, 1, 0, 0), "the last one is compared"


def test_a_snapshot_of_a_new_subscription_is_not_compared(tmp_path: Path) -> None:
    assert counts(recorded(tmp_path / "r", snapshot(0, 1, "10.00"), snapshot(1_000, 1, "25.00", sid=2))) == (0, 1, 0, 0)


def test_a_change_lost_on_one_connection_is_found(tmp_path: Path) -> None:
    frames = (*RECONNECTED[:3], snapshot(MINUTE_US + 2_000, 2, "26.00", connection=2))
    assert counts(recorded(tmp_path / "r", *frames)) == (1, 1, 0, 1)


def test_the_book_before_a_lost_connection_is_kept(tmp_path: Path) -> None:
    """The outage itself is not marked: documented in docs/capture.md."""
    found = coverage(recorded(tmp_path / "r", *RECONNECTED))
    assert (found.gaps, found.markets[0].known_us) == (0, MINUTE_US + 2_000)


@pytest.mark.parametrize(
    ("at_us", "expected"),
    [
        pytest.param(CLOSE_US - START_US - 52_000, (0, 0, 1, 0), id="by an early clock"),
        pytest.param(CLOSE_US - START_US - 1_000_000, (0, 0, 1, 0), id="a second before"),
        pytest.param(CLOSE_US - START_US - 1_000_001, (1, 0, 0, 1), id="earlier"),
    ],
)
def test_a_second_before_the_close_counts_as_the_close(
    tmp_path: Path, at_us: int, expected: tuple[int, int, int, int]
) -> None:
    assert counts(recorded(tmp_path / "r", snapshot(0, 1, "10.00"), snapshot(at_us, 2))) == expected


CLOSE_MOVED: dict[str, Any] = {"event_type": "close_date_updated", "close_ts": START_US // 1_000_000 + 60}
OUTCOME: dict[str, Any] = {"event_type": "determined", "result": "yes", "settlement_value": "1.0000"}
DETERMINED = lifecycle(MINUTE_US, **OUTCOME)
EMPTIED = snapshot(MINUTE_US + 1, 2)


@pytest.mark.parametrize("close_is_assumed", [False, True])
@pytest.mark.parametrize(
    "frames",
    [
        pytest.param((lifecycle(500_000, **CLOSE_MOVED), EMPTIED), id="moved before"),
        pytest.param((EMPTIED, lifecycle(MINUTE_US + 2, **CLOSE_MOVED)), id="moved, stated later"),
        pytest.param((DETERMINED, EMPTIED), id="determined"),
        pytest.param((EMPTIED, lifecycle(5 * MINUTE_US, **OUTCOME)), id="determined later"),
    ],
)
def test_life_cycle_events_move_the_close(tmp_path: Path, frames: tuple[Frame, ...], close_is_assumed: bool) -> None:
    folder = recorded(tmp_path / "r", snapshot(0, 1, "10.00"), *frames, close_is_assumed=close_is_assumed)
    assert counts(folder) == (0, 0, 1, 0)


def test_a_close_that_was_moved_later_is_used(tmp_path: Path) -> None:
    later = lifecycle(500_000, "close_date_updated", close_ts=CLOSE_US // 1_000_000 + 60)
    emptied = snapshot(CLOSE_US - START_US, 2)
    assert counts(recorded(tmp_path / "r", snapshot(0, 1, "10.00"), later, emptied)) == (1, 0, 0, 1)


def test_a_market_emptied_long_before_its_recorded_close_differs(tmp_path: Path) -> None:
    determined = lifecycle(CLOSE_US - START_US + MINUTE_US, **OUTCOME)
    assert counts(recorded(tmp_path / "r", snapshot(0, 1, "10.00"), EMPTIED, determined)) == (1, 0, 0, 1)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param((), (0, 0, 1, 0), id="the last"),
        pytest.param((change(MINUTE_US + 2, 3),), (1, 0, 0, 1), id="a change follows"),
        pytest.param((snapshot(MINUTE_US + 2, 3),), (1, 0, 1, 0), id="empty again"),
        pytest.param((snapshot(MINUTE_US + 2, 3, "9.00"),), (2, 0, 0, 2), id="another book follows"),
    ],
)
def test_an_empty_book_at_the_end_is_a_close_where_none_is_recorded(
    tmp_path: Path, after: tuple[Frame, ...], expected: tuple[int, int, int, int]
) -> None:
    folder = recorded(tmp_path / "r", snapshot(0, 1, "10.00"), EMPTIED, *after, close_is_assumed=True)
    assert counts(folder) == expected


def test_changes_after_an_invalid_one_are_stored(tmp_path: Path) -> None:
    """Documented in docs/capture-format.md: a reader of format 2 has to keep the book unknown itself."""
    frames = (snapshot(0, 1, "1.00"), change(1, 2, "-2.00"), change(2, 3), snapshot(3, 4, "9.00"))
    import_data(recorded(tmp_path / "r", *frames), tmp_path / "out")
    kinds = [kind for chunk in read_columns(tmp_path / "out") for kind in chunk.kind.tolist()]
    assert kinds == [Kind.SNAPSHOT, Kind.LEVEL, Kind.DELTA, Kind.DELTA, Kind.SNAPSHOT, Kind.LEVEL]
    assert [one.invalid for one in verify(tmp_path / "out")] == [1]
    assert counts(tmp_path / "out") == (0, 0, 0, 0), "the snapshot after it is not compared"
