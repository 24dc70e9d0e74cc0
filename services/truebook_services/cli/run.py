"""``truebook run``: the embedded system, with a live view and a summary."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from truebook.money import WireFormatError, parse_micros
from truebook.runtime.logs import configure_logs
from truebook.runtime.settings import load
from truebook_services.cli.live_view import choose_view
from truebook_services.cli.summary_table import print_summary
from truebook_services.embedded.run import run_to_end
from truebook_services.embedded.settings import EmbeddedSettings

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)?", re.ASCII)
_SECONDS = {None: 1, "s": 1, "m": 60, "h": 3600}


def parse_duration(text: str) -> float:
    """Read '60s', '5m', '1.5h' or plain seconds."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text!r}: expected a duration such as 60s, 5m or 1.5h")
    return float(match[1]) * _SECONDS[match[2]]


def parse_balance(text: str) -> int:
    """Read dollars as micro-dollars."""
    try:
        micros = parse_micros(text, "balance")
    except WireFormatError as error:
        raise typer.BadParameter(str(error)) from error
    if micros <= 0:
        raise typer.BadParameter("the balance must be above 0")
    return micros


def run(
    for_: Annotated[
        str | None, typer.Option("--for", help="Length of the run, such as 60s; else until Ctrl-C.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the synthetic traders.")] = None,
    markets: Annotated[int | None, typer.Option(min=1, help="Number of synthetic markets.")] = None,
    model: Annotated[str | None, typer.Option(help="A model's name, or an ONNX file.")] = None,
    capture: Annotated[Path | None, typer.Option(help="A recorded session as market data.")] = None,
    speed: Annotated[
        str | None, typer.Option(help="How many times as fast a recording runs; max: in lock-step, reproducibly.")
    ] = None,
    exchange: Annotated[str | None, typer.Option(help="Address of an exchange that runs elsewhere.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start with empty books.")] = False,
    balance: Annotated[str | None, typer.Option(help="First balance in dollars, such as 1000.00.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Summary as one JSON object on the last line.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Plain lines instead of a live view.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Detailed log; tracebacks of errors.")] = False,
) -> None:
    """Trade: with the shipped model on the simulated exchange, if nothing else is said. Exit code 0: true books."""
    flags: dict[str, Any] = {
        "for_s": parse_duration(for_) if for_ else None,
        "model": model,
        "capture": capture,
        "speed": speed,
        "exchange_url": exchange,
        "fresh": fresh or None,
    }
    of_exchange = {"seed": seed, "markets": markets, "balance_micros": parse_balance(balance) if balance else None}
    flags["paper_exchange"] = {name: value for name, value in of_exchange.items() if value is not None} or None
    settings = load(EmbeddedSettings, **{name: value for name, value in flags.items() if value is not None})
    configure_logs("debug" if debug else settings.log_level, json=True, file=settings.state_path / "log.jsonl")
    view = choose_view(plain=plain or debug)
    view.start()
    try:
        code, summary = run_to_end(settings, view)
    finally:
        view.stop()
    if json_:
        print(json.dumps(summary))
    else:
        print_summary(summary, "true books" if code == 0 else "THE BOOKS DIFFER")
    raise typer.Exit(code)
