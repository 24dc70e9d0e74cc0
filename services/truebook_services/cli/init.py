"""``truebook init``: writes a validated ``truebook.toml`` from questions or flags."""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from truebook.features.plugins import find_layout
from truebook.kalshi.signing import load_signer
from truebook.models.registry import ModelRegistry
from truebook.runtime.settings import FILE, load
from truebook.simulation.synthetic.presets import Preset
from truebook_services.cli.amounts import parse_contracts, parse_dollars
from truebook_services.cli.errors import UsageError
from truebook_services.cli.settings_file import Choices, settings_text
from truebook_services.embedded.settings import EmbeddedSettings

EMPTY: Final = ""
Value = TypeVar("Value")


class Exchange(enum.StrEnum):
    """Where orders go."""

    SIMULATED = "simulated"
    DEMO = "demo"


def init(
    exchange: Annotated[Exchange | None, typer.Option(help="Where orders go.")] = None,
    key_id: Annotated[str | None, typer.Option(help="Demo: id of the API key.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Demo: file of its private key (PEM).")] = None,
    balance: Annotated[str | None, typer.Option(help="Simulated: opening balance in dollars, such as 1000.00.")] = None,
    markets: Annotated[int | None, typer.Option(min=1, help="Number of markets to trade.")] = None,
    preset: Annotated[Preset | None, typer.Option(help="Simulated: kind of synthetic markets.")] = None,
    model: Annotated[str | None, typer.Option(help="Name of a model, or an ONNX file.")] = None,
    order_size: Annotated[str | None, typer.Option(help="Largest order, in contracts.")] = None,
    market_size: Annotated[str | None, typer.Option(help="Largest position in a market, in contracts.")] = None,
    daily_loss: Annotated[str | None, typer.Option(help="Loss in dollars in a day that stops trading.")] = None,
    drawdown: Annotated[str | None, typer.Option(help="Fall in dollars from the peak that stops trading.")] = None,
    file: Annotated[Path, typer.Option(help="The file to write.")] = Path(FILE),
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    no_questions: Annotated[bool, typer.Option("--no-questions", help="Use the flags only, for scripts.")] = False,
) -> None:
    """Write a validated truebook.toml: asks for what no flag gives; a setting without a value keeps its default."""
    if file.exists() and not force:
        raise UsageError(f"{file} exists: add --force to replace it, or name another one by --file")
    if not file.parent.is_dir():
        raise UsageError(f"{file.parent} is no folder: make it, or name another file by --file")
    ask = _Questions(enabled=not no_questions and sys.stdin.isatty())
    where = ask("Exchange: simulated, or Kalshi's demo", exchange, Exchange, default=Exchange.SIMULATED)
    is_demo = where is Exchange.DEMO
    if not is_demo and (key_id or key_file):
        raise UsageError("--key-id and --key-file are for the demo exchange: add --exchange demo")
    if is_demo and (balance or preset):
        raise UsageError("--balance and --preset are for the simulated exchange: the demo account has its own balance")
    choices = Choices(
        exchange="demo" if is_demo else "simulated",
        key_id=ask("Id of the API key", key_id, str) if is_demo else None,
        key_file=ask("File of its private key", key_file, Path) if is_demo else None,
        preset=None if is_demo else ask(f"Markets: {', '.join(Preset)}", preset, Preset),
        balance_micros=None if is_demo else ask("Opening balance in dollars", balance, parse_dollars),
        markets=ask("Number of markets", markets, _count),
        model=ask("Model: a name or an ONNX file", model, str),
        order_size_centi=ask("Largest order in contracts", order_size, parse_contracts),
        market_centi=ask("Largest position in a market, in contracts", market_size, parse_contracts),
        daily_loss_micros=ask("Loss in dollars in a day that stops trading", daily_loss, parse_dollars),
        drawdown_micros=ask("Fall in dollars from the peak that stops trading", drawdown, parse_dollars),
    )
    if is_demo and (choices.key_id is None or choices.key_file is None):
        raise UsageError("the demo exchange needs --key-id and --key-file: make a key on its page of API keys")
    _write(file, choices)
    print(f"{file} is written and valid. Next: `truebook doctor` checks this machine, `truebook run` trades.")


class _Questions:
    """Asks for values that no flag gave; empty input leaves the default."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled

    def __call__(
        self, text: str, given: str | Value | None, read: Callable[[str], Value], *, default: Value | None = None
    ) -> Value | None:
        """Return the flag's value, or the input; raises ``typer.BadParameter`` for a flag that can't be read."""
        if given is not None:
            return read(given) if isinstance(given, str) else given
        while self._enabled:
            shown = "the default" if default is None else str(default)
            typed = typer.prompt(f"{text} [{shown}]", default=EMPTY, show_default=False).strip()
            if typed == EMPTY:
                break
            try:
                return read(typed)
            except (typer.BadParameter, ValueError) as error:
                typer.echo(str(error), err=True)
        return default


def _write(file: Path, choices: Choices) -> None:
    """Write the file after everything in it has been checked; raises what is wrong, and then leaves no file."""
    if choices.key_id is not None and choices.key_file is not None:
        load_signer(choices.key_id, choices.key_file)
    draft = file.with_name(f".{file.name}.draft")
    draft.write_text(settings_text(choices), encoding="utf-8")
    try:
        settings = load(EmbeddedSettings, settings_file=draft)
        if settings.model:
            registry = ModelRegistry(settings.models_path, trades_on=find_layout(settings.observation.layout))
            is_file = settings.model.endswith(".onnx")
            registry.load_file(Path(settings.model)) if is_file else registry.load(settings.model)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise typer.BadParameter(f"{text!r}: expected a whole number from 1 on")
    return int(text)
