"""The HTML page of a report. Everything is in the one file; a policy in it forbids the browser any network request."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from itertools import count
from string import Template
from typing import Final

from truebook.backtest.report import charts, sections
from truebook.backtest.report.charts import Chart
from truebook.backtest.report.document import Report
from truebook.backtest.report.headline import Verdict
from truebook.backtest.report.numbers import moment, plural
from truebook.backtest.report.tables import Table, inline, table_html
from truebook.backtest.result import BacktestResult

_VERDICTS: Final = {
    Verdict.NOTHING_TRADED: "Nothing was traded",
    Verdict.PROFIT: "Profit beyond luck",
    Verdict.LOSS: "Loss beyond luck",
    Verdict.NOT_DISTINGUISHABLE: "Not distinguishable from zero",
    Verdict.TOO_FEW: "Too little data for a conclusion",
}
CAPACITY_NOTE: Final = (
    "The factor multiplies the model's sizes, its largest position and the cash at the start; limits of the account are"
    " as set. No fill is larger than the recorded size, but the recorded market does not react: larger orders move no"
    " price and no other order. A real market would, so the profit of a large factor is an upper bound."
)
LATENCY_NOTE: Final = "Time from a decision to its execution at the exchange, without the jitter."
_PAGE: Final = Template(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline';\
 style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>$title</title><style>$style</style></head><body><main>
<header><h1>$title</h1><p class="data">$subtitle</p></header>
<section class="headline" id="result"><h2>$verdict</h2>$sentences</section>
$sections
</main><noscript><p class="note">The charts need JavaScript; the tables contain the same numbers.</p></noscript>
<script>$plotly</script><script>$script</script></body></html>
"""
)


def page_of(report: Report, result: BacktestResult) -> str:
    """Return the page; raises ``MissingLibrary`` without plotly."""
    assets = files("truebook.backtest.report") / "assets"
    title = f"Backtest of {report.model.name} on {report.data.name}"
    return _PAGE.substitute(
        title=escape(title),
        subtitle=escape(_subtitle(report)),
        verdict=_VERDICTS[report.verdict],
        sentences="".join(f"<p>{inline(sentence)}</p>" for sentence in report.sentences),
        sections="\n".join(_sections(report, result)),
        style=(assets / "report.css").read_text(encoding="utf-8"),
        plotly=charts.script(),
        script=(assets / "report.js").read_text(encoding="utf-8"),
    )


def _subtitle(report: Report) -> str:
    data = report.data
    span = f"{moment(data.from_us)} to {moment(data.reached_us)}"
    return f"{span}, {plural(len(data.markets), 'market')}, {plural(data.events, 'recorded event')}"


def _sections(report: Report, result: BacktestResult) -> list[str]:
    passes, numbers = report.passes, count(1)
    maker = "maker" if any(each.role == "maker" for one in passes for each in one.mark_outs) else "taker"
    found: list[tuple[str, Sequence[Chart | Table | str | None]]] = [
        ("Summary", [
            sections.summary(passes), charts.equity(result.passes), charts.drawdown(result.passes),
            charts.exposure(result.passes),
        ]),
        ("Profit", [
            charts.by_market(passes), sections.markets(passes),
            sections.groups("Profit by side", "side", passes, lambda one: one.sides),
            sections.groups("Profit by role and its fees", "role", passes, lambda one: one.roles),
            charts.by_group("Profit by hour of the day (UTC)", passes, lambda one: one.hours),
            sections.groups("Profit by hour of the day", "hour (UTC)", passes, lambda one: one.hours),
            sections.groups("Profit by basis of the fill", "basis", passes, lambda one: one.bases),
        ]),
        ("Execution", [
            sections.fill_rates(passes), charts.mark_outs(passes, maker), sections.mark_outs(passes),
        ]),
        ("Refusals", [sections.funnel(passes), sections.refusals(passes)]),
        ("Probabilities", [
            sections.scores(passes), charts.calibration(passes), sections.calibration(passes),
        ]),
        ("Capacity", [
            charts.variants("Profit by factor of the sizes", report.capacity),
            sections.variants("Capacity: sizes and cash multiplied", "factor", report.capacity, CAPACITY_NOTE),
        ]),
        ("Latency", [
            charts.variants("Profit by latency of orders", report.latency),
            sections.variants("Latency of orders and cancels", "latency", report.latency, LATENCY_NOTE),
        ]),
        ("Inputs", [sections.inputs(report)]),
    ]  # fmt: skip
    empty = {
        "Profit": "No order was filled.",
        "Execution": "No order reached the exchange.",
        "Probabilities": "The model has no probabilities, or no market of the data has a recorded outcome.",
        "Capacity": "One size only. `truebook backtest … --capacity` also trades with three and ten times the size.",
        "Latency": "One latency only. `truebook backtest … --latencies home,hosted,100ms` also trades with those.",
    }
    return [_section(name, parts, empty.get(name, ""), numbers) for name, parts in found]


def _section(name: str, parts: Sequence[Chart | Table | str | None], empty: str, numbers: count[int]) -> str:
    body = [_part(part, numbers) for part in parts if part]
    content = "".join(body) or f'<p class="note">{inline(empty)}</p>'
    return f'<section id="{name.lower()}"><h2>{name}</h2>{content}</section>'


def _part(part: Chart | Table | str, numbers: count[int]) -> str:
    if isinstance(part, Table):
        return table_html(part)
    if isinstance(part, str):
        return part
    number = next(numbers)
    note = f"<small>{escape(part.note)}</small>" if part.note else ""
    content = part.json.replace("<", "\\u003c")  # no tag can begin inside the script element
    return (
        f"<figure><figcaption>{escape(part.name)}{note}</figcaption>"
        f'<div class="chart" id="chart-{number}" role="img"'
        f' aria-label="{escape(part.name)}" style="height:{part.height}px"></div>'
        f'<script type="application/json" data-chart="chart-{number}">{content}</script></figure>'
    )
