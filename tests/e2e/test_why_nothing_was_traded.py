"""``truebook why`` explains a run in which nothing was traded: while it runs, and after it has ended."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from support.onnx_files import onnx_bytes
from support.processes import Background, last_json, truebook

SERVED = re.compile(r"health and metrics at")
ARGUMENTS = ("--markets", "5", "--seed", "3", "--plain")


def why(folder: Path, *arguments: str) -> dict[str, object]:
    done = truebook(folder, "why", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return last_json(done.stdout)


@pytest.mark.slow
@pytest.mark.long
def test_a_passive_model_and_a_halt_are_reported_as_reasons(tmp_path: Path) -> None:
    assert truebook(tmp_path, "why").returncode == 2, "nothing has run: an error, not an empty funnel"
    (tmp_path / "idle.onnx").write_bytes(onnx_bytes())  # equal scores: the lowest action id, which is no action
    done = truebook(tmp_path, "run", "--for", "5s", "--model", "idle.onnx", *ARGUMENTS)
    assert done.returncode == 0, done.stderr[-3000:]
    after = why(tmp_path)
    verdict = str(after["funnel"]["verdict"])  # type: ignore[index]
    assert after["alive"] is False
    assert "nothing was traded: every decision is to do nothing" in verdict and "`no_action`" in verdict

    assert truebook(tmp_path, "halt").returncode == 0
    running = Background(tmp_path, "run", *ARGUMENTS)
    try:
        running.wait_for(SERVED)
        while "`hold`" not in (verdict := str(why(tmp_path)["funnel"]["verdict"])):  # type: ignore[index]
            assert running.process.poll() is None, running.err
        assert "gate `trading holds`" in verdict
        unlisted = truebook(tmp_path, "why", "SIMNOSUCH-1")
        assert (unlisted.returncode, "does not list it" in unlisted.stderr) == (2, True), unlisted.stderr
        live = why(tmp_path)
        assert live["alive"] is True and live["mode"] == "halted" and live["market"] is None
        assert any("operator" in hold for hold in live["holds"])  # type: ignore[attr-defined]
    finally:
        running.interrupt()
    saved = json.loads((tmp_path / ".truebook" / "sim-main-simulated" / "why.json").read_text())
    ticker = next(market["ticker"] for market in saved["markets"] if market["decisions"])
    market = why(tmp_path, ticker)["market"]
    steps = [step for decision in market["decisions"] for step in decision["steps"]]  # type: ignore[index]
    assert {(step["outcome"], step["reason"]) for step in steps} == {("refused", "hold")}
    shown = truebook(tmp_path, "why", ticker)
    assert shown.returncode == 0 and "refused: hold" in shown.stdout
