"""An interruption of backtests in several processes ends the running ones and begins no other."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from support.made_recordings import make_recording
from truebook.backtest.run import Request
from truebook.backtest.window import Window
from truebook.capture.market_metadata import capture_metadata
from truebook.runtime.settings import load
from truebook_services.cli import backtest as command
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.settings import EmbeddedSettings


def test_an_interruption_leaves_queued_backtests_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = make_recording(tmp_path / "made", seconds=5, markets=10)
    settings = load(EmbeddedSettings, model="maker")
    parts = [
        command.Part(
            request=Request(
                path=made, settings=engine_settings(settings, made), window=Window(markets=frozenset({one.ticker}))
            ),
            model="maker", out=None,
        )
        for one in capture_metadata(made)
    ]  # fmt: skip
    shown: list[str] = []

    def show(text: str) -> None:
        if not shown:
            os.kill(os.getpid(), signal.SIGINT)
        shown.append(text)

    monkeypatch.setattr(command, "show_progress", show)
    results, is_interrupted = command.run_all(parts, settings, 2)
    assert is_interrupted
    assert any(result is not None for result in results)
    assert results[-1] is None, "it was queued behind the others"
