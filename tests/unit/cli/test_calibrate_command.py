"""``truebook calibrate`` prints the table or one JSON object, and refuses what can't be calibrated in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from truebook.capture.manifest import CaptureError
from truebook_services.cli.amounts import NOT_KNOWN
from truebook_services.cli.calibrate import calibrate

TICKER = "KXTEST-26NOV30-A"
MINUTES = 4


def frame(type_: str, seq: int, at_ms: int, **message: object) -> str:
    msg = {"market_ticker": TICKER, "ts_ms": 1_764_000_000_000 + at_ms, **message}
    return json.dumps({"type": type_, "sid": 1, "seq": seq, "msg": msg})


def record(path: Path, trade_late_ms: int = 0) -> Path:
    """Write a bare recording whose bid and ask are traded every ten seconds."""
    seq = 1
    book = {"yes_dollars_fp": [["0.4000", "10.00"]], "no_dollars_fp": [["0.5900", "10.00"]]}
    frames = [frame("orderbook_snapshot", 1, 0, **book)]
    for number in range(1, MINUTES * 6 + 1):
        side, price, taker = ("yes", "0.4000", "no") if number % 2 else ("no", "0.5900", "yes")
        for delta in ("-10.00", "10.00"):
            change = {"price_dollars": price, "delta_fp": delta, "side": side}
            seq += 1
            frames.append(frame("orderbook_delta", seq, number * 10_000, **change))
        trade = {
            "trade_id": str(number), "yes_price_dollars": "0.4000" if number % 2 else "0.4100", "count_fp": "10.00",
            "taker_side": taker,
        }  # fmt: skip
        text = json.loads(frame("trade", 0, number * 10_000 + trade_late_ms, **trade))
        text.pop("seq")
        frames.append(json.dumps(text | {"sid": 2}))
    path.write_text("\n".join(frames) + "\n")
    return path


def run(*arguments: str) -> Result:
    app = Typer()
    app.command()(calibrate)
    return CliRunner().invoke(app, arguments)


def test_the_table_and_its_notes(tmp_path: Path) -> None:
    result = run(str(record(tmp_path / "session.jsonl")), "--samples", "20", "--size", "5")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].strip() == "40 orders of 5.00 at the best price, followed for 60 s"
    assert any("filled within 60 s" in line and line.count("100.0 %") == 3 for line in lines)
    assert "trades with their change of the book: 24 of 24; received after it: 100.0 %" in lines


def test_exact_pairing_is_not_known_without_equal_times(tmp_path: Path) -> None:
    path = str(record(tmp_path / "session.jsonl", trade_late_ms=1))
    lines = run(path, "--samples", "20", "--size", "5").stdout.splitlines()
    assert "exact pairing: not known; fewer than 90 % of the trades have their change" in lines
    (row,) = [line for line in lines if "with the whole recording known" in line]
    assert row.count(NOT_KNOWN) == 3 and "%" not in row
    found = json.loads(run(path, "--samples", "20", "--json").stdout)
    assert (found["trades_with_delta"], found["trades"]) == (0, 24)
    assert [model["paired"] for model in found["models"]] == [{"count": 0, "value": None, "interval": None}] * 3


def test_the_same_as_json(tmp_path: Path) -> None:
    path = str(record(tmp_path / "session.jsonl"))
    outputs = [run(path, "--samples", "20", "--json", "--seed", "3").stdout for _ in range(2)]
    assert outputs[0] == outputs[1]
    found = json.loads(outputs[0])
    assert found["terms"] == {"seed": 3, "samples": 20, "seconds": 60, "size_centi": 1_000}
    assert [model["queue"] for model in found["models"]] == ["pessimistic", "realistic", "optimistic"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "many"], "not a decimal number"),
        (["--size", "0.001"], "finer than 2 decimals"),
        (["--size", "-1"], "at least 0.01"),
        (["--seconds", "0"], "--seconds"),
        (["--samples", "0"], "--samples"),
    ],
)
def test_bad_options_end_with_code_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = run(str(tmp_path), *arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_a_missing_or_short_recording_is_named(tmp_path: Path) -> None:
    missing = run(str(tmp_path / "missing"))
    assert isinstance(missing.exception, CaptureError)
    path = record(tmp_path / "session.jsonl")
    short = run(str(path), "--seconds", "600")
    assert isinstance(short.exception, CaptureError)
    assert str(short.exception).startswith(f"{path}: no market's book was recorded for more than 600 s")
