"""The report of ``truebook certify``: as text, and as a page without scripts."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

from truebook.money import format_micros
from truebook.simulation.conduct.judge import Judgement, Report

_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "td,th{border-bottom:1px solid #ccc;padding:.25rem .75rem;text-align:left}"
    ".pass{color:#157a3c}.fail{color:#b3261e;font-weight:600}.not-met{color:#777}"
)


def rows(report: Report) -> list[tuple[str, str]]:
    """Return the report's totals, as names and values."""
    believed, profit_micros = report.position_differences, report.profit_micros
    return [
        ("result", "passed" if report.passed else "failed"),
        ("length", f"{report.seconds} s{_ended(report.exit_code)}"),
        (
            "requests",
            f"{report.requests:,}" + (f", {report.unrecorded:,} of them not recorded" if report.unrecorded else ""),
        ),
        ("orders sent, accepted", f"{report.orders_sent:,}, {report.orders_accepted:,}"),
        ("orders doubled", str(len(report.doubled))),
        ("orders abandoned", str(len(report.abandoned))),
        ("orders omitted", "not stated" if report.omitted is None else str(len(report.omitted))),
        ("orders left resting", str(report.left_resting)),
        ("requests wasted", _counts(report.wasted)),
        ("refused by faults", str(report.refused_by_faults)),
        ("responses with 429", str(report.rate_limited)),
        ("positions held", _positions(report.positions_held)),
        ("positions believed", "not stated" if believed is None else "; ".join(believed) or "the same"),
        (
            "profit against doing nothing",
            "unknown: a position could not be sold"
            if profit_micros is None
            else f"{format_micros(profit_micros)} dollars",
        ),
    ]


def text(report: Report) -> str:
    """Return the report for a terminal."""
    totals = rows(report)
    width = max(len(name) for name, _ in totals)
    lines = [*(f"{name:<{width}}  {value}" for name, value in totals), ""]
    lines += [f"{one.verdict:<8}{one.kind:<20}{one.reason}" for one in report.faults]
    return "\n".join(lines)


def page(report: Report, command: str) -> str:
    """Return the report as HTML."""
    totals = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in rows(report))
    faults = "".join(_row(one) for one in report.faults)
    orders = "".join(
        f"<li>{escape(one.ticker)}: {escape(one.first_order_id)} sent again as {escape(one.second_order_id)} "
        f"after {escape(one.fault)}</li>"
        for one in report.doubled
    ) + "".join(
        f"<li>{escape(one.ticker)}: {escape(one.order_id)} abandoned after {escape(one.fault)}</li>"
        for one in report.abandoned
    )
    orders += "".join(f"<li>{escape(order_id)} omitted</li>" for order_id in report.omitted or ())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Certification</title><style>{_STYLE}</style>'
        f"<h1>Certification</h1><p><code>{escape(command)}</code></p><table>{totals}</table>"
        f"<h2>Faults</h2><table><tr><th>fault</th><th>verdict</th><th>occasions</th><th>recovery</th><th>reason</th></tr>"
        f"{faults}</table>{f'<h2>Orders</h2><ul>{orders}</ul>' if orders else ''}</html>\n"
    )


def _row(one: Judgement) -> str:
    recovery = "" if one.recovery_ms is None else f"{one.recovery_ms:,} ms"
    return (
        f'<tr><td>{escape(one.kind)}</td><td class="{one.verdict.replace(" ", "-")}">{escape(one.verdict)}</td>'
        f"<td>{one.occasions}</td><td>{recovery}</td><td>{escape(one.reason)}</td></tr>"
    )


def _ended(exit_code: int | None) -> str:
    return "" if exit_code is None else f": the client ended before the time, with exit code {exit_code}"


def _counts(wasted: Mapping[str, int]) -> str:
    named = ", ".join(f"{name}: {count}" for name, count in wasted.items())
    total = sum(wasted.values())
    return f"{total} ({named})" if named else str(total)


def _positions(held: Mapping[str, str]) -> str:
    return ", ".join(f"{ticker} {size}" for ticker, size in held.items()) or "none"
