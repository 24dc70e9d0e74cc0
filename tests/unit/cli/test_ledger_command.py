"""``truebook ledger verify``: what it prints and how it exits."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from support.journals import LOG, numbered
from truebook.ledger.journal.file import FileJournal
from truebook.ledger.journal.upkeep import JournalUpkeep, Retention
from truebook_services.cli.__main__ import app
from truebook_services.cli.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder of an account whose journal has lost its first entries to retention."""
    monkeypatch.chdir(tmp_path)
    state = tmp_path / ".truebook" / "sim-main-simulated"
    state.mkdir(parents=True)
    return state


async def write(folder: Path, entries: int, *, trim: bool) -> None:
    journal = await FileJournal.open(folder / "journal.jsonl", segment_bytes=4_000)
    for first in range(1, entries, 10):
        await journal.append(numbered(10, first=first))
    if trim:
        await JournalUpkeep(journal, Retention(max_bytes=0, max_days=30), LOG, lambda: 0).run()
    await journal.aclose()


def verify(*options: str) -> Result:
    return CliRunner().invoke(app, ["ledger", "verify", *options])


def test_a_sound_journal_is_verified(folder: Path) -> None:
    asyncio.run(write(folder, 30, trim=False))
    done = verify()
    assert done.exit_code == 0
    assert "30 entries (1 to 30)" in done.output and "from the first entry on" in done.output
    assert json.loads(verify("--json").output)["journal"]["is_replayed"] is True


def test_what_was_removed_is_stated(folder: Path) -> None:
    asyncio.run(write(folder, 100, trim=True))
    done = verify()
    assert done.exit_code == 0
    assert "not checked: entries 1 to" in done.output and "from the anchor after entry" in done.output


def test_a_damaged_journal_exits_with_1_and_names_the_line(folder: Path) -> None:
    asyncio.run(write(folder, 10, trim=False))
    content = bytearray((folder / "journal.jsonl").read_bytes())
    content[700] ^= 1
    (folder / "journal.jsonl").write_bytes(content)
    done = verify()
    assert done.exit_code == 1
    assert "PROBLEM:" in done.output and "journal.jsonl, line 4:" in done.output.replace("\n", " ")
    assert json.loads(verify("--json").output)["journal"]["entries"] == 3


def test_without_a_journal_the_command_is_refused(folder: Path) -> None:
    assert isinstance(verify().exception, UsageError)
