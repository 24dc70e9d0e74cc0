"""The commands of ``truebook``: where each is, and the line of help that a list of commands shows.

The lines are those of the commands' own help, which a test compares: a list needs no command's module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final, NamedTuple

import typer

PACKAGE: Final = "truebook_services.cli"


class Entry(NamedTuple):
    """A command, or a group of them: the function, or the ``typer.Typer``, of a module of this package."""

    module: str
    attribute: str
    help: str

    def load(self) -> Callable[..., Any] | typer.Typer:
        """Import the module, which may take a second; return what is called."""
        found: Callable[..., Any] | typer.Typer = getattr(import_module(f"{PACKAGE}.{self.module}"), self.attribute)
        return found


COMMANDS: Final[Mapping[str, Entry]] = {
    "run": Entry(
        "run",
        "run",
        "Trade on the simulated exchange; exit code 0: ledger and exchange agree; 5: nothing could be traded.",
    ),
    "init": Entry(
        "init",
        "init",
        "Write a validated truebook.toml: asks for what no flag gives; a setting without a value keeps its default.",
    ),
    "backtest": Entry(
        "backtest",
        "backtest",
        "Trade recordings with a model; exit code 0: complete, 1: ledger and exchange differ, 130: interrupted.",
    ),
    "exchange": Entry("exchange", "exchange", "Run the simulated exchange alone, until Ctrl-C."),
    "certify": Entry(
        "certify",
        "certify",
        "Run any client on a simulated exchange with faults, and report how it behaved. Exit code 1: it failed.",
    ),
    "record": Entry("record", "record", "Record an exchange's market data, for `run --capture`."),
    "status": Entry(
        "operator",
        "status",
        "Show mode, trading holds, account, orders and fills; exit code 1: ledger and exchange may differ.",
    ),
    "why": Entry("operator", "why", "Explain why orders were or were not sent."),
    "doctor": Entry("doctor", "doctor", "Check everything that a run depends on."),
    "halt": Entry("halt", "halt", "Halt all trading and cancel all orders, until resumed."),
    "resume": Entry(
        "operator",
        "resume",
        "Release the operator's halt and list the holds that remain; exit code 1: they restrict trading.",
    ),
    "orders": Entry("account", "orders", "List the open orders of the ledger."),
    "fills": Entry("account", "fills", "List the newest fills of the ledger."),
    "positions": Entry("account", "positions", "List the open positions with their cost and unrealized profit."),
    "pnl": Entry("account", "pnl", "Show realized and unrealized profit, of the account and per market."),
    "statement": Entry(
        "statement",
        "statement",
        "Show one day of the account from its journal; exit code 1: conservation or the journal's check failed.",
    ),
    "reconcile": Entry(
        "account",
        "reconcile",
        "Reconcile now: look up orders, record what is missing, compare; exit code 1: ledger and exchange differ.",
    ),
    "dashboard": Entry(
        "dashboard",
        "dashboard",
        "Serve a page that shows the system and controls it; prints its link.",
    ),
    "flatten": Entry("account", "flatten", "Stop opening positions and close those held; exit code 1: some stay open."),
    "deposit": Entry("account", "deposit", "Deposit into the simulated exchange and the ledger of a running system."),
    "withdraw": Entry(
        "account",
        "withdraw",
        "Withdraw from the simulated exchange and the ledger of a running system.",
    ),
    "rebind": Entry(
        "account",
        "rebind",
        "Bind the ledger to the exchange and key of the settings, after the account's key was replaced.",
    ),
    "serve": Entry("serve", "serve", "Run one service as a process over Kafka and Redis."),
    "topics": Entry(
        "topics",
        "topics",
        "Show topics and group lag; exit code 3 if partitions, compaction or retention are wrong.",
    ),
    "dead-letters": Entry("dead_letters", "dead_letters", "List and explain the dead letters, or replay one."),
    "report": Entry(
        "compare",
        "report",
        "Write the report of a backtest as one HTML page, and its numbers as JSON beside it.",
    ),
    "compare": Entry("compare", "compare", "Compare results on the same data with the first one, event by event."),
    "splits": Entry("splits", "splits", "Divide a recording into windows to train and to test in, by time."),
    "calibrate": Entry(
        "calibrate",
        "calibrate",
        "Measure how virtual passive orders fill on a recording, by each queue model, and how prices move afterwards.",
    ),
    "dataset": Entry(
        "dataset",
        "dataset",
        "Write the features that a live model would be given on a recording, with labels, as Parquet.",
    ),
    "mcp": Entry("mcp", "mcp", "Serve tools for agents (MCP over standard input and output): reads, and halt."),
    "limits": Entry("account", "limits", "Show or change the limits that the ledger checks before each order."),
    "alerts": Entry("alerts", "alerts", "Try the receivers of alerts, and show the alerts in force."),
    "models": Entry("models", "models", "List, check, add and switch models; a running system follows."),
    "ledger": Entry("ledger", "ledger", "Verify the journal of the ledger."),
    "data": Entry("data", "data", "Import recorded market data, and check it."),
}
