"""``truebook report`` and ``truebook compare``: results of backtests as a page, and against each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from truebook.backtest.analysis import comparison
from truebook.backtest.analysis.bootstrap import CONFIDENCE
from truebook.backtest.analysis.comparison import Comparison, Named, Outcome, PassComparison
from truebook.backtest.analysis.statistics import EVENT
from truebook.backtest.report.headline import interval_text, under_models
from truebook.backtest.report.numbers import percent, plural, score, signed_dollars
from truebook.backtest.report.output import REPORT_HTML, numbers_path, write_report
from truebook.backtest.result import RESULT, read_result
from truebook_services.cli.errors import UsageError
from truebook_services.cli.operator import Json, print_json
from truebook_services.cli.output import last_output
from truebook_services.cli.table_console import table_console

Result = Annotated[Path, typer.Argument(help="A folder that `truebook backtest` wrote.")]
Results = Annotated[list[Path], typer.Argument(help="The baseline's folder, then those of the candidates.")]
Variants = Annotated[
    list[Path] | None,
    typer.Option("--variant", help="A backtest with other sizes or another latency, to show beside; repeatable."),
]
Page = Annotated[Path | None, typer.Option(help="The page to write; by default `report.html` in the folder.")]

WIDTH: Final = 100
"""Of the table where the output is no terminal."""
_OUTCOMES: Final = {
    Outcome.BETTER: "better than {baseline} beyond luck, {under_models}",
    Outcome.WORSE: "worse than {baseline} beyond luck, {under_models}",
    Outcome.NOT_DISTINGUISHABLE: "not distinguishable from {baseline}",
    Outcome.TOO_FEW: "no conclusion against {baseline}: too few events or blocks of time differ",
}


class ComparisonList(msgspec.Struct, frozen=True, kw_only=True):
    """Every candidate against the baseline."""

    comparisons: tuple[Comparison, ...]


class WrittenReport(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a report."""

    page: str
    numbers: str


def report(result: Result, variant: Variants = None, out: Page = None, json_: Json = False) -> None:
    """Write the report of a backtest as one HTML page, and its numbers as JSON beside it."""
    folder = result if result.is_dir() else result.parent
    page = out or folder / REPORT_HTML
    if page.suffix != ".html":
        raise UsageError(f"{page}: the page's name must end in .html: its numbers are written beside it as .json")
    _check_kept(numbers_path(page), [result, *(variant or ())])
    numbers = write_report(page, read_result(result), [_named(each) for each in variant or ()])
    written = WrittenReport(page=str(page), numbers=str(numbers))
    if json_:
        print_json(written)
    else:
        print(f"{written.page}\n{written.numbers}")


def compare(results: Results, json_: Json = False) -> None:
    """Compare results on the same data with the first one, event by event."""
    if len(results) < 2:
        raise UsageError("give at least two folders: the baseline's, then those of the candidates")
    baseline, *candidates = (_named(path) for path in results)
    found = ComparisonList(comparisons=comparison.compare(baseline, candidates))
    if json_:
        print_json(found)
        return
    with last_output():
        _print(found.comparisons)


def _check_kept(numbers: Path, results: Sequence[Path]) -> None:
    """Refuse numbers that would replace a result, whether it is read here or not."""
    if numbers.name == RESULT or numbers.resolve() in {path.resolve() for path in results}:
        raise UsageError(f"{numbers}: the page's numbers would replace a result: choose another name with --out")


def _named(path: Path) -> Named:
    return Named(str(path), read_result(path))


def _print(found: Sequence[Comparison]) -> None:
    console = table_console(WIDTH)
    for each in found:
        models = under_models([one.queue for one in each.passes], "common queue model")
        text = _OUTCOMES[each.outcome].format(baseline=each.baseline, under_models=models)
        console.print(f"[bold]{escape(each.candidate)}[/bold]: {escape(text)}", soft_wrap=True)
        console.print(_table(each))
        if each.brier is not None:
            console.print(escape(_brier_text(each)), soft_wrap=True)
        left_out = max(one.left_out_events for one in each.passes)
        if left_out:
            console.print(f"[yellow]left out[/yellow]: {plural(left_out, 'event')} with a position of unknown value")
        for difference in each.other_differences:
            console.print(f"[yellow]also differs[/yellow]: {escape(difference)}", soft_wrap=True)


def _table(found: Comparison) -> Table:
    table = Table()
    table.add_column("queue", no_wrap=True)
    first = found.passes[0].significance
    interval = f"{percent(first.confidence, 0 if first.confidence == CONFIDENCE else 1)} interval"
    for name in ("baseline", "candidate", "difference", interval, "better", "worse"):
        table.add_column(name, justify="right")
    for one in found.passes:
        table.add_row(*_row(one))
    return table


def _row(one: PassComparison) -> tuple[str, ...]:
    blocks = "" if one.significance.unit == EVENT else f" ({one.significance.units} time blocks)"
    return (
        str(one.queue), signed_dollars(one.baseline_micros), signed_dollars(one.candidate_micros),
        signed_dollars(one.difference_micros), f"{interval_text(one.significance)}{blocks}",
        plural(one.better_events, "event"), plural(one.worse_events, "event"),
    )  # fmt: skip


def _brier_text(found: Comparison) -> str:
    brier = found.brier
    assert brier is not None
    scores = f"Brier score {score(brier.baseline)}, of the candidate {score(brier.candidate)}"
    text = f"{scores} ({plural(brier.events, 'event')}, {plural(brier.pairs, 'prediction pair')})"
    if brier.interval is None:
        return f"{text}: too few events to compare them"
    return f"{text}: difference {score(brier.difference)}, {score(brier.interval.low)} to {score(brier.interval.high)}"
