"""A run in which nothing can be traded states so first of all, and by its exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.processes import last_json, truebook

NO_MARKET = {"TRUEBOOK_INGEST__UNIVERSE__MIN_VOLUME_CENTI": "1000000000000"}


@pytest.mark.slow
@pytest.mark.long
def test_a_run_that_can_trade_nothing_states_so_first(tmp_path: Path) -> None:
    done = truebook(tmp_path, "run", "--for", "4s", "--markets", "3", **NO_MARKET)
    assert done.returncode == 5, done.stderr[-3000:]
    first = done.stdout.strip().splitlines()[0]
    assert first.startswith("nothing was traded: no market is selected; `volume` (3 ×)"), done.stdout[:400]
    again = truebook(tmp_path, "run", "--for", "4s", "--json", **NO_MARKET)
    assert last_json(again.stdout)["not_traded"].startswith("nothing was traded: no market is selected")
