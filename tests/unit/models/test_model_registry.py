"""The registry: names, the cache, the switch and the way back."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from support.onnx_files import onnx_bytes
from truebook.models.errors import ModelRefused
from truebook.models.registry import SHIPPED, ModelRegistry


def put(folder: Path, name: str, bias: float = 0.0) -> str:
    content = onnx_bytes(bias=bias)
    (folder / f"{name}.onnx").write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def test_shipped_and_own_models_are_listed_and_the_maker_is_the_default(tmp_path: Path) -> None:
    put(tmp_path, "mine")
    registry = ModelRegistry(tmp_path)
    assert registry.names() == ("maker", "mine", "small")
    assert registry.active().metadata.name == "maker"


def test_a_folder_that_does_not_exist_still_has_the_shipped_models_and_may_be_switched(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path / "models")
    assert registry.names() == ("maker", "small")
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


def test_a_file_from_anywhere_is_checked_and_added_under_its_name(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    put(tmp_path / "elsewhere", "mine")
    registry = ModelRegistry(tmp_path / "models")
    assert registry.add(tmp_path / "elsewhere" / "mine.onnx") == "mine"
    assert registry.names() == ("maker", "mine", "small")
    (tmp_path / "elsewhere" / "bad.onnx").write_bytes(b"")
    with pytest.raises(ModelRefused, match="not an ONNX file"):
        registry.add(tmp_path / "elsewhere" / "bad.onnx")
    assert "bad" not in registry.names()


def test_a_file_that_only_has_a_shipped_models_name_is_refused_instead_of_the_shipped_one_being_run(
    tmp_path: Path,
) -> None:
    put(tmp_path, "maker")
    registry = ModelRegistry(tmp_path / "models")
    with pytest.raises(ModelRefused, match="give the file another name"):
        registry.add(tmp_path / "maker.onnx")
    assert registry.add(SHIPPED / "maker.onnx") == "maker"


def test_a_switch_is_seen_by_another_process_and_can_be_rolled_back(tmp_path: Path) -> None:
    put(tmp_path, "mine")
    operator, policy = ModelRegistry(tmp_path), ModelRegistry(tmp_path)
    default = policy.active().metadata.sha256
    operator.activate("mine")
    assert policy.active().metadata.sha256 == operator.load("mine").metadata.sha256
    operator.roll_back()
    assert policy.active().metadata.sha256 == default
    with pytest.raises(ModelRefused, match="no earlier model"):
        operator.roll_back()


def test_a_roll_back_gives_the_bytes_that_were_active_not_what_lies_there_now(tmp_path: Path) -> None:
    first = put(tmp_path, "mine")
    registry = ModelRegistry(tmp_path)
    registry.activate("mine")
    second = put(tmp_path, "mine", bias=1.0)
    assert ModelRegistry(tmp_path).active().metadata.sha256 == first
    registry.activate("mine")
    assert registry.active().metadata.sha256 == second
    assert ModelRegistry(tmp_path).roll_back().metadata.sha256 == first


def test_activating_what_is_active_adds_no_step_to_the_history(tmp_path: Path) -> None:
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
def test_an_unknown_name_lists_the_known_ones(tmp_path: Path, name: str) -> None:
    put(tmp_path, "mine")
    (tmp_path / "models").mkdir()
    with pytest.raises(ModelRefused, match="known are maker, small"):
        ModelRegistry(tmp_path / "models").load(name)


def test_a_damaged_pointer_or_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    put(tmp_path, "mine")
    sha256 = ModelRegistry(tmp_path).activate("mine").metadata.sha256
    (tmp_path / "versions" / f"{sha256}.onnx").write_bytes(onnx_bytes(bias=2.0))
    with pytest.raises(ModelRefused, match="activate the model anew"):
        ModelRegistry(tmp_path).active()
    (tmp_path / "active.json").write_text("{")
    with pytest.raises(ModelRefused, match="go back to the default"):
        ModelRegistry(tmp_path).active()


def test_history_and_kept_versions_are_bounded(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    for step in range(14):
        put(tmp_path, "mine", bias=float(step))
        registry.activate("mine")
    pointer = registry.pointer()
    assert pointer is not None
    assert len(pointer.before) == 10
    assert len(list((tmp_path / "versions").iterdir())) == 11
    assert sorted(path.name for path in tmp_path.iterdir()) == ["active.json", "mine.onnx", "versions"]
