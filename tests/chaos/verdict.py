"""The judgement at the end of a run: true books, nothing twice, nothing lost, nothing promised, and a real test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from chaos.history import Violation
from truebook.clock import MICROS
from truebook.ledger.facts import SWEPT
from truebook.ledger.reconcile import Difference
from truebook.ledger.rules import replay
from truebook.messages.envelope import BookSide
from truebook.messages.topics import DEAD_LETTERS
from truebook.venue.account import OrderStatus
from truebook_services.embedded.wind_down import HOLD
from truebook_services.fill_listener.settings import FillListenerSettings

if TYPE_CHECKING:
    from chaos.run import Run

JOURNAL = 10_000_000
NEVER_SAID = (
    "book differs from its snapshot", "residue booked", "ERROR a fill contradicts the ledger",
    "ERROR an order contradicts the ledger", "ERROR a settlement contradicts the ledger",
)  # fmt: skip
"""Log lines that no fault of these runs is a reason for."""


def judge(run: Run, differences: Sequence[Difference], late: Sequence[str]) -> None:
    """Raise the first ``Violation``."""
    _true_books(run, differences)
    _nothing_twice(run)
    _no_fill_lost(run)
    _nothing_promised(run)
    _journal(run)
    if late:
        raise Violation("services stop in time", ", ".join(late))
    for word in NEVER_SAID:
        if run.history.counts[f"log:{word}"]:
            raise Violation("no service says so", word)
    if run.history.counts[DEAD_LETTERS.name]:
        raise Violation("nothing was unreadable", f"{run.history.counts[DEAD_LETTERS.name]} dead letters")


def _true_books(run: Run, differences: Sequence[Difference]) -> None:
    if differences:
        first = differences[0]
        raise Violation("11 ledger = exchange", "; ".join(map(str, differences)), subject=first.ticker)
    resting = [order for order in run.exchange.orders.values() if order.status is OrderStatus.RESTING]
    if resting:
        raise Violation("no order is left", str(resting[0]), subject=resting[0].client_order_id)


def _nothing_twice(run: Run) -> None:
    twice = [order_id for order_id, count in run.exchange.sent.items() if count > 1]
    if twice:
        raise Violation("no order is sent twice", twice[0], subject=twice[0])
    unsent = [order_id for order_id in run.exchange.orders if order_id not in run.exchange.sent]
    if unsent:
        raise Violation("only execution makes orders", unsent[0], subject=unsent[0])


def _no_fill_lost(run: Run) -> None:
    state = run.server.ledger.state
    booked = {(order_id, trade_id): fill for order_id, fills in state.fills.items() for trade_id, fill in fills.items()}
    for key, true in run.exchange.fills.items():
        fill = booked.pop(key, None)
        if fill is None or fill.parked:
            raise Violation("7 no fill is lost", f"{true}: {fill}", subject=true.ticker)
    if booked:
        raise Violation("7 no fill is invented", str(next(iter(booked.items()))))
    swept_us = state.watermarks[SWEPT] - int(FillListenerSettings().overlap_s * MICROS)  # what came later is read anew
    for key in sorted(run.exchange.fills.keys() - run.broker.told_fills):
        if run.exchange.fills[key].created_us < swept_us:
            raise Violation("every fill is told", f"no sweep will tell {run.exchange.fills[key]}", subject=key[0])
    for ticker, market in state.markets.items():
        signed = sum(
            fill.size_centi if fill.book_side is BookSide.BID else -fill.size_centi
            for fill in run.exchange.fills.values() if fill.ticker == ticker
        )  # fmt: skip
        if signed != market.position_centi:
            raise Violation("7 no fill is lost", f"{signed} centi, the ledger has {market}", subject=ticker)


def _nothing_promised(run: Run) -> None:
    account = run.server.ledger.account()
    open_orders = [order_id for market in run.server.ledger.state.markets.values() for order_id in market.open]
    if account.promised_micros or open_orders or account.parked:
        subject = open_orders[0] if open_orders else ""
        raise Violation("no promise is left", f"{account}, open {open_orders}", subject=subject)
    holds = {hold.name for hold in account.holds} - {HOLD}
    if holds:
        raise Violation("no hold is left", ", ".join(sorted(holds)))


def _journal(run: Run) -> None:
    """9: the journal makes the same state again."""
    ledger = run.server.ledger
    again = replay(ledger.journal(0, JOURNAL))
    for name in ("totals", "orders", "markets", "fills", "holds", "events", "exchange_ids", "watermarks", "epochs"):
        mine, other = (msgspec.to_builtins(getattr(one.state, name)) for one in (ledger, again))
        if mine != other:
            raise Violation("9 the journal makes the same state", name)
