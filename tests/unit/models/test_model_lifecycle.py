"""Shadow, promotion and automatic roll-back in the registry, and the history of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.onnx_files import onnx_bytes
from truebook.clock import ManualClock
from truebook.models.errors import ModelRefused, NotRecorded, RegistryBusy
from truebook.models.guard import Breach, BreachKind
from truebook.models.history import HISTORY, ChangeKind, ModelVersion, read_changes
from truebook.models.pointer import Failure, Pointer, PointerFile
from truebook.models.registry import ModelRegistry

BREACH = Breach(BreachKind.FAILURES, "10 failed batches within 60 s")


def put(folder: Path, name: str, bias: float = 0.0) -> str:
    content = onnx_bytes(bias=bias)
    (folder / f"{name}.onnx").write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def pointer_of(registry: ModelRegistry) -> Pointer:
    pointer = registry.pointer()
    assert pointer is not None
    return pointer


def failure(registry: ModelRegistry) -> Failure:
    return Failure(model=pointer_of(registry).active, at_us=5, by="policy", breach=BREACH)


def test_a_shadow_changes_no_active_model(tmp_path: Path) -> None:
    sha256 = put(tmp_path, "mine")
    registry = ModelRegistry(tmp_path, clock=ManualClock())
    registry.set_shadow("mine")
    put(tmp_path, "mine", bias=1.0)  # trained again: the shadow keeps its bytes
    pointer = pointer_of(ModelRegistry(tmp_path))
    assert (pointer.active.name, pointer.shadow) == ("maker", ModelVersion("mine", sha256))
    assert registry.version(ModelVersion("mine", sha256)).metadata.sha256 == sha256
    assert registry.remove_shadow()
    assert not registry.remove_shadow()
    assert pointer_of(registry).shadow is None


def test_the_active_model_is_no_shadow(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    with pytest.raises(ModelRefused, match="a shadow must be another one"):
        registry.set_shadow("maker")
    assert registry.pointer() is None


def test_a_promoted_shadow_is_active_and_no_shadow_any_more(tmp_path: Path) -> None:
    sha256 = put(tmp_path, "mine")
    registry = ModelRegistry(tmp_path)
    with pytest.raises(ModelRefused, match="there is no shadow"):
        registry.promote_shadow(evidence="none")
    registry.set_shadow("mine")
    put(tmp_path, "mine", bias=1.0)
    assert registry.promote_shadow(evidence="2 h").metadata.sha256 == sha256
    pointer = pointer_of(registry)
    assert (pointer.active.sha256, pointer.shadow) == (sha256, None)
    assert registry.roll_back().metadata.name == "maker"


def test_a_failure_rolls_back_once_and_is_kept(tmp_path: Path) -> None:
    put(tmp_path, "mine")
    registry = ModelRegistry(tmp_path)
    registry.activate("mine")
    failed = failure(registry)
    assert PointerFile(tmp_path).roll_back(6, failed) is not None
    assert PointerFile(tmp_path).roll_back(7, failed) is None, "another policy has the same failure"
    pointer = pointer_of(registry)
    assert (pointer.active.name, pointer.rolled_back, pointer.active_since_us) == ("maker", failed, 6)
    registry.activate("small")
    assert pointer_of(registry).rolled_back is None


def test_without_an_earlier_model_the_failed_one_is_stopped(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    version = ModelVersion("maker", registry.active().metadata.sha256)
    failed = Failure(model=version, at_us=5, by="policy", breach=BREACH)
    PointerFile(tmp_path).roll_back(6, failed)
    assert pointer_of(registry).stopped == failed
    assert PointerFile(tmp_path).roll_back(7, failed) is None
    registry.activate("maker")
    assert pointer_of(registry).stopped is None, "an operator decided that it may run again"


def test_each_change_is_one_line_of_the_history(tmp_path: Path) -> None:
    put(tmp_path, "mine")
    clock = ManualClock(1_000)
    registry = ModelRegistry(tmp_path, clock=clock)
    registry.set_shadow("mine")
    registry.promote_shadow(evidence="2 h, +$1 to +$3")
    PointerFile(tmp_path).roll_back(2_000, failure(registry))
    with (tmp_path / HISTORY).open("ab") as file:
        file.write(b'{"at_us": 3, "kin\n')
    with (tmp_path / HISTORY).open("ab") as file:
        file.write(b'{"at_us": 4, "ki')  # without an end: the next line is read nevertheless
    registry.activate("small")
    found = read_changes(tmp_path / HISTORY)
    assert [(each.kind, each.model and each.model.name, each.by) for each in found] == [
        (ChangeKind.SHADOW_SET, "mine", "operator"),
        (ChangeKind.PROMOTED, "mine", "operator"),
        (ChangeKind.ROLLED_BACK, "maker", "policy"),
        (ChangeKind.ACTIVATED, "small", "operator"),
    ]
    assert [each.evidence for each in found if each.evidence] == ["2 h, +$1 to +$3"]
    assert [each.reason for each in found if each.reason] == [BREACH.text]
    assert read_changes(tmp_path / "missing") == ()


def test_copies_that_nothing_refers_to_are_removed(tmp_path: Path) -> None:
    shadow = put(tmp_path, "mine")
    registry = ModelRegistry(tmp_path)
    registry.set_shadow("mine")
    assert shadow in {path.stem for path in (tmp_path / "versions").iterdir()}
    registry.remove_shadow()
    assert shadow not in {path.stem for path in (tmp_path / "versions").iterdir()}


@pytest.mark.parametrize(
    "change",
    [
        lambda registry: registry.activate("small"),
        lambda registry: registry.set_shadow("small"),
        lambda registry: registry.remove_shadow(),
        lambda registry: registry.promote_shadow(evidence=""),
        lambda registry: registry.roll_back(),
        lambda registry: registry.files.roll_back(6, failure(registry)),
    ],
)
def test_no_other_process_changes_the_registry_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[ModelRegistry], Any]
) -> None:
    put(tmp_path, "mine")
    put(tmp_path, "other", bias=1.0)
    registry = ModelRegistry(tmp_path)
    registry.activate("mine")
    registry.set_shadow("other")
    write, refused = PointerFile.write, []

    def written(files: PointerFile, *arguments: Any) -> None:
        monkeypatch.setattr(PointerFile, "write", write)
        for meanwhile in (lambda: ModelRegistry(tmp_path).activate("hold"), lambda: PointerFile(tmp_path).roll_back(7)):
            with pytest.raises(RegistryBusy, match="another process holds this lock"):
                meanwhile()
            refused.append(True)
        write(files, *arguments)

    monkeypatch.setattr("truebook.models.pointer._LOCK_TRIES", 1)
    monkeypatch.setattr(PointerFile, "write", written)
    change(registry)
    assert refused == [True, True]
    ModelRegistry(tmp_path).activate("hold")


def test_an_operators_roll_back_does_not_follow_an_automatic_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "mine")
    registry = ModelRegistry(tmp_path)
    registry.activate("small")
    registry.activate("mine")
    load = registry.version

    def loaded(version: ModelVersion) -> Any:
        PointerFile(tmp_path).roll_back(6, failure(registry))
        return load(version)

    monkeypatch.setattr(registry, "version", loaded)
    with pytest.raises(ModelRefused, match="mine is not active any more, small is"):
        registry.roll_back()
    assert pointer_of(registry).active.name == "small"


def test_a_shadow_that_was_replaced_meanwhile_is_not_promoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "mine")
    registry = ModelRegistry(tmp_path)
    registry.set_shadow("mine")
    load = registry.version

    def loaded(version: ModelVersion) -> Any:
        ModelRegistry(tmp_path).set_shadow("small")
        return load(version)

    monkeypatch.setattr(registry, "version", loaded)
    with pytest.raises(ModelRefused, match="not the shadow any more"):
        registry.promote_shadow(evidence="2 h")
    assert pointer_of(registry).active.name == "maker"


def test_a_change_that_is_not_in_the_history_is_reported_as_made(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    (tmp_path / HISTORY).mkdir()
    with pytest.raises(NotRecorded, match="the change was made all the same"):
        registry.activate("small")
    assert registry.active_name() == "small"


def test_a_line_that_is_written_in_part_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry, write = ModelRegistry(tmp_path), os.write
    monkeypatch.setattr("truebook.models.history.os.write", lambda file, content: write(file, content[:20]))
    with pytest.raises(NotRecorded, match="No space left"):
        registry.activate("small")
    monkeypatch.undo()
    registry.activate("hold")
    assert [each.model and each.model.name for each in read_changes(tmp_path / HISTORY)] == ["hold"]


def test_a_roll_back_to_the_shadow_ends_the_shadow(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    registry.activate("small")
    registry.set_shadow("maker")
    assert registry.roll_back().metadata.name == "maker"
    assert pointer_of(registry).shadow is None
    registry.activate("small")
    registry.set_shadow("hold")
    registry.roll_back()
    assert pointer_of(registry).shadow is not None
