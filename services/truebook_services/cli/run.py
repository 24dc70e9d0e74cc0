"""``truebook run``: the embedded system, with a live view and a summary."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from truebook.messages.envelope import Source
from truebook.runtime.logs import configure_logs
from truebook.runtime.settings import load
from truebook.simulation.synthetic.presets import Preset
from truebook_services.cli.amounts import parse_dollars, parse_duration
from truebook_services.cli.errors import UsageError
from truebook_services.cli.live_view import choose_view
from truebook_services.cli.output import last_output
from truebook_services.cli.summary_table import print_summary, title_of_run
from truebook_services.embedded.run import run_to_end
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.serving.exit_codes import NOTHING_TRADABLE


def _check_source(settings: EmbeddedSettings) -> None:
    """Refuse market data that this run does not have: it would trade on others, and keep them in the wrong folder."""
    source, named = settings.market_data, f"TRUEBOOK_MARKET_DATA={settings.market_data}"
    if (source is Source.CAPTURE) is not (settings.capture is not None):
        raise UsageError(f"{named} and --capture belong together: a run on a recording needs both, any other neither")
    if source in (Source.DEMO, Source.PRODUCTION) and settings.exchange_url is None:
        raise UsageError(f"{named} without a source: give the exchange that has them by --exchange, or remove it")


def check_history(settings: EmbeddedSettings) -> None:
    """Refuse a model beside a history of several."""
    if settings.model_history is not None and settings.model:
        raise UsageError("--model and --model-history exclude each other: the history names the models")


def run(
    for_: Annotated[
        str | None, typer.Option("--for", help="Length of the run, such as 60s; until Ctrl-C if omitted.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the synthetic traders.")] = None,
    markets: Annotated[int | None, typer.Option(min=1, help="Number of synthetic markets.")] = None,
    preset: Annotated[Preset | None, typer.Option(help="Kind of synthetic markets.")] = None,
    model: Annotated[str | None, typer.Option(help="Name of a model, or an ONNX file.")] = None,
    capture: Annotated[Path | None, typer.Option(help="Recording that is the market data.")] = None,
    model_history: Annotated[
        Path | None,
        typer.Option(help="A registry's changes.jsonl: a recording is traded by the models that it states."),
    ] = None,
    speed: Annotated[
        str | None, typer.Option(help="Speed of a recording, 1 is real time; max: in lock-step, reproducible.")
    ] = None,
    exchange: Annotated[str | None, typer.Option(help="Address of an exchange in another process.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start with an empty ledger and exchange.")] = False,
    balance: Annotated[str | None, typer.Option(help="Opening balance in dollars, such as 1000.00.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the summary as JSON on the last line.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Print plain lines instead of a live view.")] = False,
    dashboard: Annotated[
        bool | None,
        typer.Option("--dashboard/--no-dashboard", help="Serve the page beside the run; by default in a terminal."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Write a detailed log; show tracebacks of errors.")] = False,
) -> None:
    """Trade on the simulated exchange; exit code 0: ledger and exchange agree; 5: nothing could be traded."""
    balance_micros = parse_dollars(balance) if balance else None
    if dashboard is None and (json_ or not sys.stderr.isatty()):
        dashboard = False
    settings = load(
        EmbeddedSettings, duration_s=parse_duration(for_) if for_ else None, model=model, model_history=model_history,
        dashboard={"enabled": dashboard}, capture=capture, speed=speed, exchange_url=exchange, fresh=fresh or None,
        paper_exchange={"seed": seed, "markets": markets, "preset": preset, "balance_micros": balance_micros},
    )  # fmt: skip
    if speed is not None and settings.capture is None:
        raise UsageError("--speed is that of a recording: give one by --capture")
    if settings.model_history is not None and settings.capture is None:
        raise UsageError("--model-history is for a recording: give one by --capture")
    check_history(settings)
    _check_source(settings)
    configure_logs(
        "debug" if debug else settings.log_level, json=True, file=settings.state_path / "log.jsonl",
        max_bytes=settings.log_max_bytes,
    )  # fmt: skip
    view = choose_view(plain=plain or debug)
    view.start()
    try:
        code, summary = run_to_end(settings, view)
    finally:
        view.stop()
    with last_output():
        if json_:
            print(msgspec.json.encode(summary).decode())
        else:
            print_summary(summary, title_of_run(summary, agree=code in (0, NOTHING_TRADABLE)))
    raise typer.Exit(code)
