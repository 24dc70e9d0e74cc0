"""Limits of losses stop a backtest at the instant at which they stop a run in lock-step."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.equal_runs import both, lines_of
from support.made_recordings import make_recording


@pytest.mark.parametrize("limits", [{"drawdown_micros": 200_000}, {"daily_loss_micros": 1_000}])
def test_a_limit_of_losses_stops_both_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int]
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    ran = both(make_recording(tmp_path / "made", seconds=60, markets=8, seed=11), "maker", limits=limits)
    one = ran.result.passes[0]
    assert lines_of(ran.result) == ran.history
    assert one.refusals["hold"] > 20
    assert one.orders
