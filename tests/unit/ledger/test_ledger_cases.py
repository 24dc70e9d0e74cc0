"""The rules reproduce the ledger cases exactly."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from support.ledger_cases import CASES, Case, play, read_json_lines
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.rules.ledger import replay


def test_all_tables_are_read() -> None:
    assert len(CASES) >= 87


def test_cases_can_be_read_from_json_lines(tmp_path: Path) -> None:
    (tmp_path / "cases.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(CASES))
    assert read_json_lines(tmp_path / "cases.jsonl") == CASES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_memory_store_reproduces_the_case(case: Case) -> None:
    await play(MemoryStore(), case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_replaying_the_cases_journal_gives_the_same_state(case: Case) -> None:
    store = MemoryStore()
    await play(store, case)
    again = replay(await store.journal())
    assert again.view() == store.ledger.view()
