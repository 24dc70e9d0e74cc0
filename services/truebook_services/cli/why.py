"""``truebook why [TICKER]``: where quotes got stuck in the last hour, and what each gate said in one market.

Of services that are processes of their own, Kafka's topics tell it: those keep what was published, but not how often
and why a service published nothing (no observation made, no decision made): see its metrics.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from truebook.money import format_price, format_size
from truebook.runtime.settings import load
from truebook_services.cli import deployed
from truebook_services.cli.errors import UsageError
from truebook_services.cli.operator import parse_window
from truebook_services.embedded.evidence import FILE, answer, read_evidence
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.operator.client import OperatorClient

SHOWN_DECISIONS = 10


def why(
    ticker: Annotated[str | None, typer.Argument(help="A market; without one, the funnel of all.")] = None,
    last: Annotated[str, typer.Option(help="Over Kafka: how much of the past is looked at, up to 1h.")] = "10m",
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Tell why orders were or were not sent: by the running system, or by what the last run has left."""
    settings = load(EmbeddedSettings)
    client = OperatorClient.of_folder(settings.state_path)
    if client is not None:
        with client:
            told, when = client.why(ticker) | {"alive": True}, "the last hour"
    elif settings.kafka_servers is not None:
        told, when = asyncio.run(deployed.why(settings, ticker, parse_window(last))), f"the last {last}"
    else:
        told, when = _of_last_run(settings, ticker) | {"alive": False}, "the last run's last hour"
    if json_:
        print(json.dumps(told))
        return
    _print_funnel(told, when)
    if ticker is not None:
        _print_market(ticker, told["market"])


def _of_last_run(settings: EmbeddedSettings, ticker: str | None) -> dict[str, Any]:
    snapshot = read_evidence(settings.state_path)
    if snapshot is None:
        others = sorted(path.parent.name for path in settings.state_folder.glob(f"*/{FILE}"))
        hint = f"; there is some in {', '.join(others)} (TRUEBOOK_MARKET_DATA=capture names a recording's)"
        raise UsageError(
            f"no evidence in {settings.state_path}: nothing has run here yet; start with `truebook run`"
            + (hint if others else "")
        )
    market = next((each for each in snapshot.markets if each.ticker == ticker), None)
    return answer(snapshot, market)


def _print_funnel(told: dict[str, Any], when: str) -> None:
    console, funnel = Console(markup=False), told["funnel"]
    table = Table(title=f"{when}, {_time(funnel['from_us'])} to {_time(funnel['to_us'])}", title_justify="left")
    table.add_column("came through")
    table.add_column("count", justify="right")
    table.add_column("what was held back, and why")
    for stage in funnel["stages"]:
        lost = "  ".join(f"{reason} {count:,}" for reason, count in stage.get("lost", {}).items())
        table.add_row(stage["name"], f"{stage['count']:,}", lost)
    console.print(table)
    if told.get("holds"):
        console.print(Text(f"holds: {', '.join(told['holds'])}"))
    console.print(Text(funnel["verdict"]))


def _print_market(ticker: str, market: dict[str, Any] | None) -> None:
    console = Console(markup=False)
    if market is None:
        console.print(Text(f"\n{ticker}: not seen: the exchange does not list it, or ingest has not chosen it"))
        return
    chosen = "followed" if market["chosen"] else "not followed"
    book = "fresh" if market["stale"] is None else f"not to be trusted: {market['stale']}"
    observed = _time(market["observed_us"]) if market["observed_us"] else "never"
    console.print(Text(f"\n{ticker}: {chosen}, {market['status'] or 'status not known'}, book {book}, ", end=""))
    console.print(Text(f"{market['seen']:,} changes seen, last observed {observed}"))
    for decision in market["decisions"][-SHOWN_DECISIONS:][::-1]:
        console.print(Text(_decision(decision)))
        for step in decision["steps"]:
            console.print(Text(f"    {_step(step)}"))


def _decision(decision: dict[str, Any]) -> str:
    bid_cc, ask_cc = decision["bid_cc"], decision["ask_cc"]
    top = f"{format_price(bid_cc)} / {format_price(ask_cc)}" if bid_cc is not None and ask_cc is not None else "?"
    wanted = ", ".join(
        f"{target['book_side']} {format_size(target['size_centi'])} @ {format_price(target['price_cc'])}"
        for target in decision["targets"]
    )
    return f"  {_time(decision['at_us'])}  {top}  {decision['model']}: {wanted or decision['reason'] or 'hold'}"


def _step(step: dict[str, Any]) -> str:
    terms = f"{step['book_side'] or ''} {format_size(step['size_centi'])} @ {format_price(step['price_cc'])}"
    reason = f": {step['reason']}" if step["reason"] else ""
    detail = f" ({step['detail']})" if step["detail"] else ""
    return f"{step['outcome']}{reason}{detail}  {terms}"


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
