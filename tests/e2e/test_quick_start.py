"""The blocks of docs/quick-start.md, run by a shell in one empty folder, in their order."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
from pathlib import Path

import pytest

from support.processes import TRUEBOOK, environment

PAGE = Path(__file__).parents[2] / "docs" / "quick-start.md"
BLOCK = re.compile(r"^## ([^\n]+)\n(?:(?!## )[^\n]*\n)*?```\n(.*?)^```", re.MULTILINE | re.DOTALL)
PORT = "18090"
pytestmark = [pytest.mark.slow, pytest.mark.long]


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_the_quick_start_runs_unchanged(tmp_path: Path) -> None:
    blocks = dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    assert list(blocks) == [
        "Install", "Settings", "Trade", "Look at it", "Stop it", "Is the model worth running?",
    ]  # fmt: skip
    del blocks["Install"]  # the wheel in an empty environment is a stage of CI
    command = tmp_path / "bin" / "truebook"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.join(TRUEBOOK)} "$@"\n')
    command.chmod(0o755)
    folder = tmp_path / "empty"
    folder.mkdir()
    script = "set -e\n" + "\n".join(blocks.values()).replace(PORT, free_port())
    path = f"{command.parent}:{environment()['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment(PATH=path), capture_output=True, text=True, timeout=230
    )
    assert done.returncode == 0, f"{done.stdout[-2_000:]}{done.stderr[-2_000:]}"
    assert "trading is halted" in done.stdout and "released" in done.stdout
    assert (folder / "report" / "report.html").stat().st_size > 100_000
