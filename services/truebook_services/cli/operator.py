"""``truebook status``, ``halt`` and ``resume``: by the operator's API of a running system; of services that are
processes of their own by what they share (``deployed``); or on the ledger, when nothing is alive."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from truebook.ledger.bundled import BundledServer
from truebook.ledger.port import LedgerStore
from truebook.ledger.redis_store import RedisStore
from truebook.runtime.settings import load
from truebook.runtime.state_folder import StateFolder
from truebook_services.cli import deployed
from truebook_services.cli.errors import UsageError
from truebook_services.cli.run import parse_duration
from truebook_services.cli.summary_table import print_summary
from truebook_services.embedded.run import BOOKS, SUMMARY
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.embedded.statistics import Statistics
from truebook_services.embedded.summary import account_figures, summarise
from truebook_services.embedded.surroundings import LEDGER
from truebook_services.operator.api import HOLD, HOLD_KEEPING_ORDERS, OWNER, release_for_operator
from truebook_services.operator.client import OperatorClient

MOST_WINDOW_S: Final = 3_600.0
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


def status(
    last: Annotated[str, typer.Option(help="Over Kafka: how much of the past is counted, up to 1h.")] = "10m",
    json_: Json = False,
) -> None:
    """Show a running system, or what the ledger of a stopped one holds."""
    settings = load(EmbeddedSettings)
    client = OperatorClient.of_folder(settings.state_path)
    if client is not None:
        summary, title = client.status() | {"alive": True}, "running"
    elif settings.kafka_servers is not None:
        summary = asyncio.run(deployed.status(settings, parse_window(last)))
        title = f"{'running' if summary['alive'] else 'no execution is active'}: the last {summary['seconds']} s"
    else:
        summary = _left_by_lockstep(settings) or asyncio.run(
            _on_ledger(settings, partial(_stored_status, settings.state_path))
        )
        summary["alive"], title = False, "not running: figures from the ledger"
    if json_:
        print(json.dumps(summary))
    else:
        print_summary(summary, title)


def halt(
    keep_orders: Annotated[bool, typer.Option("--keep-orders", help="Leave resting orders alone.")] = False,
    json_: Json = False,
) -> None:
    """Stop all trading at once and cancel what rests, until ``resume``."""
    settings = load(EmbeddedSettings)
    client = OperatorClient.of_folder(settings.state_path)
    if client is not None:
        answer = client.halt(keep_orders=keep_orders)
    elif settings.kafka_servers is not None:
        answer = asyncio.run(deployed.halt(settings, keep_orders=keep_orders))
    else:
        answer = asyncio.run(_on_ledger(settings, partial(_hold, keep_orders=keep_orders)))
    _tell(answer, json_)


def resume(
    hold: Annotated[
        str | None,
        typer.Option(
            "--hold",
            metavar="NAME",
            help="Release this hold, which the ledger placed by itself, instead of the operator's own:"
            " only once you know what brought it and have seen to it.",
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Take the operator's halt away; other holds stay."""
    settings = load(EmbeddedSettings)
    client = OperatorClient.of_folder(settings.state_path)
    if client is not None:
        answer = client.resume(hold)
    elif settings.kafka_servers is not None:
        answer = asyncio.run(deployed.resume(settings, hold))
    else:
        answer = asyncio.run(_on_ledger(settings, partial(_release, hold=hold)))
    _tell(answer, json_)


def parse_window(text: str) -> float:
    """Read how much of the past is looked at, in seconds: more than an hour is not kept."""
    window_s = parse_duration(text)
    if not 0 < window_s <= MOST_WINDOW_S:
        raise typer.BadParameter(f"{text!r}: expected more than 0 and at most 1h")
    return window_s


async def _on_ledger(
    settings: EmbeddedSettings, act: Callable[[LedgerStore], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    """Work on the ledger itself, while no other process holds its folder."""
    if settings.redis_url is not None:
        return await _with_store(settings.redis_url, settings, act)
    if not (settings.state_path / LEDGER).exists():
        raise UsageError(f"no ledger in {settings.state_path}: nothing has run here yet; start with `truebook run`")
    with StateFolder(settings.state_path):
        server = await BundledServer.start(settings.state_path / LEDGER)
        try:
            return await _with_store(server.url, settings, act)
        finally:
            await server.stop()


async def _with_store(
    url: str, settings: EmbeddedSettings, act: Callable[[LedgerStore], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    ledger = await RedisStore.connect(url, settings.account, password=settings.redis_password())
    try:
        return await act(ledger)
    finally:
        await ledger.aclose()


async def _stored_status(folder: Path, ledger: LedgerStore) -> dict[str, Any]:
    """The last run's summary, with what the ledger says by now; a run that was killed has left none of its own."""
    view = await ledger.view()
    books = {
        ticker: (book["bids"], book["asks"]) for ticker, book in _read(folder / BOOKS).items() if book["stale"] is None
    }
    blank = summarise(Statistics(), view, None, seconds=0.0, seed=0, model="", market_data="")
    return {**blank, **_read(folder / SUMMARY), **account_figures(view, books)}


def _left_by_lockstep(settings: EmbeddedSettings) -> dict[str, Any]:
    """The summary of a run that kept its ledger in memory; empty where there is a ledger to ask."""
    is_kept = settings.redis_url is not None or (settings.state_path / LEDGER).exists()
    return {} if is_kept else _read(settings.state_path / SUMMARY)


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return found


async def _hold(ledger: LedgerStore, *, keep_orders: bool) -> dict[str, Any]:
    result = await ledger.hold(HOLD_KEEPING_ORDERS if keep_orders else HOLD, "halted", OWNER)
    return {"result": result, "cancelled": "nothing runs: nothing to cancel with"}


async def _release(ledger: LedgerStore, *, hold: str | None) -> dict[str, Any]:
    return {"result": await release_for_operator(ledger, hold)}


def _tell(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(answer))
    else:
        print("  ".join(f"{name}: {value}" for name, value in answer.items()))
