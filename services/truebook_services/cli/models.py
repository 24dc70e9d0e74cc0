"""``truebook models``: the registry of the state folder. Running services follow its active model within a second."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from truebook.backtest.paper.report import read_report, remove_reports
from truebook.features.plugins import find_layout
from truebook.models.history import HISTORY, read_changes
from truebook.models.pointer import read_file
from truebook.models.registry import ModelRegistry
from truebook.runtime.settings import load
from truebook_services.cli.errors import UsageError
from truebook_services.cli.model_comparison import evidence_text, missing_evidence, print_comparison
from truebook_services.cli.model_table import History, print_history, print_models
from truebook_services.cli.operator import Json, print_json
from truebook_services.cli.output import last_output
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.operator.model_requests import Models, described
from truebook_services.operator.port import NothingRecorded
from truebook_services.operator.requests import ListedModel

models = typer.Typer(help="List, check, add and switch models; a running system follows.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="An ONNX file; `-` reads standard input.")]
Name = Annotated[str | None, typer.Option(help="The model's name; by default the file's name without `.onnx`.")]
STANDARD_INPUT: Final = Path("-")
OFF: Final = "off"


class ShadowRemoved(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `shadow off`: ``removed`` or ``no_shadow``."""

    result: str


@models.command("list")
def list_models(json_: Json = False) -> None:
    """List the bundled and the added models."""
    listed = asyncio.run(Models.of(load(EmbeddedSettings)).list())
    if json_:
        print_json(listed)
    else:
        with last_output():
            print_models(listed)


@models.command("check")
def check_model(file: File, json_: Json = False) -> None:
    """Check a file as a load does; nothing is changed."""
    _print(described(_registry().load_content(*_read(file, None)).metadata), "can be used", json_)


@models.command("add")
def add_model(file: File, name: Name = None, json_: Json = False) -> None:
    """Check a file and copy it into the registry."""
    registry = _registry()
    if name is None and file == STANDARD_INPUT:
        raise typer.BadParameter("a model from standard input needs a name: `--name NAME`")
    content, source, name = _read(file, name)
    registry.add_content(content, source, name)
    _print(described(registry.load(name).metadata, name), "added", json_)


@models.command("activate")
def activate_model(name: Annotated[str, typer.Argument(help="Name of a model.")], json_: Json = False) -> None:
    """Make a model the active one; a run that was started with --model keeps its own."""
    _print(described(_registry().activate(name).metadata, name, is_active=True), "active", json_)


@models.command("shadow")
def set_shadow(name: Annotated[str, typer.Argument(help="Name of a model, or `off`.")], json_: Json = False) -> None:
    """Run a second model beside the active one, with paper accounts of its own; it never trades."""
    registry = _registry()
    if name != OFF:
        metadata = registry.set_shadow(name).metadata
        remove_reports(registry.folder)
        _print(described(metadata, name, is_shadow=True), "shadow", json_)
        return
    removed = ShadowRemoved(result="removed" if registry.remove_shadow() else "no_shadow")
    if json_:
        print_json(removed)
    else:
        print("the shadow is removed" if removed.result == "removed" else "nothing to do: there is no shadow")


@models.command("compare")
def compare_models(json_: Json = False) -> None:
    """Compare the active model with its shadow over the same time: paper results, decisions, latency, errors."""
    registry = _registry()
    report = read_report(registry.folder, registry.pointer())
    if report is None:
        raise NothingRecorded(
            "no report on a shadow",
            "set one by `truebook models shadow NAME`; a running policy reports every few seconds",
        )
    if json_:
        print_json(report)
    else:
        with last_output():
            print_comparison(report)


@models.command("promote")
def promote_model(
    name: Annotated[str | None, typer.Argument(help="A model; the shadow if omitted.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Also without a shadow run of an hour.")] = False,
    json_: Json = False,
) -> None:
    """Make the shadow the active model, on the evidence of its run, which the history keeps."""
    registry = _registry()
    pointer = registry.pointer()
    shadow = None if pointer is None else pointer.shadow
    is_shadow = shadow is not None and name in (None, shadow.name)
    report = read_report(registry.folder, pointer) if is_shadow else None
    lacking = missing_evidence(report)
    if lacking is not None and not yes and (is_shadow or name is not None):
        raise UsageError(f"{lacking}: wait, or promote it nevertheless with --yes")
    evidence = "no shadow run" if report is None else evidence_text(report)
    model = (
        registry.promote_shadow(evidence=evidence)
        if is_shadow or name is None
        else registry.activate(name, evidence=evidence)
    )
    promoted = described(model.metadata, registry.active_name(), is_active=True)
    _print(promoted, f"active; evidence: {evidence}", json_)


@models.command("history")
def show_history(json_: Json = False) -> None:
    """List what happened to the models in use, oldest first, with the first observation of each new model."""
    found = History(changes=read_changes(_registry().folder / HISTORY))
    if json_:
        print_json(found)
    else:
        with last_output():
            print_history(found)


@models.command("rollback")
def roll_back_model(json_: Json = False) -> None:
    """Make the previously active model active again, with the same bytes."""
    registry = _registry()
    metadata = registry.roll_back().metadata
    _print(described(metadata, registry.active_name(), is_active=True), "active again", json_)


def _read(file: Path, name: str | None) -> tuple[bytes, str, str]:
    """Return a file's content, its source for errors, and the model's name; raises ``ModelRefused``."""
    if file == STANDARD_INPUT:
        return sys.stdin.buffer.read(), "standard input", name or "model"
    return read_file(file), str(file), name or file.stem


def _registry() -> ModelRegistry:
    settings = load(EmbeddedSettings)
    return ModelRegistry(settings.models_path, trades_on=find_layout(settings.observation.layout))


def _print(model: ListedModel, what: str, as_json: bool) -> None:
    if as_json:
        print_json(model)
    else:
        unchecked = "" if model.has_check_rows else "; it has no check rows: its outputs are not compared"
        print(f"{model.name} ({model.layout}, {model.output}, sha256 {model.sha256}): {what}{unchecked}")
