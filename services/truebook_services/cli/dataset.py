"""``truebook dataset``: the vectors that a live model would be given on a recording, with labels, as Parquet."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from truebook.backtest.dataset.labels import OUTCOME_COLUMN
from truebook.backtest.dataset.request import HORIZONS_S, MAX_HORIZON_S, DatasetRequest, Label
from truebook.backtest.dataset.writing import DatasetSummary, write_dataset
from truebook.backtest.engine.settings import EngineSettings
from truebook.backtest.window import Window
from truebook.capture.coverage import coverage
from truebook.clock import MICROS
from truebook.features.layout import Layout, UnknownLayout
from truebook.features.plugins import BadPlugin, find_layout
from truebook.kalshi.wire.times import to_rfc3339
from truebook.money import format_price
from truebook.runtime.settings import load
from truebook_services.cli.amounts import NOT_KNOWN, parse_duration
from truebook_services.cli.backtest_options import parse_time
from truebook_services.cli.errors import UsageError
from truebook_services.cli.operator import Json, print_json
from truebook_services.cli.output import last_output
from truebook_services.cli.table_console import table_console
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.settings import EmbeddedSettings

INTERRUPTED: Final = 130
DEFAULT_HORIZONS: Final = ",".join(f"{seconds}s" for seconds in HORIZONS_S)


def dataset(
    data: Annotated[Path, typer.Argument(help="A recording.")],
    out: Annotated[Path, typer.Option(help="The Parquet file; an earlier data set of this name is replaced.")],
    layout: Annotated[str | None, typer.Option(help="Layout of the features; else the settings'.")] = None,
    labels: Annotated[str, typer.Option(help="Labels, separated by commas.")] = ",".join(Label),
    horizons: Annotated[str, typer.Option(help="Times after which the mid price is compared.")] = DEFAULT_HORIZONS,
    from_: Annotated[
        str | None, typer.Option("--from", help="First time in UTC, such as 2026-08-11 or 2026-08-11T01:15:00.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="Last time in UTC; no label uses a later one.")] = None,
    market: Annotated[list[str] | None, typer.Option(help="Only this market; repeatable.")] = None,
    throttle: Annotated[
        str | None, typer.Option(help="Least time between two rows of a market, such as 1s; else the settings'.")
    ] = None,
    json_: Json = False,
) -> None:  # fmt: skip
    """Write the features that a live model would be given on a recording, with labels, as Parquet."""
    settings = load(EmbeddedSettings)
    request = DatasetRequest(
        recording=data, out=out, layout=_layout(layout or settings.observation.layout),
        settings=_throttled(engine_settings(settings, data), throttle),
        window=Window(from_us=parse_time(from_) or 0, to_us=parse_time(to), markets=frozenset(market or ())),
        labels=_labels(labels), horizons_s=_horizons_s(horizons), version=version("truebook"),
    )  # fmt: skip
    summary = _written(request)
    with last_output():
        if json_:
            print_json(summary)
        else:
            _print(summary)


def _written(request: DatasetRequest) -> DatasetSummary:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            total = coverage(request.recording).events if console.is_terminal else None
            task = bar.add_task("observe and label", total=total)

            def show(events: int, rows: int, at_us: int) -> None:
                bar.update(task, completed=events, description=f"{to_rfc3339(at_us)[:19]}, {rows:,} rows")

            return write_dataset(request, show)
    except KeyboardInterrupt:
        console.print("truebook: interrupted; nothing was written", highlight=False)
        raise SystemExit(INTERRUPTED) from None


def _layout(name: str) -> Layout:
    try:
        return find_layout(name)
    except (UnknownLayout, BadPlugin) as error:
        raise UsageError(f"--layout {name}: {error}") from error


def _throttled(settings: EngineSettings, throttle: str | None) -> EngineSettings:
    if throttle is None:
        return settings
    throttle_us = round(parse_duration(throttle) * MICROS)
    observation = msgspec.structs.replace(settings.observation, throttle_us=throttle_us)
    return msgspec.structs.replace(settings, observation=observation)


def _labels(text: str) -> frozenset[Label]:
    try:
        return frozenset(Label(name.strip()) for name in text.split(",") if name.strip())
    except ValueError as error:
        raise UsageError(f"--labels {text}: {error}; give some of {', '.join(Label)}") from None


def _horizons_s(text: str) -> tuple[int, ...]:
    seconds = sorted({parse_duration(each.strip()) for each in text.split(",")})
    if any(each != int(each) or not 1 <= each <= MAX_HORIZON_S for each in seconds):
        raise UsageError(f"--horizons {text}: each is a whole number of seconds from 1 to {MAX_HORIZON_S}")
    return tuple(int(each) for each in seconds)


def _print(summary: DatasetSummary) -> None:
    console = table_console()
    print(
        f"{summary.rows:,} rows of layout {summary.layout} in {summary.out}, from {to_rfc3339(summary.from_us)[:19]} "
        f"to {to_rfc3339(summary.to_us)[:19]} UTC; {summary.events:,} events read"
    )
    labels = Table(title="labels", title_justify="left")
    labels.add_column("column")
    labels.add_column("rows with a value", justify="right")
    labels.add_column("share", justify="right")
    for name, count in summary.known.items():
        labels.add_row(name, f"{count:,}", f"{100 * count / summary.rows:.1f} %")
    if summary.known:
        console.print(labels)
    markets = Table(title="markets", title_justify="left")
    markets.add_column("market", no_wrap=True)
    markets.add_column("rows", justify="right")
    if OUTCOME_COLUMN in summary.known:
        markets.add_column("outcome", justify="right")
    for one in summary.markets:
        outcome = NOT_KNOWN if one.outcome_cc is None else format_price(one.outcome_cc)
        markets.add_row(escape(one.ticker), f"{one.rows:,}", *([outcome] if OUTCOME_COLUMN in summary.known else []))
    console.print(markets)
