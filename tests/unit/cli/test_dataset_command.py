"""``truebook dataset`` prints what it wrote as tables or one JSON object, and refuses wrong arguments in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from support.made_tapes import make_tape
from truebook.backtest.errors import DatasetError
from truebook_services.cli.dataset import dataset
from truebook_services.cli.errors import UsageError


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tape(tmp_path_factory.mktemp("tapes") / "tape", markets=1)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    app = Typer()
    app.command()(dataset)
    return CliRunner().invoke(app, arguments)


def test_the_tables_have_rows_and_labels(tape: Path) -> None:
    result = run(str(tape), "--out", "set.parquet", "--labels", "mid,outcome", "--horizons", "2s")
    assert result.exit_code == 0, result.output
    rows = pq.read_table("set.parquet").num_rows
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"{rows:,} rows of layout m1 in set.parquet, from 2025-")
    assert any("mid_move_2s_half_cc" in line for line in lines)
    assert any("KXMADE-26NOV01-A" in line and "0.0000" in line for line in lines)
    assert "filled" not in result.stdout


def test_a_longer_throttle_and_another_layout(tape: Path) -> None:
    counts = []
    for throttle in ("0.25s", "2s"):
        result = run(str(tape), "--out", "set.parquet", "--layout", "c52", "--throttle", throttle, "--json")
        found = json.loads(result.stdout)
        counts.append(found["rows"])
        assert found["layout"] == "c52"
        assert found["known"]["outcome_cc"] == found["rows"]
        assert found["markets"] == [{"ticker": "KXMADE-26NOV01-A", "rows": found["rows"], "outcome_cc": 0}]
    assert 60 < counts[1] < 90 < counts[0] / 4


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--labels", "mid,profit"), "give some of mid, fill, outcome"),
        (("--horizons", "0.5s"), "whole number of seconds from 1 to 3600"),
        (("--layout", "m9"), "unknown layout 'm9'; available:"),
    ],
)
def test_wrong_arguments_are_explained(tape: Path, arguments: tuple[str, ...], expected: str) -> None:
    result = run(str(tape), "--out", "set.parquet", *arguments)
    assert isinstance(result.exception, UsageError)
    assert expected in str(result.exception)
    assert not Path("set.parquet").exists()


def test_another_file_is_named_in_the_error(tape: Path) -> None:
    Path("notes.parquet").write_text("notes")
    result = run(str(tape), "--out", "notes.parquet")
    assert isinstance(result.exception, DatasetError)
    assert "notes.parquet: exists and is no data set" in str(result.exception)
