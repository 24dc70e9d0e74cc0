"""``docs/ledger.md`` has a row for every verb with its outcomes, every state, and every reason in order."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

import pytest

from truebook.ledger.verbs import VERBS, OrderState
from truebook.messages.reasons import Reason

PAGE = (Path(__file__).parents[3] / "docs" / "ledger.md").read_text(encoding="utf-8")

SHARED = ("ReportOutcome", "TransferOutcome")
"""Outcomes of several verbs, each of which returns some of them."""


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head."""
    table = PAGE.split(f"\n{heading}\n", 1)[1].split("|", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_every_verb_has_a_row() -> None:
    assert [row[0] for row in rows("## Verbs")] == list(VERBS)


@pytest.mark.parametrize("row", rows("## Verbs"), ids=lambda row: row[0])
def test_a_verbs_row_lists_its_outcomes(row: list[str]) -> None:
    result = VERBS[row[0]].RESULT
    if isinstance(result, type) and issubclass(result, StrEnum) and result.__name__ not in SHARED:
        assert set(re.findall(r"\w+", row[-1])) == set(result)


def test_every_order_state_has_a_row() -> None:
    assert [(row[0], row[-1]) for row in rows("## Order states")] == [
        (state, "yes" if state.holds_slot else "no") for state in OrderState
    ]


def test_the_reasons_of_reserve_are_listed_in_their_order() -> None:
    listed = [row[0] for row in rows("### What `reserve` checks")]
    assert listed == list(Reason)[: list(Reason).index(Reason.CASH) + 1]
