"""What a person sees while the system runs: a table that is drawn again, or a plain line every few seconds."""

from __future__ import annotations

import sys
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

PLAIN_EVERY_S = 5.0
LIVE_EVERY_S = 0.5


def dollars(micros: int) -> str:
    """Write micro-dollars for people: to the cent, with thousands separated."""
    sign = "-" if micros < 0 else ""
    cents = abs(micros) // 10_000
    return f"{sign}${cents // 100:,}.{cents % 100:02d}"


class View(Protocol):
    """Shows the state of a run; ``every_s`` is how often it wants news."""

    every_s: float

    def start(self) -> None: ...
    def show(self, summary: dict[str, Any], news: list[str]) -> None: ...
    def say(self, text: str) -> None: ...
    def stop(self) -> None: ...


class PlainView:
    """A line on standard error every few seconds: for logs and pipes."""

    every_s = PLAIN_EVERY_S

    def start(self) -> None:
        """Nothing to set up."""

    def show(self, summary: dict[str, Any], news: list[str]) -> None:
        orders = summary["orders"]
        self.say(
            f"{summary['seconds']:7.1f} s  markets {summary['markets']}  deltas {summary['deltas']}  "
            f"decisions {summary['actions']}  orders {orders['sent']}  fills {summary['fills']}  "
            f"cash {dollars(summary['cash_micros'])}  promised {dollars(summary['promised_micros'])}  "
            f"equity {dollars(summary['equity_micros'])}  mode {summary['mode']}"
        )

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def stop(self) -> None:
        """Nothing to tear down."""


class LiveView:
    """A picture in the terminal that is drawn again twice a second."""

    every_s = LIVE_EVERY_S

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=4, transient=True)

    def start(self) -> None:
        self._live.start()

    def show(self, summary: dict[str, Any], news: list[str]) -> None:
        self._live.update(Group(_figures(summary), _news(news)))

    def say(self, text: str) -> None:
        self._console.print(Text(text))

    def stop(self) -> None:
        self._live.stop()


def _figures(summary: dict[str, Any]) -> Panel:
    orders, latency = summary["orders"], summary["tick_to_order_ms"]
    left, right = Table.grid(padding=(0, 2)), Table.grid(padding=(0, 2))
    for table in (left, right):
        table.add_column(style="dim")
        table.add_column(justify="right")
    refused = sum(orders["refused"].values())
    for name, value in (
        ("markets", f"{summary['markets']}"),
        ("book changes", f"{summary['deltas']:,}"),
        ("observations", f"{summary['observations']:,}"),
        ("decisions", f"{summary['actions']:,}"),
        ("orders sent", f"{orders['sent']:,}"),
        ("refused", f"{refused:,}"),
        ("fills", f"{summary['fills']:,}"),
        ("settlements", f"{summary['settlements']:,}"),
    ):
        left.add_row(name, value)
    profit = summary["realised_micros"] + summary["unrealised_micros"] - summary["fees_micros"]
    for name, value in (
        ("cash", dollars(summary["cash_micros"])),
        ("promised", dollars(summary["promised_micros"])),
        ("positions at cost", dollars(summary["position_cost_micros"])),
        ("equity", dollars(summary["equity_micros"])),
        ("profit and loss", dollars(profit)),
        ("fees", dollars(summary["fees_micros"])),
        ("tick to order p50 / p99", f"{latency['p50'] or '–'} / {latency['p99'] or '–'} ms"),
        ("mode", summary["mode"]),
    ):
        right.add_row(name, value)
    both = Table.grid(padding=(0, 4))
    both.add_row(left, right)
    title = f"truebook · {summary['market_data']} · {summary['model']} · {summary['seconds']:.0f} s"
    return Panel(both, title=title, subtitle="Ctrl-C ends the run in order", expand=False)


def _news(news: list[str]) -> Text:
    return Text("\n".join(news), style="dim", no_wrap=True, overflow="ellipsis")


def choose_view(*, plain: bool) -> View:
    """Draw where there is a terminal, write lines where there is none or where it was asked for."""
    return PlainView() if plain or not sys.stderr.isatty() else LiveView()
