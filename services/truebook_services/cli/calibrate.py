"""``truebook calibrate``: would passive orders have been filled, by each queue model, on a recording?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from truebook.backtest.analysis.bootstrap import Interval
from truebook.backtest.calibration.order import NotCounted
from truebook.backtest.calibration.result import MIN_PAIRED, Calibration, Estimate, NothingToCalibrate, Terms
from truebook.backtest.calibration.result import calibrate as calibrate_recording
from truebook.capture.columns import read_columns
from truebook.capture.manifest import CaptureError
from truebook.money import WireFormatError, format_size, parse_size_centi
from truebook_services.cli.amounts import NOT_KNOWN
from truebook_services.cli.operator import Json, print_json
from truebook_services.cli.output import last_output
from truebook_services.cli.table_console import table_console

INTERRUPTED: Final = 130
MAX_SECONDS: Final = 3_600
SHOWN_AFTER_S: Final = 1
"""The time after a fill for which mark-outs are shown by basis."""
NOT_COUNTED: Final = {
    NotCounted.NO_MID: "no bid below an ask when they would have joined",
    NotCounted.EXTREME_PRICE: "best price below 5 or above 95 cents",
    NotCounted.GAP: "book unknown meanwhile",
}


def calibrate(
    data: Annotated[Path, typer.Argument(help="A recording: a folder, or a .jsonl file of frames.")],
    seed: Annotated[int, typer.Option(help="Seed of the times at which orders join.")] = 1,
    samples: Annotated[int, typer.Option(min=1, help="Number of times; at each an order joins on both sides.")] = 2_000,
    seconds: Annotated[int, typer.Option(min=1, max=MAX_SECONDS, help="Time for which an order rests.")] = 60,
    size: Annotated[str, typer.Option(help="Contracts of an order, at most two decimals.")] = "10",
    json_: Json = False,
) -> None:
    """Measure how virtual passive orders fill on a recording, by each queue model, and how prices move afterwards."""
    terms = Terms(seed=seed, samples=samples, seconds=seconds, size_centi=_size_centi(size))
    console = Console(stderr=True)
    columns = (TextColumn("orders followed"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("calibrate", total=None)
            found = calibrate_recording(
                lambda: read_columns(data), terms,
                lambda done, total: bar.update(task, completed=done, total=total),
            )  # fmt: skip
    except NothingToCalibrate as error:
        raise CaptureError(f"{data}: {error}") from error
    except KeyboardInterrupt:
        console.print("truebook: interrupted; no result", highlight=False)
        raise SystemExit(INTERRUPTED) from None
    with last_output():
        if json_:
            print_json(found)
        else:
            _print(found)


def _size_centi(size: str) -> int:
    try:
        size_centi = parse_size_centi(size, "--size")
    except WireFormatError as error:
        raise typer.BadParameter(f"{error}; use contracts with at most two decimals, such as 10 or 0.5") from error
    if size_centi < 1:
        raise typer.BadParameter("--size must be at least 0.01 contracts")
    return size_centi


def _print(found: Calibration) -> None:
    console = table_console()
    terms = found.terms
    title = (
        f"{found.orders:,} orders of {format_size(terms.size_centi)} at the best price, followed for {terms.seconds} s"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for model in found.models:
        table.add_column(model.queue, justify="right")
    for name, cells in _rows(found):
        table.add_row(name, *cells)
    console.print(table)
    ahead = " / ".join(format_size(size_centi) for size_centi in found.ahead_centi)
    print(f"size ahead when they joined, 10 / 25 / 50 / 75 / 90 %: {ahead}")
    print(
        f"trades with their change of the book: {found.trades_with_delta:,} of {found.trades:,}; "
        f"received after it: {_percent(found.trades_after_delta, found.trades_with_delta)}"
    )
    if found.models[0].paired.value is None:
        print(f"exact pairing: not known; fewer than {100 * MIN_PAIRED:.0f} % of the trades have their change")
    print("mark-out: mid price in favour of the position, less the price of the fill; before fees")
    for reason, count in found.not_counted.items():
        print(f"{count:,} orders not counted: {NOT_COUNTED[reason]}")
    print(
        f"in brackets: 95 % interval by resampling {found.interval_units} units ({found.interval_unit}) of "
        f"{found.markets} markets; seed {terms.seed}"
    )


def _rows(found: Calibration) -> list[tuple[str, list[str]]]:
    models, seconds = found.models, found.terms.seconds
    rows = [
        (f"filled within {seconds} s", [_share(one.filled) for one in models]),
        ("filled in part only", [_percent(one.only_in_part, found.orders) for one in models]),
        ("time to fill, quartiles", [_quartiles(one.fill_s) for one in models]),
        *_basis_rows(found),
        ("filled by trades at its price alone", [_share(one.in_queue) for one in models]),
        ("  time to fill, quartiles", [_quartiles(one.in_queue_s) for one in models]),
        ("  with the whole recording known", [_share(one.paired) for one in models]),
        ("  time to fill, quartiles", [_quartiles(one.paired_s) for one in models]),
    ]
    for index, price in enumerate(models[0].prices):
        when = f"after {price.after_s} s" if price.after_s else "just before the fill"
        rows.append((f"mark-out {when}", [_cents(one.prices[index].mark_out_cc) for one in models]))
        if price.after_s:
            change = [_cents(one.prices[index].change_cc) for one in models]
            rows.append((f"  mid change in favour {when}", change))
    return rows


def _basis_rows(found: Calibration) -> list[tuple[str, list[str]]]:
    """Return for each basis of fills its share, and the mark-out after ``SHOWN_AFTER_S``."""
    by_basis = [{each.basis: each for each in one.bases} for one in found.models]
    shown = [price.after_s for price in found.models[0].prices].index(SHOWN_AFTER_S)
    rows = []
    for basis in sorted({basis for bases in by_basis for basis in bases}):
        each = [bases.get(basis) for bases in by_basis]
        rows.append((f"  of the filled by {basis}", [f"{100 * one.share:.1f} %" if one else NOT_KNOWN for one in each]))
        cells = [_cents(one.mark_outs_cc[shown]) if one else NOT_KNOWN for one in each]
        rows.append((f"    mark-out after {SHOWN_AFTER_S} s", cells))
    return rows


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else NOT_KNOWN


def _share(share: Estimate) -> str:
    if share.value is None:
        return NOT_KNOWN
    return f"{100 * share.value:.1f} %{_interval(share.interval, 100, 0)}"


def _cents(mean: Estimate) -> str:
    return NOT_KNOWN if mean.value is None else f"{mean.value / 100:+.2f} ¢{_interval(mean.interval, 0.01, 2)}"


def _interval(interval: Interval | None, scale: float, decimals: int) -> str:
    if interval is None:
        return ""
    return f" ({interval.low * scale:.{decimals}f} to {interval.high * scale:.{decimals}f})"


def _quartiles(seconds: tuple[float, ...] | None) -> str:
    return NOT_KNOWN if seconds is None else " / ".join(f"{one:.1f}" for one in seconds) + " s"
