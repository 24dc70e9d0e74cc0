"""A ledger that lost its newest changes: the next run restores it from its journal and equals the exchange."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.journals import numbered
from support.processes import Background, last_json, truebook
from truebook.ledger.journal.file import FileJournal
from truebook.ledger.redis.bundled import BundledServer, end_server
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.verbs import NextNumber

STATE = Path(".truebook") / "sim-main-simulated"
SAME = ("--markets", "15", "--seed", "5")
RESTORED = re.compile(r"the ledger lacked its newest (\d+) changes")


def run(folder: Path, seconds: int) -> dict[str, Any]:
    done = truebook(folder, "run", *SAME, "--for", f"{seconds}s", "--json")
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-3000:]
    summary = last_json(done.stdout)
    assert summary["ledger_equals_exchange"] is True, summary
    assert summary["conservation_error_micros"] == summary["adjustments_micros"] == summary["reserved_micros"] == 0
    return {**summary, "restored": RESTORED.findall(done.stderr)}


def entries(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / STATE / "journal.jsonl").read_text().splitlines()]


def put(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.sock"))


@pytest.mark.slow
@pytest.mark.long
def test_a_ledger_put_back_from_an_old_copy_is_restored(tmp_path: Path) -> None:
    run(tmp_path, 6)
    old, here = tmp_path / "old", tmp_path / STATE / "ledger"
    put(here, old)
    at_copy = len(entries(tmp_path))
    before = run(tmp_path, 6)
    assert before["restored"] == []
    at_end = len(entries(tmp_path))
    assert at_end > at_copy + 20, "the second run traded"

    put(old, here)
    restored = run(tmp_path, 3)
    assert restored["restored"] == [str(at_end - at_copy)]
    assert restored["deposits_micros"] == before["deposits_micros"]
    numbers = [entry["seq"] for entry in entries(tmp_path)]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) > at_end
    assert len({entry["ledger_id"] for entry in entries(tmp_path)}) == 1, "one history throughout"


@pytest.mark.slow
@pytest.mark.long
def test_a_ledger_whose_log_is_cut_after_kill_9_is_restored(tmp_path: Path) -> None:
    """Entries in the journal are replayed; the rest is found at the exchange, cancelled and recorded."""
    trader = Background(tmp_path, "run", *SAME)
    trader.wait_for(re.compile(r"fills [1-9]\d*"))
    trader.kill_9()
    end_server(tmp_path / STATE / "ledger")
    log = next((tmp_path / STATE / "ledger" / "appendonlydir").glob("*.incr.aof"))
    with log.open("r+b") as file:
        file.truncate(log.stat().st_size * 2 // 3)
    after = run(tmp_path, 6)
    assert after["restored"], "it was behind"
    assert after["orders"]["sent"] > 0, "it trades again"
    assert after["holds"] == ["wind_down (halted, by embedded)"], "no other hold is left"


async def make_state(folder: Path) -> None:
    """A ledger with a journal of another history beside it."""
    journal = await FileJournal.open(folder / "journal.jsonl")
    await journal.append(numbered(5))
    await journal.aclose()
    server = await BundledServer.start(folder / "ledger")
    ledger = await RedisStore.connect(server.url, "sim-main")
    await ledger.apply(NextNumber(name="actions-epoch"))
    await ledger.aclose()
    await server.stop()


@pytest.mark.slow
@pytest.mark.long
def test_another_ledger_or_a_damaged_journal_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / STATE
    folder.mkdir(parents=True)
    asyncio.run(make_state(folder))
    refused = truebook(tmp_path, "run", *SAME)
    assert refused.returncode == 3
    assert "another history" in refused.stderr and "Traceback" not in refused.stderr
    assert "move the journal away" in refused.stderr

    journal = folder / "journal.jsonl"
    text = bytearray(journal.read_bytes())
    text[300] ^= 1
    journal.write_bytes(text)
    refused = truebook(tmp_path, "run", *SAME)
    assert refused.returncode == 3
    assert "journal.jsonl, line 2:" in refused.stderr and "Traceback" not in refused.stderr

    journal.unlink()
    assert run(tmp_path, 3)["restored"] == [], "continues from the ledger as it is"
    assert entries(tmp_path)[0]["seq"] == 1
