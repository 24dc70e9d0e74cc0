"""Prints the result of a backtest: its passes side by side, then its variants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.markup import escape
from rich.table import Table

from truebook.backtest.report.document import Dimension, Variant, variants_of
from truebook.backtest.report.headline import SEPARATE
from truebook.backtest.report.numbers import count, percent, signed_dollars
from truebook.backtest.report.tables import band
from truebook.backtest.result import BacktestResult
from truebook.models.history import Switch
from truebook.money import format_micros
from truebook_services.cli.model_table import time_text
from truebook_services.cli.table_console import table_console

TITLES: Final = {
    Dimension.CAPACITY: "factor of sizes and cash (realistic queue, range over all)",
    Dimension.LATENCY: "latency of orders (realistic queue, range over all)",
}


def print_result(result: BacktestResult) -> None:
    """Print the passes side by side."""
    console = table_console()
    part = " (interrupted: partial)" if result.partial else ""
    table = Table(title=f"backtest of {result.model.name} on {result.data.name}{part}", title_justify="left")
    table.add_column("")
    for one in result.passes:
        table.add_column(str(one.queue), justify="right")
    rows = {
        "equity $": [_money(one.account.equity_micros) for one in result.passes],
        "profit $": [_profit(result, number) for number in range(len(result.passes))],
        "fees $": [_money(one.account.fees_micros) for one in result.passes],
        "orders": [f"{len(one.orders):,}" for one in result.passes],
        "fills": [f"{len(one.fills):,}" for one in result.passes],
        "observations": [f"{one.observations:,}" for one in result.passes],
        "ledger = exchange": ["yes" if one.account.ledger_equals_exchange else "NO" for one in result.passes],
    }
    for name, cells in rows.items():
        table.add_row(name, *cells)
    console.print(table)
    for one in result.passes:
        for each in one.switches:
            console.print(f"{one.queue}: {_switch(each)}", soft_wrap=True)
    for dimension, found in variants_of(result).items():
        if found:
            console.print(_variants(dimension, found))
    if result.settings.accounts > 1:
        console.print(escape(SEPARATE), soft_wrap=True)
    console.print(f"{result.data.events:,} events of {len(result.data.markets)} markets in {result.seconds} s")


def _switch(switch: Switch) -> str:
    at = f"at {time_text(switch.at_us)}"
    where = "at the recorded observation" if switch.is_exact else "by time: no observation has the recorded id"
    return escape(f"{f'{switch.name} decides' if switch.name else 'no model decides'} from there on, {at} ({where})")


def _variants(dimension: Dimension, found: Sequence[Variant]) -> Table:
    """Return a table of variants: values of the realistic (or the only) pass, with the range over all below."""
    table = Table(title=f"by {TITLES[dimension]}", title_justify="left")
    table.add_column("")
    for name in ("profit", "return", "orders", "with a fill", "size filled", "fills"):
        table.add_column(name, justify="right")
    for each in found:
        cells = (
            band(((one.queue, one.net_micros) for one in each.passes), signed_dollars),
            band(((one.queue, one.return_ratio) for one in each.passes), lambda ratio: percent(ratio, 2)),
            band(((one.queue, one.orders) for one in each.passes), count),
            band(((one.queue, one.order_rate) for one in each.passes), percent),
            band(((one.queue, one.size_rate) for one in each.passes), percent),
            band(((one.queue, one.fills) for one in each.passes), count),
        )
        table.add_row(
            escape(each.label), *(f"{one.text}\n[dim]{one.below}[/dim]" if one.below else one.text for one in cells)
        )
    return table


def _money(micros: int | None) -> str:
    return "unknown" if micros is None else f"{float(format_micros(micros)):,.2f}"


def _profit(result: BacktestResult, number: int) -> str:
    account = result.passes[number].account
    if account.equity_micros is None:
        return "unknown"
    return _money(account.equity_micros - account.deposits_micros)
