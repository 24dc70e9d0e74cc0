"""Which model decides when, by the history of a registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.observations import observation
from support.onnx_files import onnx_bytes
from truebook.messages.observations import Observation
from truebook.models.errors import HistoryRefused
from truebook.models.history import HISTORY, Change, ChangeKind, ModelVersion, append_change
from truebook.models.recorded_use import RecordedUses, UseCursor, load_uses
from truebook.models.registry import ModelRegistry

SECOND = 1_000_000
RECORDED_US = (100 * SECOND, 200 * SECOND)


class History:
    """A registry with the bundled models, and a history of uses."""

    def __init__(self, folder: Path) -> None:
        self.registry = ModelRegistry(folder)
        self.path = folder / HISTORY
        self._previous: ModelVersion | None = None

    def add(self, name: str | None, at_us: int, observation_id: str = "x", **changed: Any) -> None:
        """Record that a model of the registry decided from an observation on."""
        sha256 = "" if name is None else self.registry.load(name).metadata.sha256
        model = None if name is None else ModelVersion(name, sha256)
        change = Change(
            at_us=at_us + 5, kind=ChangeKind.IN_USE, model=model, previous=self._previous, by="policy",
            observation_id=observation_id, observed_us=at_us,
        )  # fmt: skip
        append_change(self.registry.folder, msgspec.structs.replace(change, **changed))
        self._previous = model

    def load(self, **window: Any) -> RecordedUses:
        return load_uses(self.path, [self.registry], recorded_us=RECORDED_US, **window)


def at(at_us: int, name: str = "other") -> Observation:
    return observation(id=name, produced_us=at_us)


def models_of(uses: RecordedUses, *batches: list[Observation]) -> list[list[tuple[str | None, int]]]:
    """Return the parts of each batch: the model's name and the number of observations."""
    cursor = UseCursor(uses)
    return [
        [(None if model is None else model.metadata.name, len(part)) for model, part in cursor.parts(batch)]
        for batch in batches
    ]


def test_the_recorded_observation_divides_its_batch(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.add("maker", 100 * SECOND, "first")
    history.add("small", 150 * SECOND, "second")
    now_us = 150 * SECOND
    batch = [at(now_us, "a"), at(now_us, "second"), at(now_us, "b")]
    found = models_of(history.load(), [at(100 * SECOND, "first")], batch, [at(now_us, "c")])
    assert found == [[("maker", 1)], [("maker", 1), ("small", 2)], [("small", 1)]]


def test_an_earlier_observation_with_the_same_id_is_no_point(tmp_path: Path) -> None:
    """An unchanged book is observed again, with the same id."""
    history = History(tmp_path)
    history.add("maker", 100 * SECOND, "first")
    history.add("small", 150 * SECOND, "same")
    found = models_of(history.load(), [at(140 * SECOND, "same")], [at(150 * SECOND, "same")])
    assert found == [[("maker", 1)], [("small", 1)]]


def test_without_the_recorded_id_the_switch_is_after_its_time(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.add("maker", 100 * SECOND)
    history.add("small", 150 * SECOND)
    cursor = UseCursor(history.load())
    before, after = [at(150 * SECOND)], [at(150 * SECOND + 1)]
    names = [model and model.metadata.name for batch in (before, after) for model, _ in cursor.parts(batch)]
    assert names == ["maker", "small"]
    assert [(each.name, each.is_exact) for each in cursor.switches] == [("small", False)]


def test_from_a_stop_on_no_model_decides(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.add("maker", 100 * SECOND, "first")
    history.add(None, 120 * SECOND, "stop")
    history.add("maker", 130 * SECOND, "again")
    found = models_of(
        history.load(), [at(119 * SECOND)], [at(120 * SECOND, "stop")], [at(125 * SECOND)], [at(131 * SECOND)]
    )
    assert found == [[("maker", 1)], [(None, 1)], [(None, 1)], [("maker", 1)]]


def test_a_window_begins_with_the_model_of_then(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.add("hold", 50 * SECOND)
    history.add("maker", 120 * SECOND)
    history.add("small", 150 * SECOND)
    assert history.load().first.metadata.name == "hold"
    within = history.load(from_us=130 * SECOND, to_us=140 * SECOND)
    assert (within.first.metadata.name, within.points) == ("maker", ())


def test_before_the_first_point_the_previous_model_decides(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.add("small", 150 * SECOND, previous=ModelVersion("hold", ModelRegistry(tmp_path).load("hold").identity[1]))
    assert history.load().first.metadata.name == "hold"


def test_a_model_is_found_by_its_digest_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "mine.onnx").write_bytes(onnx_bytes())
    history = History(tmp_path)
    history.add("mine", 120 * SECOND)
    (tmp_path / "mine.onnx").rename(tmp_path / "renamed.onnx")
    assert history.load().first.metadata.name == "test"


def test_a_model_that_was_trained_again_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "mine.onnx").write_bytes(onnx_bytes())
    history = History(tmp_path)
    history.add("mine", 120 * SECOND)
    (tmp_path / "mine.onnx").write_bytes(onnx_bytes(bias=1.0))
    with pytest.raises(HistoryRefused, match=r"mine with the SHA-256 .* from 1970-01-01T00:02:00Z .*other bytes now"):
        history.load()
    (tmp_path / "mine.onnx").unlink()
    with pytest.raises(HistoryRefused, match=r"none of that name.*: put its file as mine\.onnx into"):
        history.load()


@pytest.mark.parametrize("at_us", [50 * SECOND, 300 * SECOND])
def test_a_history_without_a_point_in_the_recording_is_refused(tmp_path: Path, at_us: int) -> None:
    history = History(tmp_path)
    history.add("maker", at_us)
    with pytest.raises(HistoryRefused, match=r"the history of another recording; .* give --model NAME"):
        history.load()


def test_a_torn_line_is_refused(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.add("maker", 120 * SECOND)
    with history.path.open("a") as file:
        file.write('{"at_us": 1')
    with pytest.raises(HistoryRefused, match=r"1 of its lines can't be read \(line 2\): a switch may be missing"):
        history.load()


def test_a_history_without_uses_is_refused(tmp_path: Path) -> None:
    change = {"at_us": 1, "kind": "activated", "model": {"name": "maker", "sha256": "aa"}}
    (tmp_path / HISTORY).write_text(json.dumps(change) + "\n")
    with pytest.raises(HistoryRefused, match="no policy has recorded in it"):
        History(tmp_path).load()
