"""The rules reproduce the 87 cases to the last number."""

from __future__ import annotations

import pytest

from support.ledger_cases import CASES, Case, play
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.rules import replay


def test_all_cases_are_there() -> None:
    assert len(CASES) == 87


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_memory_store_reproduces_the_case(case: Case) -> None:
    await play(MemoryStore(), case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_replaying_the_journal_of_the_case_gives_the_same_state(case: Case) -> None:
    store = MemoryStore()
    await play(store, case)
    again = replay(await store.journal())
    assert again.view() == store.ledger.view()
