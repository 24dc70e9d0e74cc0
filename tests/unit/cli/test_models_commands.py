"""``truebook models``: what the commands print, and what a running policy then uses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from support.onnx_files import metadata, onnx_bytes
from truebook.backtest.paper.report import Decided, ModelResult, PaperValues, ShadowReport, write_report
from truebook.models.errors import ModelRefused, RegistryReadOnly
from truebook.models.history import HISTORY, ModelVersion, read_changes
from truebook.models.registry import ModelRegistry
from truebook.simulation.recorded.queue import QueueModel
from truebook_services.cli.__main__ import app
from truebook_services.cli.errors import UsageError
from truebook_services.operator.port import NothingRecorded


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
    assert [name for name, is_active in listed.items() if is_active] == ["mine"]
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


def result(name: str, sha256: str, profits: tuple[int | None, ...]) -> ModelResult:
    accounts = tuple(
        PaperValues(
            queue=queue, profit_micros=profit, max_drawdown_micros=500_000, fees_micros=10_000,
            turnover_micros=9_000_000, fills=12, orders=40, unvalued_markets=0,
        )
        for queue, profit in zip(QueueModel, profits, strict=True)
    )  # fmt: skip
    decided = Decided(batches=100, failures=0, p50_us=150, p99_us=900)
    return ModelResult(model=ModelVersion(name, sha256), accounts=accounts, decided=decided)


def reported(folder: Path, seconds: int) -> None:
    """Write the report of a policy about maker and its shadow small."""
    registry = ModelRegistry(folder / "state" / "models")
    pointer = registry.pointer()
    assert pointer is not None and pointer.shadow is not None
    start_us = pointer.shadow_since_us
    report = ShadowReport(
        since_us=start_us, until_us=start_us + seconds * 1_000_000,
        active=result("maker", pointer.active.sha256, (-1_000_000, 0, 500_000)),
        shadow=result("small", pointer.shadow.sha256, (1_000_000, 2_000_000, 3_000_000)),
        compared=200, agreed=150, markets=3, events=4_000, skipped=0, set_us=start_us,
    )  # fmt: skip
    write_report(registry.folder, "policy", report)


def test_a_shadow_is_compared_and_promoted_on_its_evidence(folder: Path) -> None:
    assert command("shadow", "small")["is_shadow"]
    with pytest.raises(NothingRecorded):
        command("compare")
    with pytest.raises(UsageError, match="no report"):
        command("promote")
    reported(folder, 3_599)
    found = command("compare")
    assert [each["profit_micros"] for each in found["shadow"]["accounts"]] == [1_000_000, 2_000_000, 3_000_000]
    with pytest.raises(UsageError, match=r"has run for 59 min 59 s, less than 1 h 00 min"):
        command("promote")
    reported(folder, 3_600)
    assert command("promote")["name"] == "small"
    listed = {each["name"]: each for each in command("list")["models"]}
    assert (listed["small"]["is_active"], listed["small"]["is_shadow"]) == (True, False)
    assert listed["maker"]["is_previous"]
    [_, promoted] = read_changes(folder / "state" / "models" / HISTORY)
    assert promoted.evidence == (
        "1 h 00 min, 3 markets: paper profit +$1.00 to +$3.00, of the active model \N{MINUS SIGN}$1.00 to +$0.50"
    )
    assert command("rollback")["name"] == "maker"


def test_a_named_model_is_promoted_without_a_shadow_run_only_with_yes(folder: Path) -> None:
    with pytest.raises(UsageError, match="--yes"):
        command("promote", "small")
    assert command("promote", "small", "--yes")["is_active"]
    with pytest.raises(ModelRefused, match="there is no shadow"):
        command("promote", "--yes")


def test_the_comparison_is_printed_for_people(folder: Path) -> None:
    command("shadow", "small")
    reported(folder, 90)
    text = CliRunner().invoke(app, ["models", "compare"]).output
    for part in ("1 min 30 s", "maker (active)", "small (shadow)", "+$1.00 to +$3.00", "150 of 200 observations"):
        assert part in text
    assert command("shadow", "off") == {"result": "removed"}
    assert command("shadow", "off") == {"result": "no_shadow"}
