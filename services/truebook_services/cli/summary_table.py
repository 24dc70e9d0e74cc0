"""The summary of a run or of a running system as a table for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from truebook_services.cli.live_view import dollars

MONEY = (
    ("deposits", "deposits_micros"),
    ("cash", "cash_micros"),
    ("promised", "promised_micros"),
    ("positions at cost", "position_cost_micros"),
    ("realised", "realised_micros"),
    ("unrealised", "unrealised_micros"),
    ("fees", "fees_micros"),
    ("equity", "equity_micros"),
)

NOT_KNOWN = "–"


def print_summary(summary: dict[str, Any], title: str) -> None:
    """Write the summary to standard output; what is null is not known."""
    table = Table(title=title, show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    orders = summary["orders"]
    for name in ("seconds", "seed", "model", "market_data", "markets", "deltas", "observations", "actions"):
        table.add_row(name.replace("_", " "), _known(summary[name]))
    table.add_section()
    for name in ("sent", "acknowledged", "rejected", "cancelled", "unknown"):
        table.add_row(f"orders {name}", str(orders[name]))
    for reason, count in orders["refused"].items():
        table.add_row(f"refused: {reason}", str(count))
    table.add_row("fills", _known(summary["fills"]))
    for basis, count in (summary["fills_by_basis"] or {}).items():
        table.add_row(f"fills: {basis}", str(count))
    table.add_row("settlements", _known(summary["settlements"]))
    table.add_section()
    for name, field in MONEY:
        table.add_row(name, NOT_KNOWN if summary[field] is None else dollars(summary[field]))
    table.add_section()
    latency = summary["tick_to_order_ms"]
    table.add_row("tick to order p50 / p99", f"{_known(latency['p50'])} / {_known(latency['p99'])} ms")
    table.add_row("conservation error", f"{summary['conservation_error_micros']} micros")
    table.add_row("adjustments", f"{summary['adjustments_micros']} micros")
    compared = summary["ledger_equals_exchange"]
    table.add_row("ledger equals exchange", "not compared" if compared is None else "yes" if compared else "NO")
    console = Console()
    console.print(table)
    for difference in summary["differences"]:
        console.print(f"[red]differs[/red]: {escape(str(difference))}")
    for order in summary["unresolved_orders"]:
        console.print(f"[red]unresolved[/red]: {escape(str(order))}")


def _known(value: object) -> str:
    return NOT_KNOWN if value is None else str(value)
