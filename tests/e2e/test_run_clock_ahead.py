"""The machine's clock was an hour ahead in the last run, and is right now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.processes import environment, last_json, truebook

AHEAD = """
import runpy, sys, time
real = time.time_ns
time.time_ns = lambda: real() + 3_600 * 10**9
sys.argv[0] = "truebook"
runpy.run_module("truebook_services.cli", run_name="__main__")
"""
RUN = ("run", "--for", "6s", "--markets", "8", "--json")


@pytest.mark.slow
@pytest.mark.long
def test_a_run_after_one_with_its_clock_ahead_trades(tmp_path: Path) -> None:
    ahead = subprocess.run(
        [sys.executable, "-c", AHEAD, *RUN], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert ahead.returncode == 0, ahead.stderr[-3000:]
    assert last_json(ahead.stdout)["orders"]["sent"] > 0
    done = truebook(tmp_path, *RUN)
    assert done.returncode == 0, done.stderr[-3000:]
    summary = last_json(done.stdout)
    assert summary["orders"]["sent"] > 0
    assert "deadline" not in summary["orders"]["refused"]
    log = "".join(path.read_text() for path in tmp_path.glob(".truebook/*/log.jsonl"))
    assert "the last run's clock was ahead: this run continues its time" in log
