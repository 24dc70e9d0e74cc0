"""``truebook status``, ``why`` and ``resume``: the operator's port as commands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import msgspec
import typer

from truebook.runtime.settings import load
from truebook_services.cli.amounts import parse_duration
from truebook_services.cli.summary_table import print_summary
from truebook_services.cli.why_table import print_why
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.operator.connect import open_operator
from truebook_services.operator.port import MAX_WINDOW_S, NothingRecorded, Operator, Status, may_be_consistent

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Last = Annotated[str, typer.Option(help="Over Kafka: length of the window to read, up to 1h.")]
Result = TypeVar("Result", bound=msgspec.Struct)


def status(last: Last = "10m", json_: Json = False) -> None:
    """Show mode, trading holds, account, orders and fills; exit code 1: ledger and exchange may differ."""
    window_s = parse_window(last)
    result = request(lambda operator: operator.status(window_s))
    if json_:
        print_json(result)
    else:
        print_summary(result, _state(result))
    raise typer.Exit(0 if may_be_consistent(result) else 1)


def _state(status: Status) -> str:
    if status.alive is True:
        return "running"
    if status.crashed is True:
        return "not running: the last run did not end in order; the next one reconciles its orders"
    return "not running: nothing sends orders"


def why(
    ticker: Annotated[str | None, typer.Argument(help="A market; all markets if omitted.")] = None,
    last: Last = "10m",
    json_: Json = False,
) -> None:
    """Explain why orders were or were not sent."""
    window_s = parse_window(last)
    result = request(lambda operator: operator.why(ticker, window_s))
    if ticker is not None and result.market is None:
        raise NothingRecorded(
            f"{ticker}: no data", "the exchange does not list it, or ingest has not read it yet; see `truebook why`"
        )
    if json_:
        print_json(result)
    else:
        print_why(result)


def resume(
    hold: Annotated[
        str | None,
        typer.Option(
            "--hold",
            metavar="NAME",
            help="Release this hold, which the ledger placed, instead of the operator's own:"
            " only after finding and removing its cause.",
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Release the operator's halt and list the holds that remain; exit code 1: they restrict trading."""
    result = request(lambda operator: operator.resume(hold))
    if json_:
        print_json(result)
    else:
        print("released" if result.result == "released" else f"nothing to release: {result.result}")
        for each in result.remaining:
            print(f"still in force: {each.name} ({each.mode}, by {each.owner}), while {each.reason}")
    raise typer.Exit(0 if result.may_trade else 1)


def parse_window(text: str) -> float:
    """Read the length of the window in seconds: the topics keep an hour."""
    window_s = parse_duration(text)
    if not 0 < window_s <= MAX_WINDOW_S:
        raise typer.BadParameter(f"{text!r}: expected more than 0 and at most 1h")
    return window_s


def call(action: Callable[[Operator], Awaitable[Result]], as_json: bool) -> Result | None:
    """Call the operator's backend; prints the result as JSON, or returns it to be printed for people."""
    result = request(action)
    if not as_json:
        return result
    print_json(result)
    return None


def request(action: Callable[[Operator], Awaitable[Result]]) -> Result:
    """Call the operator's backend."""

    async def run() -> Result:
        async with open_operator(load(EmbeddedSettings)) as operator:
            return await action(operator)

    return asyncio.run(run())


def print_json(result: msgspec.Struct) -> None:
    print(msgspec.json.encode(result).decode())
