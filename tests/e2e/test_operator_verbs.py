"""The operator's commands on a running system, by a script that reads only ``--json``; the next run continues."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from support.operator_verbs import Operator, use_every_command
from support.processes import ALONE, Background, last_json, truebook
from truebook_services.cli.__main__ import app
from truebook_services.cli.exit_codes import EXIT_CODES
from truebook_services.serving.exit_codes import exit_code

SERVED = re.compile(r"health and metrics at")
ARGUMENTS = ("--markets", "5", "--seed", "3", "--plain")


def in_this_process(*arguments: str, given: bytes = b"") -> tuple[int, str]:
    """Run a command as ``main`` does, without the second that a process needs to start."""
    done = CliRunner().invoke(app, arguments, input=given)
    if done.exception is None or isinstance(done.exception, SystemExit):
        return done.exit_code, done.stdout
    code = exit_code(done.exception, EXIT_CODES)
    if code is None:
        raise done.exception
    return code, done.stdout


@pytest.mark.slow
@pytest.mark.long
def test_every_command_works_on_one_process_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TRUEBOOK_")]:
        monkeypatch.delenv(name)
    for name, value in ALONE.items():
        monkeypatch.setenv(name, value)
    operator = Operator(in_this_process)
    running = Background(tmp_path, "run", *ARGUMENTS)
    try:
        running.wait_for(SERVED)
        use_every_command(in_this_process)
        deposits = operator.status()["deposits_micros"]
    finally:
        assert running.interrupt() == 0, running.err[-20:]
    operator("reconcile", code=2)
    assert operator("limits", "set", "open_orders=7")["limits"] == {"open_orders": 7}
    assert operator("limits", "clear")["limits"] == {}
    assert operator("fills", "--limit", "5")["fills"]
    again = truebook(tmp_path, "run", "--for", "3s", "--json", *ARGUMENTS)
    assert again.returncode == 0, again.stderr[-3000:]
    assert last_json(again.stdout)["deposits_micros"] == deposits
