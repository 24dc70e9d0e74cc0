"""A real browser draws the report under the policy that forbids it any network request. Needs chromium."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.random_backtest import random_result
from truebook.backtest.report.output import write_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.long
@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_a_browser_draws_every_chart(tmp_path: Path) -> None:
    assert BROWSER is not None
    write_report(tmp_path / "report.html", random_result(3))
    done = subprocess.run(
        [
            BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
            "--enable-logging=stderr", "--virtual-time-budget=10000", "--dump-dom", f"file://{tmp_path}/report.html",
        ],
        capture_output=True, text=True, timeout=200, check=True,
    )  # fmt: skip
    charts = re.findall(r'<div class="chart[^"]*" id="(chart-\d+)"', done.stdout)
    assert len(charts) == 6
    drawn = done.stdout.split('<div class="chart')[1:]
    assert [name for name, part in zip(charts, drawn, strict=True) if 'class="main-svg"' not in part] == []
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
