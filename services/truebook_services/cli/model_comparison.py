"""What ``truebook models compare`` prints, and the evidence for a promotion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rich.markup import escape
from rich.table import Table

from truebook.backtest.paper.report import ModelResult, PaperValues, ShadowReport
from truebook.backtest.report.numbers import percent, signed_dollars
from truebook_services.cli.amounts import NOT_KNOWN, dollars
from truebook_services.cli.model_table import time_text
from truebook_services.cli.table_console import table_console

MIN_SHADOW_S: Final = 3_600
"""Below this length of a shadow run a promotion needs ``--yes``."""


def missing_evidence(report: ShadowReport | None) -> str | None:
    """Return what a promotion lacks; None if the shadow ran for an hour without an end."""
    if report is None:
        return "no report of a shadow run of this model beside the active one"
    if report.error:
        return f"the shadow run has ended with an error ({report.error})"
    if report.seconds < MIN_SHADOW_S:
        return f"the shadow has run for {duration_text(report.seconds)}, less than {duration_text(MIN_SHADOW_S)}"
    return None


def evidence_text(report: ShadowReport) -> str:
    """Return the result of a shadow run in one line."""
    bands = f"paper profit {band_text(report.shadow)}, of the active model {band_text(report.active)}"
    return f"{duration_text(report.seconds)}, {report.markets} markets: {bands}"


def band_text(result: ModelResult) -> str:
    """Return the lowest and the highest profit over the queue models."""
    band = result.band_micros
    return "not known" if band is None else f"{signed_dollars(band[0])} to {signed_dollars(band[1])}"


def duration_text(seconds: int) -> str:
    """Format a duration for people, by its two largest units."""
    minutes, rest_s = divmod(seconds, 60)
    hours, rest_min = divmod(minutes, 60)
    if hours:
        return f"{hours} h {rest_min:02d} min"
    return f"{minutes} min {rest_s:02d} s" if minutes else f"{seconds} s"


def print_comparison(report: ShadowReport) -> None:
    """Write the comparison; that nothing was traded on, or that the run has ended, comes first."""
    console = table_console()
    if report.error:
        console.print(f"[bold red]the shadow run has ended[/bold red]: {escape(report.error)}", soft_wrap=True)
    if not report.events:
        console.print("[bold yellow]no market data yet: nothing was compared[/bold yellow]")
    since = f"since {time_text(report.since_us)} ({duration_text(report.seconds)})"
    shared = f", {report.processes} processes" if report.processes > 1 else ""
    console.print(f"{since}, {report.markets} markets, {report.events:,} events, {report.skipped:,} skipped{shared}")
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for result, role in ((report.active, "active"), (report.shadow, "shadow")):
        table.add_column(f"{escape(result.model.name)} ({role})", justify="right", no_wrap=True)
    both = (report.active, report.shadow)
    table.add_row("paper profit", *(band_text(each) for each in both))
    for number, account in enumerate(report.active.accounts):
        table.add_row(f"  {account.queue}", *(_profit(each.accounts[number].profit_micros) for each in both))
    rows: tuple[tuple[str, Callable[[PaperValues], int | None], Callable[[int | None], str]], ...] = (
        ("largest drawdown", lambda one: one.max_drawdown_micros, dollars),
        ("fees", lambda one: one.fees_micros, dollars),
        ("turnover", lambda one: one.turnover_micros, dollars),
        ("orders", lambda one: one.orders, _count),
        ("fills", lambda one: one.fills, _count),
        ("positions without a known value", lambda one: one.unvalued_markets, _count),
    )
    for name, value_of, text_of in rows:
        table.add_row(name, *(_range([value_of(one) for one in each.accounts], text_of) for each in both))
    table.add_row("batches decided", *(_count(each.decided.batches) for each in both))
    table.add_row("failed batches", *(_count(each.decided.failures) for each in both))
    for name, attribute in (("50 % within", "p50_us"), ("99 % within", "p99_us")):
        table.add_row(f"batch: {name}", *(_milliseconds(getattr(each.decided, attribute)) for each in both))
    console.print(table)
    if report.compared:
        share = percent(report.agreed / report.compared, 1)
        console.print(f"the same decision on {report.agreed:,} of {report.compared:,} observations ({share})")


def _range(values: list[int | None], text_of: Callable[[int | None], str]) -> str:
    """Return the smallest and the largest value over the queue models."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return NOT_KNOWN
    low, high = text_of(min(known)), text_of(max(known))
    return low if low == high else f"{low} to {high}"


def _profit(micros: int | None) -> str:
    return NOT_KNOWN if micros is None else signed_dollars(micros)


def _count(value: int | None) -> str:
    return NOT_KNOWN if value is None else f"{value:,}"


def _milliseconds(value_us: int | None) -> str:
    return NOT_KNOWN if value_us is None else f"{value_us / 1000:.2f} ms"
