"""A backtest that takes changes of a book in lots gives the result of one that takes them one by one."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from support.recorded_gold import bare_gold
from support.varied_recordings import make_varied_recording
from truebook.backtest import window
from truebook.backtest.engine import undisturbed
from truebook.backtest.result import BacktestResult
from truebook.backtest.run import Request, run_backtest
from truebook.capture.columnar import reader
from truebook.capture.columnar.writer import ColumnarWriter
from truebook.capture.delta_block import DeltaBlock
from truebook.capture.events import read_blocks, read_events
from truebook.capture.market_metadata import capture_metadata
from truebook.messages.envelope import Source
from truebook.runtime.settings import load
from truebook_services.cli.backtest import load_model
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.settings import EmbeddedSettings


def in_columns(path: Path, folder: Path) -> Path:
    """Write a recording again, in format 2."""
    with ColumnarWriter(folder, source=Source.CAPTURE, imported_from="test") as writer:
        for event in read_events(path):
            writer.add(event)
        writer.finish(capture_metadata(path))
    return folder


def result_of(path: Path, limits: window.Window) -> BacktestResult:
    settings = load(EmbeddedSettings, model="maker")
    request = Request(path=path, settings=engine_settings(settings, path), window=limits)
    return run_backtest(request, load_model(settings, "maker"))


def check_equal(path: Path, monkeypatch: pytest.MonkeyPatch, limits: window.Window = window.Window()) -> BacktestResult:  # noqa: B008  # a frozen value
    """Run both ways; return the result."""
    in_lots = result_of(path, limits)
    with monkeypatch.context() as patch:
        patch.setattr(window, "read_blocks", read_events)
        one_by_one = result_of(path, limits)
    assert msgspec.json.encode(in_lots) == msgspec.json.encode(one_by_one)
    assert all(each.orders and each.fills for each in in_lots.passes)
    return in_lots


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_markets_with_odd_events_give_equal_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(reader, "MIN_ROWS", 2)
    monkeypatch.setattr(undisturbed, "MIN_CHANGES", 1)
    made = in_columns(make_varied_recording(tmp_path / "made", seed=seed, events=1), tmp_path / "columns")
    assert sum(len(one) for one in read_blocks(made) if isinstance(one, DeltaBlock)) > 100
    check_equal(made, monkeypatch)


def test_a_busy_recorded_market_gives_equal_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that begins and ends within a block is the same, too."""
    recorded = in_columns(bare_gold(tmp_path), tmp_path / "columns")
    times = [one.at_us for one in read_blocks(recorded) if isinstance(one, DeltaBlock)]
    begin, end = times[len(times) // 3], times[len(times) // 2]
    limits = window.Window(from_us=begin[len(begin) // 2], to_us=end[len(end) // 2])
    assert check_equal(recorded, monkeypatch, limits).data.events > 2_000
