"""A recording of format 2 is written completely or not at all, and holds only values that its columns can hold."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.full_disk import no_file_larger_than
from truebook.capture.columnar import writer as columnar_writer
from truebook.capture.columnar.writer import DAY_US, ColumnarWriter
from truebook.capture.event_types import CapturedEvent
from truebook.capture.manifest import CaptureError, read_manifest
from truebook.kalshi.port import DeltaFrame, TradeFrame
from truebook.messages.envelope import BookSide, Source

T = "KXREC-26NOV24-T50"
START_US = 1_764_028_800_000_000


def writer(folder: Path, **options: Any) -> ColumnarWriter:
    return ColumnarWriter(folder, source=Source.CAPTURE, imported_from="test", **options)


def change(
    at_us: int = START_US, *, exchange_us: int | None = None, sid: int | None = 1, connection: int = 0, size: int = 100
) -> CapturedEvent:
    event = DeltaFrame(
        sid=sid, seq=None, received_us=at_us, ticker=T, book_side=BookSide.BID, price_cc=5_000, delta_centi=size,
        exchange_us=exchange_us,
    )  # fmt: skip
    return CapturedEvent(at_us, connection, event)


def trade(number: int) -> CapturedEvent:
    """Make a trade whose id can't be compressed."""
    event = TradeFrame(
        sid=2, seq=None, received_us=START_US + number, ticker=T, trade_id=os.urandom(16).hex(), price_cc=5_000,
        size_centi=100, taker_side=BookSide.BID, exchange_us=START_US,
    )  # fmt: skip
    return CapturedEvent(START_US + number, 0, event)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        pytest.param(change(2**63), "received at .*: outside of the years 2000 to 2099", id="no day"),
        pytest.param(change(START_US * 1_000), "received at 1764028800000000000 us: outside", id="nanoseconds"),
        pytest.param(change(DAY_US), "received at 86400000000 us: outside of the years", id="1970"),
        pytest.param(change(START_US + 1, exchange_us=START_US * 1_000), "the exchange's time 176", id="exchange ns"),
        pytest.param(change(START_US + 1, exchange_us=START_US * 10**6), "the exchange's time", id="beyond 64 bits"),
        pytest.param(change(START_US + 1, sid=2**31), "sid 2147483648 is beyond 32 bits", id="subscription"),
        pytest.param(change(START_US + 1, connection=-(2**31) - 1), "connection .* is beyond", id="connection"),
        pytest.param(change(START_US + 1, size=2**63), "size_centi 9223372036854775808 is beyond 64 bits", id="size"),
    ],
)  # fmt: skip
def test_a_value_beyond_its_column_is_an_error_with_its_row(tmp_path: Path, wrong: CapturedEvent, message: str) -> None:
    first = [] if wrong.at_us < START_US else [change()]
    with pytest.raises(CaptureError, match=rf"row {len(first) + 1} \({T}\): {message}"), writer(tmp_path / "r") as out:
        for one in (*first, wrong):
            out.add(one)
        out.finish(())
    assert list(tmp_path.iterdir()) == []


def test_a_row_is_counted_over_row_groups(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"row 6 "), writer(tmp_path / "r", row_group_rows=2) as out:
        for number in range(5):
            out.add(change(START_US + number))
        out.add(change(START_US + 5, sid=2**31))
        out.finish(())


def test_a_day_is_not_written_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columnar_writer, "to_rfc3339", lambda _: "2025-11-25T00:00:00.000000Z")
    with (
        pytest.raises(CaptureError, match=r"events-2025-11-25\.parquet: written already"),
        writer(tmp_path / "r") as out,
    ):
        out.add(change())
        out.add(change(START_US + DAY_US))
        out.finish(())


@pytest.mark.parametrize("events", [20, 10_000])
def test_a_full_disk_leaves_nothing(tmp_path: Path, events: int) -> None:
    """Few rows are refused at the end of the file, where the writer stops for another reason."""
    error = KeyError if events == 20 else OSError
    with pytest.raises(error), no_file_larger_than(4_096), writer(tmp_path / "r", row_group_rows=10) as out:
        for number in range(events):
            out.add(trade(number))
        raise KeyError
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "inside"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder


@pytest.mark.parametrize("name", [".", "../inside"])
def test_the_working_folder_is_not_replaced(inside: Path, name: str) -> None:
    with pytest.raises(CaptureError, match="the working folder can't be replaced; give a new folder below it"):
        writer(Path(name))
    assert list(inside.parent.iterdir()) == [inside]


def test_a_mounted_folder_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == folder)
    with pytest.raises(CaptureError, match="a mounted folder can't be replaced; give a new folder below it"):
        writer(folder)
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_to_a_folder_is_followed(tmp_path: Path, exists: bool) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    if exists:
        target.mkdir()
    link.symlink_to(target)
    with writer(link) as out:
        out.add(change())
        out.finish(())
    assert link.is_symlink()
    assert sorted(read_manifest(target).files) == ["events-2025-11-25.parquet", "markets.jsonl"]
    assert sorted(tmp_path.iterdir()) == [link, target]
