"""The registry: names, cache, activation and roll-back."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest

from support.full_disk import no_file_larger_than
from support.onnx_files import onnx_bytes
from truebook.features.layout import layout
from truebook.models.errors import ModelRefused
from truebook.models.pointer import write_registry_file
from truebook.models.registry import BUNDLED, ModelRegistry


def put(folder: Path, name: str, bias: float = 0.0) -> str:
    content = onnx_bytes(bias=bias)
    (folder / f"{name}.onnx").write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def test_bundled_and_own_models_are_listed(tmp_path: Path) -> None:
    put(tmp_path, "mine")
    registry = ModelRegistry(tmp_path)
    assert registry.names() == ("gold15m", "hold", "maker", "mine", "random", "small")
    assert registry.active().metadata.name == "maker"


def test_a_missing_folder_has_the_bundled_models(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path / "models")
    assert registry.names() == ("gold15m", "hold", "maker", "random", "small")
    registry.activate("small")
    assert registry.active().metadata.name == "small"


def test_the_same_bytes_are_loaded_once(tmp_path: Path) -> None:
    put(tmp_path, "one")
    put(tmp_path, "two")
    registry = ModelRegistry(tmp_path)
    assert registry.load("one") is registry.load("two")
    assert registry.load_file(tmp_path / "one.onnx") is registry.load("one")
    put(tmp_path, "two", bias=1.0)
    assert registry.load("one") is not registry.load("two")


def test_a_file_is_checked_and_added_under_its_name(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    put(tmp_path / "elsewhere", "mine")
    registry = ModelRegistry(tmp_path / "models")
    assert registry.add(tmp_path / "elsewhere" / "mine.onnx") == "mine"
    assert registry.names() == ("gold15m", "hold", "maker", "mine", "random", "small")
    (tmp_path / "elsewhere" / "bad.onnx").write_bytes(b"")
    with pytest.raises(ModelRefused, match="not an ONNX file"):
        registry.add(tmp_path / "elsewhere" / "bad.onnx")
    assert "bad" not in registry.names()


def test_a_file_with_a_bundled_models_name_is_refused(
    tmp_path: Path,
) -> None:
    put(tmp_path, "maker")
    registry = ModelRegistry(tmp_path / "models")
    with pytest.raises(ModelRefused, match="give the file another name"):
        registry.add(tmp_path / "maker.onnx")
    assert registry.add(BUNDLED / "maker.onnx") == "maker"


def test_another_process_follows_a_switch_and_a_roll_back(tmp_path: Path) -> None:
    put(tmp_path, "mine")
    operator, policy = ModelRegistry(tmp_path), ModelRegistry(tmp_path)
    default = policy.active().metadata.sha256
    operator.activate("mine")
    assert policy.active().metadata.sha256 == operator.load("mine").metadata.sha256
    operator.roll_back()
    assert policy.active().metadata.sha256 == default
    with pytest.raises(ModelRefused, match="no earlier model"):
        operator.roll_back()


def test_a_roll_back_restores_the_bytes_that_were_active(tmp_path: Path) -> None:
    first = put(tmp_path, "mine")
    registry = ModelRegistry(tmp_path)
    registry.activate("mine")
    second = put(tmp_path, "mine", bias=1.0)
    assert ModelRegistry(tmp_path).active().metadata.sha256 == first
    registry.activate("mine")
    assert registry.active().metadata.sha256 == second
    assert ModelRegistry(tmp_path).roll_back().metadata.sha256 == first


def test_activating_the_active_model_adds_no_version(tmp_path: Path) -> None:
    put(tmp_path, "mine")
    registry = ModelRegistry(tmp_path)
    registry.activate("mine")
    before = registry.pointer()
    registry.activate("mine")
    assert registry.pointer() == before


def test_an_unusable_model_never_becomes_active(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    registry = ModelRegistry(tmp_path)
    with pytest.raises(ModelRefused, match=r"broken\.onnx"):
        registry.activate("broken")
    assert registry.pointer() is None
    assert registry.active().metadata.name == "maker"


@pytest.mark.parametrize("name", ["missing", "../mine", "", "a/b"])
def test_an_unknown_model_lists_the_available_ones(tmp_path: Path, name: str) -> None:
    put(tmp_path, "mine")
    (tmp_path / "models").mkdir()
    with pytest.raises(ModelRefused, match="available: gold15m, hold, maker, random, small"):
        ModelRegistry(tmp_path / "models").load(name)


def test_a_damaged_pointer_or_version_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "mine")
    sha256 = ModelRegistry(tmp_path).activate("mine").metadata.sha256
    (tmp_path / "versions" / f"{sha256}.onnx").write_bytes(onnx_bytes(bias=2.0))
    with pytest.raises(ModelRefused, match="activate the model again"):
        ModelRegistry(tmp_path).active()
    (tmp_path / "active.json").write_text("{")
    with pytest.raises(ModelRefused, match="return to the default"):
        ModelRegistry(tmp_path).active()


def test_processes_of_two_containers_write_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may have the same process id."""
    path, sync = tmp_path / "active.json", os.fsync

    def other(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", sync)
        write_registry_file(path, b"other")
        assert path.read_bytes() == b"other"

    monkeypatch.setattr(os, "fsync", other)
    write_registry_file(path, b"one")
    assert path.read_bytes() == b"one"
    assert [each.name for each in tmp_path.iterdir()] == ["active.json"]


def test_history_and_kept_versions_are_bounded(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    for step in range(14):
        put(tmp_path, "mine", bias=float(step))
        registry.activate("mine")
    pointer = registry.pointer()
    assert pointer is not None
    assert len(pointer.before) == 10
    assert len(list((tmp_path / "versions").iterdir())) == 11
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "active.json",
        "changes.jsonl",
        "lock",
        "mine.onnx",
        "versions",
    ]


def test_a_model_for_another_layout_than_the_observations_is_refused(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path, trades_on=layout("c52"))
    for load in (registry.active, lambda: registry.load("maker"), lambda: registry.activate("small")):
        with pytest.raises(ModelRefused, match=r"made for layout m1, but the observations have c52: set TRUEBOOK_"):
            load()
    assert registry.pointer() is None


def test_a_full_disk_is_reported_as_such_and_leaves_no_part(tmp_path: Path) -> None:
    """No folder that can't be written: the error must not send the operator to another container."""
    put(tmp_path, "mine")
    with no_file_larger_than(10), pytest.raises(OSError, match="File too large") as caught:
        ModelRegistry(tmp_path / "models").add(tmp_path / "mine.onnx")
    assert caught.value.errno == errno.EFBIG
    assert list((tmp_path / "models").iterdir()) == []


def test_a_switch_survives_a_power_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "mine")
    synced, fsync = set[int](), os.fsync

    def recording_fsync(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    ModelRegistry(tmp_path).activate("mine")
    for path in (tmp_path, tmp_path / "versions", tmp_path / "active.json", *(tmp_path / "versions").iterdir()):
        assert path.stat().st_ino in synced, f"{path} was not synced"


def test_the_users_umask_determines_who_can_read_the_files(tmp_path: Path) -> None:
    """The policy may run as another user than the one who activates a model."""
    put(tmp_path, "mine")
    before = os.umask(0o022)
    try:
        ModelRegistry(tmp_path).activate("mine")
    finally:
        os.umask(before)
    for path in (tmp_path / "active.json", *(tmp_path / "versions").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
