"""The commands on the account: its lists and profit, limits, transfers, comparison with the exchange, flatten."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from rich.table import Table

from truebook.clock import MICROS
from truebook.ledger.verbs import LIMIT_NAMES, Limits
from truebook.money import format_micros, format_price, format_size
from truebook_services.cli.amounts import NOT_KNOWN, dollars, parse_dollars
from truebook_services.cli.operator import Json, call, print_json, request
from truebook_services.cli.table_console import table_console
from truebook_services.operator.requests import (
    ChangeLimits,
    Flatten,
    LimitsReport,
    ListFills,
    ListOrders,
    ListPositions,
    PositionValues,
    Rebind,
    Reconcile,
    ShowPnl,
    Transfer,
)

Ticker = Annotated[str | None, typer.Argument(help="A market; all markets if omitted.")]
Amount = Annotated[str, typer.Argument(help="Dollars, such as 100.00.")]
Recognize = Annotated[
    bool,
    typer.Option("--recognize", help="Record what was moved at the exchange's own pages: all that differs."),
]
TransferId = Annotated[
    str | None,
    typer.Option("--id", help="Id of a transfer whose outcome is unknown, to repeat it: it is done once."),
]
PRUNED: Final = "(pruned markets)"
"""Shown for the record that adds up settled markets."""
MIN_ID: Final = 9
"""Characters of an id that are shown in any case."""
KNOWN_LIMITS: Final = f"Known: {', '.join(LIMIT_NAMES)}."

limits = typer.Typer(help="Show or change the limits that the ledger checks before each order.", no_args_is_help=True)


@limits.command("show")
def show_limits(json_: Json = False) -> None:
    """Show the account's limits, who set each, and the losses that count against them."""
    _print_limits(call(lambda operator: operator.perform(ChangeLimits()), json_))


@limits.command("set")
def set_limits(
    values: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help=KNOWN_LIMITS)], json_: Json = False
) -> None:
    """Set the named limits; the others stay. They have priority over the settings until they are cleared."""
    changes = dict(_parse_limit(each) for each in values)
    _print_limits(call(lambda operator: operator.perform(ChangeLimits(changes=changes)), json_))


@limits.command("clear")
def clear_limits(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help=f"All if omitted. {KNOWN_LIMITS}")
    ] = None,
    json_: Json = False,
) -> None:
    """Remove the named limits, or all; the next start applies those of the settings."""
    changes = dict.fromkeys(names or LIMIT_NAMES)
    _print_limits(call(lambda operator: operator.perform(ChangeLimits(changes=changes)), json_))


def _parse_limit(text: str) -> tuple[str, int]:
    name, _, value = text.partition("=")
    if name not in LIMIT_NAMES or not (value.isascii() and value.isdigit()):
        raise typer.BadParameter(f"{text!r}: expected NAME=VALUE with a whole number. {KNOWN_LIMITS}")
    return name, int(value)


def _print_limits(report: LimitsReport | None) -> None:
    if report is None:
        return
    rows = [(name, _known(getattr(report.limits, name), "none"), _set_by(report.limits, name)) for name in LIMIT_NAMES]
    _print("limits", ("limit", "value", "set by"), rows)
    if report.marks is not None:
        losses = (report.marks.daily_loss_micros, report.marks.drawdown_micros)
        print("loss of the day: {}, drawdown: {}".format(*map(dollars, losses)))


def _set_by(limits: Limits, name: str) -> str:
    if getattr(limits, name) is None:
        return ""
    return "settings" if name in limits.from_settings else "operator"


def deposit(
    amount: Amount,
    id_: TransferId = None,
    recognize: Recognize = False,
    interest: Annotated[
        bool, typer.Option("--interest", help="With --recognize: it is interest, which is income and no deposit.")
    ] = False,
    json_: Json = False,
) -> None:
    """Deposit into the simulated exchange and the ledger of a running system."""
    _transfer(parse_dollars(amount), id_, json_, recognize=recognize, interest=interest)


def withdraw(amount: Amount, id_: TransferId = None, recognize: Recognize = False, json_: Json = False) -> None:
    """Withdraw from the simulated exchange and the ledger of a running system."""
    _transfer(-parse_dollars(amount), id_, json_, recognize=recognize)


def _transfer(amount_micros: int, id_: str | None, as_json: bool, *, recognize: bool, interest: bool = False) -> None:
    request = Transfer(
        transfer_id=id_ or f"transfer-{uuid.uuid4()}", amount_micros=amount_micros, recognize=recognize,
        interest=interest,
    )  # fmt: skip
    report = call(lambda operator: operator.perform(request), as_json)
    if report is not None:
        print(f"{report.result}: {report.transfer_id}; available cash {dollars(report.cash_micros)}")


def rebind(
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Also where the exchange shows no order that this ledger has sent.")
    ] = False,
    json_: Json = False,
) -> None:
    """Bind the ledger to the exchange and key of the settings, after the account's key was replaced."""
    report = call(lambda operator: operator.perform(Rebind(confirm=confirm)), json_)
    if report is not None:
        print(f"{report.result} to {report.exchange} (before: {report.former or 'none'})")


def orders(ticker: Ticker = None, json_: Json = False) -> None:
    """List the open orders of the ledger."""
    result = call(lambda operator: operator.perform(ListOrders(ticker=ticker)), json_)
    if result is not None:
        rows = [
            (
                each.ticker, each.state, each.book_side, format_price(each.price_cc), format_size(each.size_centi),
                format_size(each.remaining_centi), each.order_id,
            )
            for each in result.orders
        ]  # fmt: skip
        _print_with_ids("open orders", ("market", "state", "side", "price", "size", "left", "order id"), rows)


def fills(
    ticker: Ticker = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Number of fills, newest first.")] = 20,
    json_: Json = False,
) -> None:
    """List the newest fills of the ledger."""
    result = call(lambda operator: operator.perform(ListFills(ticker=ticker, limit=limit)), json_)
    if result is not None:
        rows = [
            (
                _time(each.exchange_us), each.ticker, each.book_side, format_price(each.price_cc),
                format_size(each.size_centi), format_micros(each.fee_micros), each.outcome, each.trade_id,
            )
            for each in result.fills
        ]  # fmt: skip
        title = "fills" if result.is_complete else "newest fills, without the earlier ones"
        _print_with_ids(title, ("time (UTC)", "market", "side", "price", "size", "fee", "outcome", "trade id"), rows)


def positions(ticker: Ticker = None, json_: Json = False) -> None:
    """List the open positions with their cost and unrealized profit."""
    result = call(lambda operator: operator.perform(ListPositions(ticker=ticker)), json_)
    if result is not None:
        _print_markets("open positions", result.positions)


def pnl(json_: Json = False) -> None:
    """Show realized and unrealized profit, of the account and per market."""
    result = call(lambda operator: operator.perform(ShowPnl()), json_)
    if result is not None:
        _print_markets("profit per market", result.markets)
        account = result.account
        for name in ("realized_micros", "unrealized_micros", "fees_micros", "equity_micros"):
            print(f"{name.removesuffix('_micros')}: {dollars(getattr(account, name))}")


def reconcile(json_: Json = False) -> None:
    """Reconcile now: look up orders, record what is missing, compare; exit code 1: ledger and exchange differ."""
    result = request(lambda operator: operator.perform(Reconcile()))
    if json_:
        print_json(result)
    else:
        print("recorded meanwhile: " + ", ".join(f"{count} {what}" for what, count in result.recorded.items()))
        print("ledger and exchange are equal" if result.equal else "ledger and exchange differ:")
        for difference in result.differences:
            print(f"  {difference}")
        for name, error_micros in result.errors_of_totals.items():
            print(f"the ledger's {name} is wrong by {dollars(error_micros)}")
    raise typer.Exit(0 if result.equal and not result.errors_of_totals else 1)


def flatten(
    tickers: Annotated[list[str] | None, typer.Argument(metavar="TICKER...", help="Markets; all by default.")] = None,
    max_slip_cc: Annotated[
        int, typer.Option("--max-slip-cc", min=0, max=9_900, help="Bound beyond the best price, in 1/100 cent.")
    ] = 500,
    json_: Json = False,
) -> None:
    """Stop opening positions and close those held; exit code 1: some stay open."""
    result = request(lambda op: op.perform(Flatten(tickers=tuple(tickers or ()), max_slip_cc=max_slip_cc)))
    if json_:
        print_json(result)
    else:
        print(f"closed: {', '.join(result.closed) or 'none'}; the hold {result.hold} stays until `truebook resume`")
        for each in result.remaining:
            print(f"still open: {each.ticker} {format_size(each.position_centi)}: {each.cause}")
    raise typer.Exit(1 if result.remaining else 0)


def _shown(ticker: str) -> str:
    """Name a market; pruned ones have a record of each shard, ``#2`` of shard 2."""
    return f"{PRUNED}{ticker}" if ticker[:1] in ("", "#") else ticker


def _print_markets(title: str, markets: Iterable[PositionValues]) -> None:
    rows = [
        (
            _shown(each.ticker), format_size(each.position_centi), dollars(each.cost_micros),
            dollars(each.realized_micros),
            dollars(each.unrealized_micros), dollars(each.fees_micros),
        )
        for each in markets
    ]  # fmt: skip
    _print(title, ("market", "position", "cost", "realized", "unrealized", "fees"), rows)


def _time(at_us: int | None) -> str:
    if at_us is None:
        return NOT_KNOWN
    return datetime.fromtimestamp(at_us / MICROS, UTC).strftime("%m-%d %H:%M:%S")


def _known(value: object, otherwise: str = NOT_KNOWN) -> str:
    return otherwise if value is None else str(value)


def _print(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(title=f"{title}: {len(rows)}", title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*row)
    table_console().print(table)


def _print_with_ids(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows whose last column is an id, one line each: of the id as much of its end as fits.

    A folded id takes more lines and can't be searched for; ``--json`` prints whole ones.
    """
    console = table_console()
    others = sum(max(map(len, column)) + 2 for column in list(zip(columns, *rows, strict=True))[:-1])
    room = max(MIN_ID, console.width - others)
    table = Table(title=f"{title}: {len(rows)}", title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns[:-1]:
        table.add_column(column, no_wrap=True)
    table.add_column(columns[-1], no_wrap=True, min_width=MIN_ID)
    for *cells, whole in rows:
        table.add_row(*cells, whole if len(whole) <= room else f"…{whole[1 - room :]}")
    console.print(table)
