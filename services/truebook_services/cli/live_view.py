"""What a person sees while the system runs: a table that is redrawn, or a plain line every few seconds."""

from __future__ import annotations

import sys
from typing import Final, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from truebook_services.cli.amounts import NOT_KNOWN, dollars
from truebook_services.cli.output import show_progress
from truebook_services.embedded.view import View
from truebook_services.operator.port import Status

PLAIN_EVERY_S: Final = 5.0
LIVE_EVERY_S: Final = 0.5


def describe_mode(status: Status) -> str:
    """Return the ledger's mode, with the trading holds that cause it."""
    return f"{status.mode}: {', '.join(status.holds)}" if status.holds else status.mode


class StartedView(View, Protocol):
    """A view that takes and releases the terminal."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


class PlainView:
    """A line on standard error every few seconds: for logs and pipes."""

    every_s = PLAIN_EVERY_S

    def start(self) -> None:
        """Nothing to set up."""

    def show(self, status: Status, events: list[str]) -> None:
        self.report(
            f"{status.seconds:7.1f} s  markets {status.markets}  deltas {status.deltas}  "
            f"decisions {status.decisions}  orders {status.orders.sent}  fills {status.fills}  "
            f"cash {dollars(status.cash_micros)}  reserved {dollars(status.reserved_micros)}  "
            f"equity {dollars(status.equity_micros)}  mode {describe_mode(status)}"
        )

    def report(self, text: str) -> None:
        show_progress(text)

    def stop(self) -> None:
        """Nothing to tear down."""


class LiveView:
    """A panel in the terminal, redrawn twice a second."""

    every_s = LIVE_EVERY_S

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=4, transient=True)

    def start(self) -> None:
        self._live.start()

    def show(self, status: Status, events: list[str]) -> None:
        holds = Text("\n".join(f"trading hold: {hold}" for hold in status.holds), style="bold yellow")
        newest = Text("\n".join(events), style="dim", no_wrap=True, overflow="ellipsis")
        self._live.update(Group(_panel(status), *([holds] if status.holds else []), newest))

    def report(self, text: str) -> None:
        self._console.print(Text(text))

    def stop(self) -> None:
        self._live.stop()


def _panel(status: Status) -> Panel:
    orders, latency = status.orders, status.tick_to_order_ms
    unrealized = status.unrealized_micros
    pnl = None if unrealized is None else status.realized_micros + unrealized - status.fees_micros
    both = Table.grid(padding=(0, 4))
    both.add_row(
        _column(
            ("markets", f"{status.markets}"),
            ("book changes", _count(status.deltas)),
            ("observations", f"{status.observations:,}"),
            ("decisions", _count(status.decisions)),
            ("orders sent", f"{orders.sent:,}"),
            ("refused", f"{sum(orders.refused.values()):,}"),
            ("fills", _count(status.fills)),
            ("settlements", _count(status.settlements)),
        ),
        _column(
            ("available cash", dollars(status.cash_micros)),
            ("reserved", dollars(status.reserved_micros)),
            ("positions at cost", dollars(status.position_cost_micros)),
            ("equity", dollars(status.equity_micros)),
            ("profit and loss", dollars(pnl)),
            ("fees", dollars(status.fees_micros)),
            ("tick to order p50 / p99", f"{latency.p50 or NOT_KNOWN} / {latency.p99 or NOT_KNOWN} ms"),
            ("mode", status.mode),
        ),
    )
    title = f"truebook · {status.market_data} · {status.model} · {status.seconds:.0f} s"
    return Panel(both, title=title, subtitle="Ctrl-C stops the run", expand=False)


def _column(*rows: tuple[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(justify="right")
    for name, value in rows:
        table.add_row(name, value)
    return table


def _count(value: int | None) -> str:
    return NOT_KNOWN if value is None else f"{value:,}"


def choose_view(*, plain: bool) -> StartedView:
    """Return the redrawn panel in a terminal, plain lines elsewhere or where requested."""
    return PlainView() if plain or not sys.stderr.isatty() else LiveView()
