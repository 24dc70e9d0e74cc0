"""An interruption of several backtests ends the running ones and begins no other; a failure of one does, too."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.made_recordings import make_recording
from truebook.backtest.result import BacktestResult
from truebook.backtest.run import Request, run_backtest
from truebook.backtest.window import Window
from truebook.capture.market_metadata import capture_metadata
from truebook.models.errors import ModelRefused
from truebook.runtime.settings import load
from truebook_services.cli import backtest as command
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.settings import EmbeddedSettings


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recording(tmp_path_factory.mktemp("made") / "made", seconds=5, markets=10)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmbeddedSettings:
    monkeypatch.chdir(tmp_path)
    return load(EmbeddedSettings, model="maker")


def parts_of(made: Path, settings: EmbeddedSettings, out: Path | None = None) -> list[command.Part]:
    """Return a backtest for each market of the recording."""
    return [
        command.Part(
            request=Request(
                path=made, settings=engine_settings(settings, made), window=Window(markets=frozenset({one.ticker}))
            ),
            model="maker", out=None if out is None else out / one.ticker,
        )
        for one in capture_metadata(made)
    ]  # fmt: skip


def test_an_interruption_leaves_queued_backtests_out(
    made: Path, settings: EmbeddedSettings, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    shown: list[str] = []

    def show(text: str) -> None:
        if not shown:
            os.kill(os.getpid(), signal.SIGINT)
        shown.append(text)

    monkeypatch.setattr(command, "show_progress", show)
    results, is_interrupted = command.run_all(parts_of(made, settings), settings, 2)
    assert is_interrupted
    assert any(result is not None for result in results)
    assert results[-1] is None, "it was queued behind the others"


def test_an_interruption_of_one_process_begins_no_other_backtest(
    made: Path, settings: EmbeddedSettings, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """It comes after the last check of the second one, which is complete."""
    begun: list[Request] = []

    def run(request: Request, *more: Any, **named: Any) -> BacktestResult:
        begun.append(request)
        result = run_backtest(request, *more, **named)
        if len(begun) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return result

    monkeypatch.setattr(command, "run_backtest", run)
    results, is_interrupted = command.run_all(parts_of(made, settings), settings, 1)
    assert is_interrupted
    assert len(begun) == 2
    assert [result is not None and not result.partial for result in results] == [True] * 2 + [False] * (
        len(results) - 2
    )


def test_a_backtest_that_fails_ends_the_others(made: Path, settings: EmbeddedSettings, tmp_path: Path) -> None:
    first, *others = parts_of(made, settings, tmp_path / "out")
    first = msgspec.structs.replace(first, model="no-such-model")
    with pytest.raises(ModelRefused, match="no-such-model"):
        command.run_all([first, *others], settings, 2)
    last = others[-1].out
    assert last is not None and not last.exists(), "it was queued behind the others"
