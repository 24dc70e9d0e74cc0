"""A replay by the history of a registry switches where the run had switched: in lock-step and in a backtest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.equal_runs import Silent, check_equal
from support.made_recordings import make_recording
from truebook.models.errors import HistoryRefused
from truebook.models.history import HISTORY, ChangeKind, read_changes
from truebook.models.registry import ModelRegistry
from truebook.runtime.context import Context
from truebook.runtime.settings import load
from truebook_services.embedded import run, system
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.policy.active_model import ActiveModel

SWITCH_AFTER_US = 20_000_000


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Switching(ActiveModel):
    """The model in use of a live run, and an operator who activates ``small`` some time after its start."""

    def __init__(self, context: Context, settings: EmbeddedSettings, registry: ModelRegistry, _: Any) -> None:
        super().__init__(context, settings.policy, registry)
        self._models = registry
        self._clock = context.clock
        self._at_us = context.clock.now_us() + SWITCH_AFTER_US

    async def follow_registry(self) -> None:
        if self._clock.now_us() >= self._at_us and self._models.active_name() != "small":
            self._models.activate("small")
        await super().follow_registry()


def record(recording: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[dict[str, Any]]]:
    """Run as a live system does, with a switch; return the registry's history, and the run's orders and fills."""
    settings = load(EmbeddedSettings, capture=recording, speed="max", fresh=True)
    with monkeypatch.context() as patch:
        patch.setattr(system, "_active_model", Switching)
        code, _ = run.run_to_end(settings, Silent())
    assert code == 0
    lines = (settings.state_path / run.HISTORY).read_text().splitlines()
    return settings.models_path / HISTORY, [json.loads(line) for line in lines]


def test_replays_switch_at_the_recorded_observation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_recording(tmp_path / "made", seconds=40, markets=6, seed=11)
    history, traded = record(made, monkeypatch)
    uses = [each for each in read_changes(history) if each.kind is ChangeKind.IN_USE]
    assert [each.model and each.model.name for each in uses] == ["maker", "small"]
    ran = check_equal(made, "", model_history=history)
    assert ran.history == traded
    point = next(number for number, each in enumerate(ran.decided) if each.observation_id == uses[1].observation_id)
    models = [each.model for each in ran.decided]
    assert models == ["maker"] * point + ["small"] * (len(models) - point)
    assert 20 < point < len(models) - 20
    [switch] = ran.result.passes[0].switches
    assert (switch.name, switch.observation_id, switch.is_exact) == ("small", uses[1].observation_id, True)


def test_the_history_of_another_recording_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_recording(tmp_path / "made", seconds=30, markets=2, seed=3)
    history, _ = record(made, monkeypatch)
    lines = [json.loads(line) for line in history.read_text().splitlines()]
    for line in lines:
        line["observed_us"] = line.get("observed_us", 0) + 86_400_000_000
    history.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(HistoryRefused, match=r"it is the history of another recording"):
        check_equal(made, "", model_history=history)
