"""The checks at the end of a run: ledger equals exchange, no duplicates, no losses, nothing reserved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from chaos.faults import Kind
from chaos.history import Violation
from truebook.clock import MICROS
from truebook.ledger.exchange_reports import OPENED, READABLE, SWEPT
from truebook.ledger.outcomes import TransferState
from truebook.ledger.port import Marks
from truebook.ledger.reconcile import Difference
from truebook.ledger.rules.ledger import replay
from truebook.ledger.trading_holds import WIND_DOWN
from truebook.ledger.verbs import MarkEquity
from truebook.messages.envelope import BookSide
from truebook.messages.topics import DEAD_LETTERS
from truebook.venue.account import OrderStatus, is_before
from truebook_services.fill_listener.settings import FillListenerSettings

if TYPE_CHECKING:
    from chaos.run import Run

JOURNAL = 10_000_000
NEVER_LOGGED = ("book differs from its snapshot", "residue recorded", "ERROR report contradicts the ledger")
"""Log lines that no fault of these runs may cause."""


def judge(run: Run, differences: Sequence[Difference], late: Sequence[str]) -> None:
    """Raise the first ``Violation``."""
    _books_agree(run, differences)
    _no_duplicates(run)
    _no_fill_lost(run)
    _nothing_reserved(run)
    _journal(run)
    _marks(run)
    _transfers(run)
    if late:
        raise Violation("services stop in time", ", ".join(late))
    for event in NEVER_LOGGED:
        if run.history.counts[f"log:{event}"]:
            raise Violation("no service logs this", event)
    if run.history.counts[DEAD_LETTERS.name] and Kind.ODD_ITEMS not in run.struck:
        raise Violation("every message is readable", f"{run.history.counts[DEAD_LETTERS.name]} dead letters")


def _books_agree(run: Run, differences: Sequence[Difference]) -> None:
    if differences:
        first = differences[0]
        raise Violation("11 ledger = exchange", "; ".join(map(str, differences)), subject=first.ticker)
    resting = [order for order in run.exchange.orders.values() if order.status is OrderStatus.RESTING]
    if resting:
        raise Violation("no order stays open", str(resting[0]), subject=resting[0].client_order_id)


def _no_duplicates(run: Run) -> None:
    twice = [order_id for order_id, count in run.exchange.sent.items() if count > 1]
    if twice:
        raise Violation("no order is sent twice", twice[0], subject=twice[0])
    unsent = [order_id for order_id in run.exchange.orders if order_id not in run.exchange.sent]
    if unsent:
        raise Violation("only execution makes orders", unsent[0], subject=unsent[0])


def _no_fill_lost(run: Run) -> None:
    state = run.server.ledger.state
    recorded = {
        (order_id, trade_id): fill for order_id, fills in state.fills.items() for trade_id, fill in fills.items()
    }
    opened_us = state.watermarks[OPENED]
    since = {key: true for key, true in run.exchange.fills.items() if not is_before(true.created_us, opened_us)}
    for key, true in since.items():
        fill = recorded.pop(key, None)
        if fill is None or fill.parked:
            raise Violation("7 no fill is lost", f"{true}: {fill}", subject=true.ticker)
    if recorded:
        raise Violation("7 no fill is invented", str(next(iter(recorded.items()))))
    swept_us = state.watermarks[SWEPT]
    read_us = min(swept_us, state.watermarks.get(READABLE, swept_us))
    read_us -= int(FillListenerSettings().overlap_s * MICROS)  # later fills are read again
    for key in sorted(since.keys() - run.broker.published_fills):
        if run.exchange.fills[key].created_us < read_us:
            raise Violation(
                "every fill is published", f"no sweep will publish {run.exchange.fills[key]}", subject=key[0]
            )
    for ticker, market in state.markets.items():
        signed = sum(
            fill.size_centi if fill.book_side is BookSide.BID else -fill.size_centi
            for fill in run.exchange.fills.values() if fill.ticker == ticker
        )  # fmt: skip
        if signed != market.position_centi:
            raise Violation("7 no fill is lost", f"{signed} centi, the ledger has {market}", subject=ticker)


def _nothing_reserved(run: Run) -> None:
    account = run.server.ledger.account()
    open_orders = [order_id for market in run.server.ledger.state.markets.values() for order_id in market.open]
    if account.reserved_micros or open_orders or account.parked:
        subject = open_orders[0] if open_orders else ""
        raise Violation("nothing stays reserved", f"{account}, open {open_orders}", subject=subject)
    holds = {hold.name for hold in account.holds} - {WIND_DOWN.name}
    if holds:
        raise Violation("no trading hold is left", ", ".join(sorted(holds)))


def _transfers(run: Run) -> None:
    """Every transfer between shards is in the books once, and a returned one was never executed."""
    known = run.server.ledger.state.transfers
    returned = {one.transfer_id for one in known.values() if one.state is TransferState.REFUSED}
    if returned & run.exchange.executed_transfers():
        raise Violation("8 nothing is released without proof", f"{returned & run.exchange.executed_transfers()}")
    if run.drawn.shards and not any(one.state is TransferState.ARRIVED for one in known.values()):
        raise Violation("the treasurer moves cash", str(list(known.values())))


def _journal(run: Run) -> None:
    """9: replaying the journal gives the same state."""
    ledger = run.server.ledger
    again = replay(ledger.journal(0, JOURNAL))
    for name in (
        "totals",
        "orders",
        "markets",
        "fills",
        "holds",
        "events",
        "exchange_ids",
        "watermarks",
        "epochs",
        "shards",
        "transfers",
    ):
        mine, other = (msgspec.to_builtins(getattr(one.state, name)) for one in (ledger, again))
        if mine != other:
            raise Violation("9 the journal gives the same state", name)


def _marks(run: Run) -> None:
    """With a limit of losses the equity was marked, and peak and day follow from all marks, over every restart."""
    ledger = run.server.ledger
    entries = [entry for entry in ledger.journal(0, JOURNAL) if entry.verb == MarkEquity.VERB]
    taken = [msgspec.json.decode(entry.arguments, type=MarkEquity) for entry in entries]
    if bool(taken) != bool(run.drawn.limits.given()):
        raise Violation("the equity is marked", f"{len(taken)} marks, limits {run.drawn.limits.given()}")
    if not taken:
        return
    first_of_day = next(number for number, mark in enumerate(taken) if mark.day == taken[-1].day)
    expected = Marks(
        day=taken[-1].day, day_start_micros=taken[max(0, first_of_day - 1)].profit_micros,
        peak_micros=max(mark.profit_micros for mark in taken), last_micros=taken[-1].profit_micros,
    )  # fmt: skip
    if ledger.state.marks != expected:
        raise Violation("peak and day survive", f"{ledger.state.marks}, by the marks {expected}")
