"""A run on synthetic markets trades both sides; ledger and exchange agree at its end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.processes import environment, last_json, start_exchange, truebook

CHECKER = Path(__file__).parent.parent / "support" / "independent_checker.py"


@pytest.mark.slow
def test_an_embedded_run_trades_both_sides_and_ends_with_true_books(tmp_path: Path) -> None:
    done = truebook(tmp_path, "run", "--for", "25s", "--markets", "30", "--seed", "7", "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    summary = last_json(done.stdout)
    assert summary["orders"]["sent"] >= 50
    assert summary["orders"]["cancelled"] >= 1
    assert summary["fills"] >= 10
    assert set(summary["fills_by_side"]) == {"bid", "ask"}
    assert summary["reserved_micros"] == summary["conservation_error_micros"] == summary["adjustments_micros"] == 0
    assert summary["ledger_equals_exchange"] is True
    assert summary["differences"] == summary["unresolved_orders"] == []
    if summary["unrealized_micros"] is None:  # a market has closed at this moment, and its outcome is not known yet
        assert summary["unvalued_markets"] and summary["equity_micros"] is None
    else:
        parts = summary["realized_micros"] + summary["unrealized_micros"] - summary["fees_micros"]
        assert summary["equity_micros"] == summary["deposits_micros"] + parts

    again = truebook(tmp_path, "run", "--for", "5s", "--json")
    assert again.returncode == 0, again.stderr[-3000:]
    assert last_json(again.stdout)["deposits_micros"] == summary["deposits_micros"], "the second run continues"


@pytest.mark.slow
@pytest.mark.long
def test_an_independent_checker_finds_the_same_money(tmp_path: Path) -> None:
    exchange, url, key_id, key_file = start_exchange(tmp_path, "--port", "0", "--markets", "20", "--seed", "3")
    try:
        done = truebook(
            tmp_path, "run", "--exchange", url, "--for", "15s", "--json",
            TRUEBOOK_KEY_ID=key_id, TRUEBOOK_KEY_FILE=str(key_file),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        summary = tmp_path / "summary.json"
        summary.write_text(json.dumps(last_json(done.stdout)))
        check = subprocess.run(
            [sys.executable, "-I", str(CHECKER), url, key_id, str(key_file), str(summary)],
            env=environment(), capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert check.returncode == 0, check.stdout + check.stderr
        assert last_json(check.stdout)["fills"] == last_json(done.stdout)["fills"] > 0
    finally:
        exchange.interrupt()
