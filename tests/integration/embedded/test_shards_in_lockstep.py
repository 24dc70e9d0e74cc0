"""A trader with its cash on one exchange shard, and markets on three: in virtual time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.made_recordings import make_recording
from support.processes import last_json, truebook

SHARD_OF = {"SIMCUP": 2, "SIMRATE": 3, "SIMFLASH": 3}
SETTINGS = {
    "TRUEBOOK_PAPER_EXCHANGE__SHARDS": '["2:SIMCUP","3:SIMRATE+SIMFLASH"]',
    "TRUEBOOK_RECONCILER__TREASURER__INTERVAL_S": "1",
    "TRUEBOOK_RECONCILER__TREASURER__MAX_TRANSFER_MICROS": "400000000",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recording(tmp_path_factory.mktemp("made") / "recording", seconds=10, markets=20)


def traded(folder: Path, made: Path, *, with_treasurer: bool) -> tuple[dict[str, Any], set[int]]:
    """Return a run's summary, and the shards on which its orders were filled."""
    switch = {"TRUEBOOK_RECONCILER__TREASURER__ENABLED": str(with_treasurer).lower()}
    done = truebook(folder, "run", "--capture", str(made), "--speed", "max", "--json", **SETTINGS, **switch)
    assert done.returncode == 0, done.stderr[-3000:]
    (history,) = folder.glob(".truebook/*/history.jsonl")
    rows = [json.loads(line) for line in history.read_text().splitlines()]
    filled = [row["order"] for row in rows if "order" in row and row["filled"] != "0.00"]
    return last_json(done.stdout), {SHARD_OF.get(ticker.partition("-")[0], 0) for ticker in filled}


def test_every_shard_is_traded_after_the_treasurers_transfers(tmp_path: Path, made: Path) -> None:
    summary, shards = traded(tmp_path, made, with_treasurer=True)
    assert shards == {0, 2, 3}
    cash = {shard["exchange_index"]: shard["cash_micros"] for shard in summary["shards"]}
    assert sorted(cash) == [0, 2, 3] and min(cash.values()) > 0
    assert summary["ledger_equals_exchange"] is True and summary["differences"] == []
    assert (summary["conservation_error_micros"], summary["in_transit_micros"]) == (0, 0)
    assert summary["transfers"] == [] and summary["deposits_micros"] == 1_000_000_000


def test_without_transfers_only_the_default_shard_is_traded(tmp_path: Path, made: Path) -> None:
    summary, shards = traded(tmp_path, made, with_treasurer=False)
    assert shards == {0}
    assert summary["ledger_equals_exchange"] is True
