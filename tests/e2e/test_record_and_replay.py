"""A recording of a running exchange, and a run on it after which ledger and exchange agree."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from support.processes import Background, last_json, start_exchange, truebook

PROGRESS = re.compile(r"\d s +[\d,]+ frames of \d+ markets")


@pytest.mark.slow
def test_a_session_is_recorded_and_traded_again(tmp_path: Path) -> None:
    exchange, url, _, _ = start_exchange(tmp_path, "--port", "0", "--markets", "20")
    try:
        endless = Background(tmp_path, "record", "--out", "short", "--exchange", url)
        recorded = truebook(tmp_path, "record", "--out", "session", "--for", "10s", "--exchange", url)
        assert recorded.returncode == 0, recorded.stderr[-3000:]
        assert PROGRESS.search(recorded.stderr)

        unlisted = truebook(tmp_path, "record", "--out", "other", "--market", "NOSUCH", "--exchange", url)
        assert (unlisted.returncode, "lists no market NOSUCH" in unlisted.stderr) == (2, True), unlisted.stderr[-3000:]
        assert not (tmp_path / "other").exists()
        again = truebook(tmp_path, "record", "--out", "session", "--for", "1s", "--exchange", url)
        assert again.returncode == 2
        assert "not empty" in again.stderr

        endless.wait_for(PROGRESS)
        assert endless.interrupt() == 0
        assert json.loads((tmp_path / "short" / "manifest.json").read_text())["complete"] is True
    finally:
        exchange.interrupt()

    manifest = json.loads((tmp_path / "session" / "manifest.json").read_text())
    assert manifest["complete"] is True
    assert manifest["files"]["frames-0001.jsonl.zst"]["lines"] > 100
    done = truebook(tmp_path, "run", "--capture", "session", "--speed", "5", "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    summary = last_json(done.stdout)
    assert summary["market_data"] == "capture"
    assert summary["markets"] >= 20
    assert summary["deltas"] > 50
    assert summary["orders"]["sent"] >= 10
    assert summary["ledger_equals_exchange"] is True

    lockstep = truebook(tmp_path, "run", "--capture", "session", "--speed", "max", "--json")
    assert lockstep.returncode == 0, lockstep.stderr[-3000:]
    # On a busy machine the live run's summary may skip messages; the lock-step run waits for each.
    assert 0 <= last_json(lockstep.stdout)["deltas"] - summary["deltas"] <= summary["skipped_messages"]


def test_without_an_exchange_or_a_key_nothing_is_recorded(tmp_path: Path) -> None:
    nowhere = truebook(tmp_path, "record", "--out", "session", "--exchange", "http://127.0.0.1:1")
    assert nowhere.returncode == 2
    assert "TRUEBOOK_KEY_ID" in nowhere.stderr
    assert not (tmp_path / "session").exists()
    elsewhere = truebook(tmp_path, "record", "--out", "session", "--exchange", "https://external-api.kalshi.com")
    assert elsewhere.returncode == 4
