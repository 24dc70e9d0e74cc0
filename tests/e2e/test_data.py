"""``truebook data``: import, list and verify as a user types them, by the command's own entry point."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.recorded_data import SESSION, T, delta, write_markets, write_wrapped
from truebook.capture.importers.importing import import_data
from truebook_services.cli.__main__ import main

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run the command in this process and an empty folder: (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["truebook", "data", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


def test_data_is_imported_listed_and_verified(cli: Cli) -> None:
    write_markets(Path("in"))
    write_wrapped(Path("in"), SESSION[1:])
    code, out, err = cli("import", "in", "--out", "day")
    assert (code, err) == (0, "")
    assert "6 events of 1 markets imported into day (format wrapped)" in out
    assert re.search(rf"{T} .* 3 .* 1 .* 1\.0000", cli("info", "day")[1])
    found = json.loads(cli("info", "day", "--json")[1])
    assert (found["deltas"], found["markets"][0]["settlement_cc"]) == (3, 10_000)
    code, out, _ = cli("verify", "day")
    assert (code, out.splitlines()[-1]) == (0, "consistent")


def test_a_difference_is_exit_code_1(cli: Cli) -> None:
    write_wrapped(Path("in"))
    imported = json.loads(cli("import", "in", "--out", "day", "--format", "wrapped", "--json")[1])
    assert (imported["events"], imported["assumed"]) == (7, [T])
    code, out, _ = cli("verify", "day")
    assert code == 1
    assert f"differs: {T} at 2025-11-25T00:00:00.1Z: 2 levels, bid 0.5000 has 10.00 in the" in out
    code, out, _ = cli("verify", "day", "--json")
    assert (code, json.loads(out)["consistent"]) == (1, False)


def test_an_invalid_line_is_one_message(cli: Cli) -> None:
    write_wrapped(Path("in"), [*SESSION, delta(500, 140, "55", "1.00")])
    code, _, err = cli("import", "in", "--out", "day")
    assert code == 2
    assert re.fullmatch(r"truebook: .*2025-11-25\.ndjson\.gz, line 8: .*\n", err)
    assert [one.name for one in Path().iterdir()] == ["in"]


def test_ctrl_c_leaves_nothing_half_written(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wrapped(Path("in"))

    def interrupted(*arguments: object, **options: object) -> object:
        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        return import_data(*arguments, **{**options, "progress": interrupt})  # type: ignore[arg-type]

    monkeypatch.setattr("truebook_services.cli.data.import_data", interrupted)
    monkeypatch.setattr("truebook.capture.importers.importing.REPORT_EVERY", 3)
    code, _, err = cli("import", "in", "--out", "day")
    assert (code, err) == (130, "truebook: interrupted; nothing was written\n")
    assert [one.name for one in Path().iterdir()] == ["in"]
