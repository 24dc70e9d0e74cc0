"""Lock-step: the same recording gives the same orders and fills in any process, with any hash seed and load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.made_recordings import make_recording
from support.processes import last_json, truebook
from support.recordings import recording
from truebook.capture.importers.importing import import_data


def lockstep(folder: Path, capture: Path, *more: str, **environment: str) -> tuple[dict[str, Any], str, str]:
    """Run in lock-step; returns the summary, the history and the final books."""
    folder.mkdir(exist_ok=True)
    done = truebook(folder, "run", "--capture", str(capture), "--speed", "max", "--json", *more, **environment)
    assert done.returncode == 0, done.stderr[-3000:]
    (history,) = folder.glob(".truebook/*/history.jsonl")
    return last_json(done.stdout), history.read_text(), (history.parent / "books.json").read_text()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recording(tmp_path_factory.mktemp("made") / "recording", seconds=40)


def test_two_runs_in_two_processes_are_equal(tmp_path: Path, made: Path) -> None:
    one = lockstep(tmp_path / "one", made, PYTHONHASHSEED="1")
    other = lockstep(tmp_path / "other", made, PYTHONHASHSEED="2")
    assert one == other
    summary, history, _ = one
    assert summary["orders"]["sent"] >= 10
    assert summary["fills"] >= 5
    assert summary["ledger_equals_exchange"] is True
    assert history.count('"order":') >= 10
    assert history.count('"fill":') == summary["fills"]
    assert not (tmp_path / "one" / ".truebook" / "models").exists(), "a replay changes nothing in the registry"


def test_another_latency_makes_another_run(tmp_path: Path, made: Path) -> None:
    digests = {
        lockstep(tmp_path / each, made, TRUEBOOK_PAPER_EXCHANGE__ORDER_LATENCY_US=each)[0]["history_sha256"]
        for each in ("0", "900000")
    }
    assert len(digests) == 2


def test_a_run_may_end_before_the_recording(tmp_path: Path, made: Path) -> None:
    summary, history, _ = lockstep(tmp_path, made, "--for", "15s")
    assert 14 < summary["seconds"] < 20
    first_us, last_us = (json.loads(line)["at_us"] for line in (history.splitlines()[0], history.splitlines()[-1]))
    assert last_us - first_us < 15_000_000
    status = last_json(truebook(tmp_path, "status", "--json", TRUEBOOK_MARKET_DATA="capture").stdout)
    assert status.pop("alive") is False
    assert status == summary


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("--speed", "max"), "needs a recording"), (("--speed", "quick", "--capture", "x"), "speed")],
)
def test_an_impossible_speed_is_refused(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    done = truebook(tmp_path, "run", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_real_session_gives_the_same_run_twice(tmp_path: Path) -> None:
    session = recording("ws", "jfreun123_demo_20260701_session.jsonl")
    one = lockstep(tmp_path / "one", session, PYTHONHASHSEED="1")
    other = lockstep(tmp_path / "other", session, PYTHONHASHSEED="2")
    assert one == other
    assert one[0]["deltas"] == 2_885
    assert one[0]["orders"]["sent"] >= 20


def test_an_imported_recording_gives_the_same_run(tmp_path: Path) -> None:
    first = make_recording(tmp_path / "first", seconds=10)
    import_data(first, tmp_path / "second")
    one, other = (lockstep(tmp_path / f"run-{each.name}", each) for each in (first, tmp_path / "second"))
    assert one[0]["orders"]["sent"] >= 3
    assert one[1:] == other[1:]
    assert one[0]["history_sha256"] == other[0]["history_sha256"]
