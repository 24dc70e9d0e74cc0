"""The start of the page beside a run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from truebook.runtime.settings import TruebookSettings
from truebook_services.dashboard.launch import page_beside


async def test_a_page_that_can_not_be_started_costs_the_run_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    reports: list[str] = []
    async with page_beside(TruebookSettings(state_folder=tmp_path), reports.append):
        reports.append("the run")
    assert reports == ["the page did not start: No such file or directory; trading is not affected", "the run"]
