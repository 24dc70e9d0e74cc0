"""The command ``truebook``: its subcommands, put together."""

from __future__ import annotations

from importlib import metadata
from typing import Annotated

import typer

from truebook_services.cli.account import (
    deposit,
    fills,
    flatten,
    limits,
    orders,
    pnl,
    positions,
    rebind,
    reconcile,
    withdraw,
)
from truebook_services.cli.alerts import alerts
from truebook_services.cli.backtest import backtest
from truebook_services.cli.calibrate import calibrate
from truebook_services.cli.certify import certify
from truebook_services.cli.compare import compare, report
from truebook_services.cli.dashboard import dashboard
from truebook_services.cli.data import data
from truebook_services.cli.dataset import dataset
from truebook_services.cli.dead_letters import dead_letters
from truebook_services.cli.doctor import doctor
from truebook_services.cli.errors import exit_with_one_line
from truebook_services.cli.exchange import exchange
from truebook_services.cli.halt import halt
from truebook_services.cli.init import init
from truebook_services.cli.ledger import ledger
from truebook_services.cli.mcp import mcp
from truebook_services.cli.models import models
from truebook_services.cli.operator import resume, status, why
from truebook_services.cli.record import record
from truebook_services.cli.run import run
from truebook_services.cli.serve import serve
from truebook_services.cli.splits import splits
from truebook_services.cli.statement import statement
from truebook_services.cli.topics import topics

app = typer.Typer(
    help="Trade Kalshi prediction markets on paper with your own model; the ledger is checked against the exchange.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
for command in (
    run, init, backtest, exchange, certify,
    record, status, why, doctor, halt, resume, orders, fills, positions, pnl, statement, reconcile,
    dashboard, flatten, deposit, withdraw, rebind, serve, topics, dead_letters, report, compare,
    splits, calibrate, dataset, mcp,
):  # fmt: skip
    app.command()(command)
app.add_typer(limits, name="limits")
app.add_typer(alerts, name="alerts")
app.add_typer(models, name="models")
app.add_typer(ledger, name="ledger")
app.add_typer(data, name="data")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"truebook {metadata.version('truebook')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    # Without a docstring: it would replace the help of the whole command.
    del version


def main() -> None:
    """Run the command; an expected error ends in one line on standard error and a documented exit code."""
    with exit_with_one_line():
        app()


if __name__ == "__main__":
    main()
