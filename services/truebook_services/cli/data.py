"""``truebook data``: import recorded data, list what a recording contains, and verify it."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from truebook.capture.coverage import Coverage, MarketCoverage, coverage
from truebook.capture.importers.importing import import_data
from truebook.capture.importers.source import DataFormat
from truebook.capture.verification import MarketCheck
from truebook.capture.verification import verify as verify_recording
from truebook.clock import MICROS
from truebook.kalshi.wire.times import to_rfc3339
from truebook.money import format_price, format_size
from truebook_services.cli.amounts import NOT_KNOWN
from truebook_services.cli.data_statistics import statistics
from truebook_services.cli.operator import Json, print_json
from truebook_services.cli.output import last_output
from truebook_services.cli.table_console import table_console

data = typer.Typer(help="Import recorded market data, and check it.", no_args_is_help=True)
data.command()(statistics)

INTERRUPTED: Final = 130
INCONSISTENT: Final = 1
Folder = Annotated[Path, typer.Argument(help="A recording: a folder, or a .jsonl file of frames.")]


class Verified(msgspec.Struct, frozen=True):
    """The output of ``data verify --json``."""

    consistent: bool
    markets: tuple[MarketCheck, ...]


@data.command("import")
def import_(
    path: Annotated[Path, typer.Argument(help="A file or folder of recorded data.")],
    out: Annotated[Path, typer.Option(help="Folder of the new recording: new or empty.")],
    format_: Annotated[
        DataFormat | None, typer.Option("--format", help="The format of the data; recognized if omitted.")
    ] = None,
    json_: Json = False,
) -> None:
    """Import recorded data as a recording of format 2."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("import")

            def show(done: int, total: int, events: int) -> None:
                bar.update(task, completed=min(done, total), total=total, description=f"{events:,} events")

            imported = import_data(path, out, format_, progress=show, version=version("truebook"))
    except KeyboardInterrupt:
        console.print("truebook: interrupted; nothing was written", highlight=False)
        raise SystemExit(INTERRUPTED) from None
    with last_output():
        if json_:
            print_json(imported)
            return
        print(
            f"{imported.events:,} events of {imported.markets:,} markets imported into {out} "
            f"(format {imported.data_format})"
        )
        if imported.gaps or imported.skipped:
            print(
                f"{imported.gaps:,} gaps; {imported.skipped:,} frames are not applied: see `truebook data info {out}`"
            )
        if imported.assumed:
            print(
                f"metadata assumed for {len(imported.assumed):,} markets: standard fee, close after the recording's end"
            )


@data.command()
def info(folder: Folder, json_: Json = False) -> None:
    """List what a recording contains: time, markets, outcomes, gaps, rates and spreads."""
    found = coverage(folder)
    with last_output():
        if json_:
            print_json(found)
        else:
            _print_coverage(found)


@data.command()
def verify(folder: Folder, json_: Json = False) -> None:
    """Check a recording's files, and compare each snapshot with the changes before it; exit code 1 if they differ."""
    checks = verify_recording(folder)
    verified = Verified(all(one.is_consistent for one in checks), checks)
    with last_output():
        if json_:
            print_json(verified)
        else:
            _print_checks(verified)
    if not verified.consistent:
        raise SystemExit(INCONSISTENT)


def _print_checks(verified: Verified) -> None:
    table = _table(
        "verified", "market", "snapshots", "compared", "re-based", "cleared at close", "different", "invalid changes"
    )
    for one in verified.markets:
        counts = (one.snapshots, one.compared, one.rebased, one.cleared, one.different, one.invalid)
        table.add_row(escape(one.ticker), *(f"{count:,}" for count in counts))
    _wide().print(table)
    for one in verified.markets:
        if one.first is not None:
            print(
                f"differs: {one.ticker} at {to_rfc3339(one.first.at_us)}: {one.first.levels} levels, "
                f"{one.first.book_side} {format_price(one.first.price_cc)} has {format_size(one.first.snapshot_centi)} "
                f"in the snapshot, {format_size(one.first.folded_centi)} by the changes before it"
            )
    print("consistent" if verified.consistent else "NOT CONSISTENT: record or download the data again")


def _print_coverage(found: Coverage) -> None:
    seconds = (found.last_us - found.first_us) // 1_000_000
    table = Table(title="recording", title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name, value in (
        ("first event", to_rfc3339(found.first_us)), ("last event", to_rfc3339(found.last_us)),
        ("duration", f"{seconds // 3_600} h {seconds % 3_600 // 60:02d} min {seconds % 60:02d} s"),
        ("markets", f"{len(found.markets):,}"), ("events", f"{found.events:,}"),
        ("deltas", f"{found.deltas:,}"), ("trades", f"{found.trades:,}"),
        ("snapshots", f"{found.snapshots:,}"), ("life-cycle events", f"{found.lifecycle:,}"),
        ("gaps", f"{found.gaps:,}"),
        *((f"not applied: {reason}", f"{count:,}") for reason, count in found.skipped.items()),
    ):  # fmt: skip
        table.add_row(name, value)
    _wide().print(table)
    markets = _table(
        "markets", "market", "minutes", "deltas", "a second", "trades", "a second", "contracts", "gaps",
        "longest pause s", "book known", "two-sided", "mean spread", "outcome",
    )  # fmt: skip
    for one in found.markets:
        markets.add_row(escape(one.ticker), *_market_cells(one))
    _wide().print(markets)
    if assumed := sorted({name for one in found.markets for name in one.assumed}):
        print(f"assumed in some markets: {', '.join(assumed)}")


def _market_cells(one: MarketCoverage) -> tuple[str, ...]:
    lasted_us = one.last_us - one.first_us
    return (
        _tenths(lasted_us, 60_000_000),
        f"{one.deltas:,}",
        _per_second(one.deltas, lasted_us),
        f"{one.trades:,}",
        _per_second(one.trades, lasted_us),
        format_size(one.traded_centi),
        f"{one.gaps:,}",
        _tenths(one.longest_pause_us, 1_000_000),
        *(
            f"{part_us * 100 // lasted_us} %" if lasted_us else NOT_KNOWN
            for part_us in (one.known_us, one.two_sided_us)
        ),
        NOT_KNOWN if one.mean_spread_cc is None else format_price(one.mean_spread_cc),
        NOT_KNOWN if one.settlement_cc is None else format_price(one.settlement_cc),
    )


def _tenths(amount: int, unit: int) -> str:
    return f"{amount // unit}.{amount * 10 // unit % 10}"


def _per_second(count: int, lasted_us: int) -> str:
    hundredths = count * 100 * MICROS // lasted_us if lasted_us else 0
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def _table(title: str, first: str, *others: str) -> Table:
    """Return a table with a first column of text and others of numbers."""
    table = Table(title=title, title_justify="left")
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", overflow="fold")
    return table


def _wide() -> Console:
    """Return a console that does not cut cells where the output is no terminal."""
    return table_console(200)
