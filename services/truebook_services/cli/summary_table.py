"""The status of a run or of a running system as a table for people."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from truebook_services.cli.amounts import NOT_KNOWN, dollars
from truebook_services.cli.hold_texts import explained, of_interest
from truebook_services.cli.model_table import time_text
from truebook_services.operator.port import ModelFailure, Status

COUNTED: Final = (
    "seconds", "seed", "model", "market_data", "markets", "deltas", "observations", "decisions", "actions",
)  # fmt: skip


def title_of_run(status: Status, *, agree: bool) -> str:
    """Return whether both sides agree now, and whether this run had to record a residue for that."""
    if not agree:
        return "LEDGER AND EXCHANGE DIFFER"
    adjusted_micros = status.adjusted_in_run_micros
    adjusted = f", after an adjustment of {adjusted_micros} micros in this run" if adjusted_micros else ""
    return f"ledger and exchange agree{adjusted}"


def print_summary(status: Status, title: str) -> None:
    """Write the status to standard output; what is not known is a dash. That nothing was traded comes first."""
    console = Console()
    if status.not_traded is not None:
        console.print(f"[bold yellow]{escape(status.not_traded)}[/bold yellow]")
    table = Table(title=title, show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    orders, latency = status.orders, status.tick_to_order_ms
    table.add_row("mode", status.mode)
    for hold in status.holds:
        table.add_row("trading hold", escape(hold))
    for what, failure in (("model stopped", status.model_stopped), ("model rolled back", status.model_rolled_back)):
        if failure is not None:
            table.add_row(what, escape(_failure(failure)))
    table.add_section()
    for name in COUNTED:
        table.add_row(name.replace("_", " "), _known(getattr(status, name)))
    if status.skipped_messages:
        table.add_row("not counted (busy)", str(status.skipped_messages))
    table.add_section()
    for name in ("sent", "acknowledged", "rejected", "cancelled", "unknown"):
        table.add_row(f"orders {name}", str(getattr(orders, name)))
    for reason, count in orders.refused.items():
        table.add_row(f"refused: {reason}", str(count))
    table.add_row("fills", _known(status.fills))
    for basis, count in (status.fills_by_basis or {}).items():
        table.add_row(f"fills: {basis}", str(count))
    table.add_row("settlements", _known(status.settlements))
    table.add_section()
    for name, micros in (
        ("deposits", status.deposits_micros),
        *([("interest", status.interest_micros)] if status.interest_micros else ()),
        ("available cash", status.cash_micros),
        *((f"cash on shard {one.exchange_index}", one.net_micros) for one in status.shards),
        *([("in transit between shards", status.in_transit_micros)] if status.in_transit_micros else ()),
        ("reserved", status.reserved_micros),
        ("positions at cost", status.position_cost_micros),
        ("realized", status.realized_micros),
        ("unrealized", status.unrealized_micros),
        ("fees", status.fees_micros),
        ("equity", status.equity_micros),
    ):
        table.add_row(name, dollars(micros))
    table.add_section()
    table.add_row("tick to order p50 / p99", f"{_known(latency.p50)} / {_known(latency.p99)} ms")
    table.add_row("conservation error", f"{status.conservation_error_micros} micros")
    table.add_row("adjustments", f"{status.adjustments_micros} micros")
    table.add_row("adjusted in this run", f"{_known(status.adjusted_in_run_micros)} micros")
    equal = status.ledger_equals_exchange
    table.add_row("ledger equals exchange", "not compared" if equal is None else "yes" if equal else "NO")
    console.print(table)
    for hold in of_interest(status.holds):
        console.print(f"[yellow]trading hold[/yellow]: {escape(explained(hold))}")
    for difference in status.differences:
        console.print(f"[red]differs[/red]: {escape(difference)}")
    for one in status.transfers:
        route = f"from shard {one.from_shard} to shard {one.to_shard}"
        console.print(f"transfer {one.transfer_id} {route}: {dollars(one.amount_micros)}, {one.state}")
    for ticker in status.unvalued_markets:
        console.print(f"[yellow]value unknown[/yellow]: {escape(ticker)} has a position, but no book and no outcome")
    for order in status.unresolved_orders:
        console.print(f"[red]unresolved[/red]: {escape(order)}")


def _failure(failure: ModelFailure) -> str:
    if failure.reason is None or failure.since_us is None:
        return f"{failure.model}: the reason is in policy's log"
    return f"{failure.model}: {failure.reason}; {time_text(failure.since_us)}, by {failure.by}"


def _known(value: object) -> str:
    return NOT_KNOWN if value is None else str(value)
