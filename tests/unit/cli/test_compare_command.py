"""``truebook report``, ``compare`` and ``splits``: files, output, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from support.backtest_results import result, with_profits
from support.made_recordings import make_recording
from support.random_backtest import random_result
from truebook.backtest.errors import MissingLibrary
from truebook.backtest.result import BacktestResult, write_result
from truebook_services.cli.__main__ import app
from truebook_services.cli.exit_codes import EXIT_CODES
from truebook_services.serving.exit_codes import exit_code


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def command(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def code_and_error(done: Result) -> tuple[int | None, str]:
    """What the entry point makes of an error: see ``exit_with_one_line``."""
    assert done.exception is not None
    return exit_code(done.exception, EXIT_CODES), str(done.exception)


def save(name: str, whole: BacktestResult) -> None:
    write_result(Path(name), whole)


def faster(whole: BacktestResult) -> BacktestResult:
    settings = msgspec.structs.replace(whole.settings, order_latency_us=6_000, latency="hosted")
    return msgspec.structs.replace(whole, settings=settings)


def test_a_report_is_a_page_and_its_numbers(folder: Path) -> None:
    save("base", random_result(2))
    save("fast", faster(random_result(2)))
    done = command("report", "base", "--variant", "fast", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {"page": "base/report.html", "numbers": "base/report.json"}
    assert [each["label"] for each in json.loads((folder / "base/report.json").read_bytes())["latency"]] == [
        "6 ms (hosted)", "100 ms (home)",
    ]  # fmt: skip
    assert command("report", "base/result.json", "--out", "pages/one.html").stdout == "pages/one.html\npages/one.json\n"
    assert sorted(path.name for path in (folder / "pages").iterdir()) == ["one.html", "one.json"]


def test_a_comparison_is_a_table_and_an_object(folder: Path) -> None:
    save("a", result(with_profits({f"E{number}-1": (-1) ** number * 300_000 for number in range(8)})))
    save(
        "b",
        result(
            with_profits({f"E{number}-1": (-1) ** number * 300_000 + 50_000 + 1_000 * number for number in range(8)})
        ),
    )
    done = command("compare", "a", "b")
    assert done.exit_code == 0
    assert "b: better than a beyond luck, under the only common queue model, realistic\n" in done.stdout
    assert "+$0.43" in done.stdout
    (found,) = json.loads(command("compare", "a", "b", "--json").stdout)["comparisons"]
    assert (found["outcome"], found["passes"][0]["difference_micros"]) == ("better", 428_000)


def test_a_model_with_probabilities_is_compared_by_them_too(folder: Path) -> None:
    save("a", random_result(8))
    save("b", faster(random_result(8)))
    printed = command("compare", "a", "b").stdout
    assert "(8 events, 480 prediction pairs)" in printed
    assert "also differs: order_latency_us: 100000 / 6000" in printed


def test_results_of_other_data_exit_with_one(folder: Path) -> None:
    save("a", result(with_profits({"A-1": 1})))
    save("b", result(with_profits({"A-1": 1}), data={"sha256": "0" * 64}))
    code, error = code_and_error(command("compare", "a", "b"))
    assert code == 1
    assert error.startswith("b: other data than a (recording, sha256 000000000000, not recording, dddddddddddd)")
    code, error = code_and_error(command("report", "a", "--variant", "b"))
    assert (code, error.startswith("b: other data than this result")) == (1, True)
    assert list(Path("a").iterdir()) == [Path("a/result.json")], "nothing half-written"


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "No such file"), (b"{", "no result of a backtest"), (b'{"format": 9}', "format 9 is not 1")],
)
def test_an_unreadable_result_exits_with_one(folder: Path, content: bytes | None, problem: str) -> None:
    if content is not None:
        Path("a").mkdir()
        Path("a/result.json").write_bytes(content)
    for arguments in (("report", "a"), ("compare", "a", "a")):
        code, error = code_and_error(command(*arguments))
        assert code == 1
        assert problem in error


def test_wrong_usage_exits_with_two(folder: Path) -> None:
    save("a", result(with_profits({"A-1": 1})))
    assert code_and_error(command("compare", "a"))[0] == 2
    assert code_and_error(command("report", "a", "--out", "page.json"))[0] == 2
    assert exit_code(MissingLibrary("install truebook[research]"), EXIT_CODES) == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("a", "--out", "a/result.html"), ("a", "--out", "b/result.html"), ("a/own.json", "--out", "a/own.html"),
        ("a", "--variant", "a/own.json", "--out", "b/../a/own.html"), ("report.json",),
    ],
)  # fmt: skip
def test_a_report_never_replaces_a_result(folder: Path, arguments: tuple[str, ...]) -> None:
    save("a", random_result(1))
    save("b", random_result(1))
    content = Path("a/result.json").read_bytes()
    for copy in ("a/own.json", "report.json"):
        Path(copy).write_bytes(content)
    code, error = code_and_error(command("report", *arguments))
    assert (code, "choose another name" in error) == (2, True)
    assert {path.read_bytes() for path in folder.rglob("*.json")} == {content}
    assert not list(folder.rglob("*.html"))


def test_a_recording_is_split_by_time(folder: Path) -> None:
    make_recording(folder / "data", seconds=4, markets=3)
    done = command("splits", "data", "--train", "0.5s", "--test", "0.25s", "--embargo", "0.25s", "--json")
    first, second, *_ = json.loads(done.stdout)["splits"]
    assert first["test"]["from_us"] - first["train"]["to_us"] == 250_000
    assert second["test"]["from_us"] == first["test"]["to_us"]
    assert first["train"]["markets"] == [], "each market has data beyond the window"
    printed = command("splits", "data", "--train", "1s", "--test", "0.5s", "--expanding").stdout
    assert printed == "2 splits without a market in train or test not shown (--json has all)\n"
    code, error = code_and_error(command("splits", "data", "--train", "1h", "--test", "1s"))
    assert (code, "use shorter windows" in error) == (2, True)
