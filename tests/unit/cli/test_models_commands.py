"""``truebook models``: what the commands print, and what a running policy then uses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from support.onnx_files import metadata, onnx_bytes
from truebook.models.errors import ModelRefused, RegistryReadOnly
from truebook.models.registry import ModelRegistry
from truebook_services.cli.__main__ import app


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRUEBOOK_STATE_FOLDER", str(tmp_path / "state"))
    return tmp_path


def command(*arguments: str, given: bytes | None = None) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["models", *arguments, "--json"], input=given)
    if done.exception is not None:
        raise done.exception
    printed: dict[str, Any] = json.loads(done.output)
    return printed


def active(folder: Path) -> str:
    return ModelRegistry(folder / "state" / "models").active().metadata.sha256


def test_a_model_is_added_activated_and_rolled_back(folder: Path) -> None:
    (folder / "mine.onnx").write_bytes(onnx_bytes(metadata(name="inner").to_properties()))
    checked = command("check", "mine.onnx")
    assert (checked["layout"], checked["has_check_rows"], checked["is_active"]) == ("m1", False, False)
    assert not (folder / "state").exists()
    before = active(folder)
    assert command("add", "mine.onnx")["name"] == "mine"
    assert active(folder) == before
    assert command("activate", "mine")["sha256"] == active(folder) == checked["sha256"]
    listed = {each["name"]: each["is_active"] for each in command("list")["models"]}
    assert listed == {"maker": False, "mine": True, "small": False}
    assert command("rollback")["name"] == "maker"
    assert active(folder) == before


def test_a_model_from_standard_input_needs_a_name(folder: Path) -> None:
    """In a container there is no file: `truebook models add - --name mine < mine.onnx`."""
    content = onnx_bytes(metadata(name="inner").to_properties())
    assert command("check", "-", given=content)["has_check_rows"] is False
    assert command("add", "-", "--name", "mine", given=content)["name"] == "mine"
    assert ModelRegistry(folder / "state" / "models").load("mine").metadata.name == "inner"
    with pytest.raises(SystemExit):
        command("add", "-", given=content)
    with pytest.raises(ModelRefused, match="can't be a model's name"):
        command("add", "-", "--name", "../mine", given=content)


def test_a_registry_that_cannot_be_written_is_one_clear_line(folder: Path) -> None:
    (folder / "state" / "models").mkdir(parents=True)
    (folder / "state" / "models" / "versions").write_text("no folder")
    with pytest.raises(RegistryReadOnly, match=r"can't be written: .*; nothing was changed"):
        command("activate", "small")
    (folder / "elsewhere").write_text("no folder")
    given = {"TRUEBOOK_STATE_FOLDER": str(folder / "elsewhere")}
    done = CliRunner().invoke(app, ["models", "add", "-", "--name", "mine"], input=onnx_bytes(), env=given)
    assert isinstance(done.exception, RegistryReadOnly)


def test_a_refused_model_is_listed_with_the_reason_and_not_added(folder: Path) -> None:
    (folder / "bad.onnx").write_bytes(b"no model")
    for verb in ("check", "add"):
        with pytest.raises(ModelRefused, match=r"bad\.onnx is refused"):
            command(verb, "bad.onnx")
    models = folder / "state" / "models"
    models.mkdir(parents=True)
    (models / "bad.onnx").write_bytes(b"no model")
    [bad] = [each for each in command("list")["models"] if each["name"] == "bad"]
    assert "not an ONNX file" in bad["refused"] and bad["sha256"] is None
    with pytest.raises(ModelRefused):
        command("activate", "bad")
    with pytest.raises(ModelRefused, match="no earlier model"):
        command("rollback")
