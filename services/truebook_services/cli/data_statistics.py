"""``truebook data statistics``: the statistics of a recording, of synthetic markets, or of both side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.table import Table

from truebook.backtest.market_statistics.samples import MarketSamples, samples_by_market
from truebook.backtest.market_statistics.synthetic import busiest_markets
from truebook.backtest.market_statistics.table import WITHIN, Compared, Statistic, compare, observed_s, statistics_of
from truebook.backtest.market_statistics.targets import TARGETS
from truebook.capture.columns import read_columns
from truebook.capture.manifest import CaptureError
from truebook.simulation.synthetic.presets import Preset
from truebook_services.cli.amounts import NOT_KNOWN
from truebook_services.cli.errors import UsageError
from truebook_services.cli.operator import Json, print_json
from truebook_services.cli.output import last_output
from truebook_services.cli.table_console import table_console

SEEDS: Final = 32


class StatisticsReport(msgspec.Struct, frozen=True, kw_only=True):
    """The output of ``data statistics --json``. Without a comparison, targets are null."""

    measured: str
    target: str | None
    markets: int
    open_seconds: int
    """Time with a bid below an ask and the mid price from 5 to 95 cents, of all markets."""
    rows: list[Compared]


def statistics(
    folder: Annotated[
        Path | None, typer.Argument(help="A recording: a folder, or a .jsonl file of frames.", show_default=False)
    ] = None,
    preset: Annotated[
        Preset | None,
        typer.Option(help="Measure synthetic markets; compare with the recording, or else with the preset's target."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=1_000, help="Number of synthetic markets.")] = SEEDS,
    json_: Json = False,
) -> None:
    """Measure books, changes, trades and price moves of a recording or of synthetic markets."""
    if preset is None and folder is None:
        raise UsageError("give a recording, --preset, or both to compare them")
    recorded = None if folder is None else _recorded(folder)
    if preset is None:
        assert recorded is not None
        report = _report(recorded, str(folder), None, [])
    else:
        made = [samples for _, samples in samples_by_market(busiest_markets(preset, range(1, seeds + 1)))]
        target = list(TARGETS.get(preset, ())) if recorded is None else statistics_of(recorded)
        name = str(folder) if recorded is not None else f"target of {preset}" if target else None
        report = _report(made, f"{preset}, {seeds} seeds", name, target)
    with last_output():
        if json_:
            print_json(report)
        else:
            _print(report)


def _recorded(folder: Path) -> list[MarketSamples]:
    markets = [samples for _, samples in samples_by_market(read_columns(folder))]
    if not markets:
        raise CaptureError(f"{folder}: no market has a snapshot and changes; record the channel `orderbook_delta`")
    return markets


def _report(
    markets: list[MarketSamples], measured: str, target: str | None, targets: list[Statistic]
) -> StatisticsReport:
    rows = compare(statistics_of(markets), targets)
    return StatisticsReport(
        measured=measured, target=target, markets=len(markets), open_seconds=observed_s(markets), rows=rows
    )


def _print(report: StatisticsReport) -> None:
    console = table_console()
    title = f"{report.measured}: {report.markets} markets, open for {report.open_seconds:,} s"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    table.add_column("value", justify="right")
    if report.target is not None:
        table.add_column(report.target, justify="right", overflow="fold")
        table.add_column("ratio", justify="right")
    for row in report.rows:
        cells = [row.name, _number(row.value)]
        if report.target is not None:
            mark = "" if row.is_within is not False else " *"
            cells += [_number(row.target), (NOT_KNOWN if row.ratio is None else f"{row.ratio:.2f}") + mark]
        table.add_row(*cells)
    console.print(table)
    if report.target is not None:
        outside = sum(row.is_within is False for row in report.rows)
        print(f"{len(report.rows) - outside} of {len(report.rows)} rows within a factor of {WITHIN}; others: *")


def _number(value: float | None) -> str:
    if value is None:
        return NOT_KNOWN
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
