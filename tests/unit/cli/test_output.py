"""Output whose reader has ended: progress ends the command in order, a result ends it silently."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from truebook_services.cli.output import last_output, show_progress


def break_pipe(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Replace a standard stream by a pipe that nothing reads."""
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(sys, name, os.fdopen(writer, "w"))


def test_progress_without_a_reader_hangs_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    break_pipe(monkeypatch, "stderr")
    raised: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", raised.append)
    for _ in range(3):
        show_progress("12.0 s  orders 3")
    assert raised == [signal.SIGTERM]


def test_a_result_without_a_reader_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    break_pipe(monkeypatch, "stdout")
    with last_output():
        print("result")
    sys.stdout.flush()


def test_a_result_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    with last_output():
        print("result")
    assert capsys.readouterr().out == "result\n"
