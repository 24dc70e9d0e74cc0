"""The ledger's invariants (docs/ledger.md: 1 to 5, 7, 8) after each verb, with the reservation computed a second time.

Also what can be judged only with the exchange's data: a fact recorded as final must be final there.
"""

from __future__ import annotations

from typing import Any

from chaos.exchange import ACCOUNT, Exchange
from chaos.faults import Kind
from chaos.history import Violation
from support.in_memory_rest import Shown
from support.ledger_verbs import AnyVerb
from truebook.ledger.exchange_reports import RECONCILED, SWEPT
from truebook.ledger.outcomes import AdjustKind
from truebook.ledger.rules.ledger import Ledger
from truebook.ledger.rules.state import LedgerMarket, LedgerOrder
from truebook.ledger.verbs import (
    RESERVED,
    Acknowledge,
    Adjust,
    Close,
    Hold,
    MarkUnknown,
    NextNumber,
    Prune,
    ReportTransfer,
    Reserve,
    SettleFill,
    SettleMarket,
)
from truebook.messages.envelope import BookSide
from truebook.money import ONE_DOLLAR_CC, PAIR_MICROS_PER_CENTI, ceil_div
from truebook.venue.account import ExchangeOrder, OrderStatus
from truebook.venue.shards import TransferStatus

FACTS = (Acknowledge, Close, SettleFill, SettleMarket)
UNWANTED_HOLDS = frozenset({"conflicting_report", "unknown_own_order"})
MAX_BLIND_US = 90_000_000
"""The hold ``account_stale`` applies after 30 s; stalled services and stale data timestamps may delay it."""
MAX_WRONG_S = 90.0
"""The balance is compared each half minute, and a difference halts after four comparisons."""
FULL_CHECK_EVERY = 200
"""Verbs between checks of all markets and orders; others check only what the verb concerns."""


class InvariantChecker:
    """Checks a ledger before and after each verb."""

    def __init__(self, ledger: Ledger, exchange: Exchange) -> None:
        self._ledger = ledger
        self._exchange = exchange
        self._count = 0
        self._reserved_micros = 0
        self._repeating = False
        exchange.accepted = self.accepted

    def before(self, arguments: AnyVerb) -> None:
        self._reserved_micros = self._ledger.state.totals.reserved_micros
        if isinstance(arguments, Close | Acknowledge):
            self._check_proof(arguments)
        if isinstance(arguments, ReportTransfer):
            self._check_transfer(arguments)

    def after(self, arguments: AnyVerb, result: object) -> None:
        self._count += 1
        state = self._ledger.state
        order = state.orders.get(getattr(arguments, "order_id", ""))
        if isinstance(arguments, SettleFill):
            order = state.orders.get(state.exchange_ids.get(arguments.order_id, ""))
            self._check_fill(arguments, result, order)
        ticker = order.ticker if order is not None else getattr(arguments, "ticker", "")
        market = state.markets.get(ticker)
        self._check_money(ticker)
        self._check_reserved_falls(arguments)
        if market is not None:
            check_reserved(self._ledger, market)
        if order is not None:
            check_order(order)
        if (isinstance(arguments, Hold) and arguments.name in UNWANTED_HOLDS) or UNWANTED_HOLDS & state.holds.keys():
            raise Violation("no fact contradicts another", f"hold after {arguments}", subject=ticker)
        if isinstance(arguments, Reserve) and result == RESERVED:
            self._check_sight(arguments)
        if isinstance(arguments, Adjust) and not self._is_moved(arguments):
            raise Violation("nothing is adjusted", str(arguments))
        if self._count % FULL_CHECK_EVERY == 0:
            self.all_orders()
        if not self._repeating and not isinstance(arguments, NextNumber | Prune):
            self._check_repetition(arguments, result)

    def all_orders(self) -> None:
        """Check all markets and orders, and the totals against them."""
        errors = self._ledger.audit().errors
        if errors:
            raise Violation("1 money is conserved", str(errors))
        for market in self._ledger.state.markets.values():
            check_reserved(self._ledger, market)
        for order in self._ledger.state.orders.values():
            check_order(order)

    def accepted(self, shown: ExchangeOrder) -> None:
        """8: an order that is created at the exchange still has its reservation."""
        order = self._ledger.state.orders.get(shown.client_order_id)
        if order is None or not order.state.holds_slot:
            state = "unknown to the ledger" if order is None else order.state
            raise Violation("8 nothing is released without proof", f"{state}: {shown}", subject=shown.client_order_id)

    def _is_moved(self, adjust: Adjust) -> bool:
        """Return whether the exchange lists exactly this transfer."""
        listed = {one.transfer_id: one.amount_micros for one in self._exchange.shown(Shown.TRANSFERS)}
        return adjust.kind == AdjustKind.DEPOSIT and listed.get(adjust.adjust_id) == adjust.amount_micros

    def _check_sight(self, request: Reserve) -> None:
        """No order is granted while the account has not been followed, or differs, for a while."""
        watermarks, now_us = self._ledger.state.watermarks, self._exchange.now_us()
        for name in (SWEPT, RECONCILED):
            if name in watermarks and now_us - watermarks[name] > MAX_BLIND_US:
                raise Violation("nothing is sent blindly", f"{name} at {watermarks[name]}", subject=request.ticker)
        conditions = self._exchange.conditions
        # Without the list of fills nothing is compared and the account is held: the difference counts from its end on.
        wrong_s = min(conditions.active_for_s(Kind.WRONG_BALANCE), conditions.ended_for_s(Kind.FILLS_DOWN))
        if wrong_s > MAX_WRONG_S:
            raise Violation("a lasting difference halts", f"after {wrong_s:.0f} s: {request}", subject=request.ticker)

    def _check_money(self, ticker: str) -> None:
        account = self._ledger.account()
        if account.cash_micros < 0 or account.reserved_micros < 0 or account.overdrawn_micros != 0:
            # Nothing that overdraws (foreign fills, worse prices or fees, withdrawals) happens in these runs.
            raise Violation("2 cash is never negative", str(account), subject=ticker)
        markets = self._ledger.state.markets.values()
        sums = (
            sum(market.costs_micros for market in markets), sum(market.pairs_micros for market in markets),
            sum(market.payout_micros for market in markets), sum(market.fees_micros for market in markets),
            sum(market.reserved_micros for market in markets),
        )  # fmt: skip
        totals = (
            account.costs_micros, account.pairs_micros, account.payouts_micros, account.fees_micros,
            account.reserved_micros,
        )  # fmt: skip
        if sums != totals:
            raise Violation("1 the totals are the markets' sums", f"{sums} and {totals}", subject=ticker)

    def _check_repetition(self, arguments: AnyVerb, result: object) -> None:
        """5: repeating a verb changes nothing and returns the recorded result."""
        before, seq = self._state(arguments), self._ledger.seq
        self._repeating = True
        try:
            again = Ledger.apply(self._ledger, arguments)
        finally:
            self._repeating = False
        is_stable = isinstance(arguments, Reserve | Acknowledge | Close | MarkUnknown)  # these return the state
        if seq != self._ledger.seq or before != self._state(arguments) or (is_stable and again != result):
            raise Violation(
                "5 a repeated id changes nothing", f"{arguments} returned {result}, then {again}",
                subject=getattr(arguments, "ticker", "") or getattr(arguments, "order_id", ""),
            )  # fmt: skip

    def _state(self, arguments: AnyVerb) -> tuple[Any, ...]:
        state = self._ledger.state
        order = state.orders.get(getattr(arguments, "order_id", ""))
        market = state.markets.get(order.ticker if order is not None else getattr(arguments, "ticker", ""))
        return (
            repr(state.totals), repr(order), repr(market), state.clock_us, len(state.orders), len(state.refusals),
            len(state.grants_us),
        )  # fmt: skip

    def _check_fill(self, fill: SettleFill, result: object, order: LedgerOrder | None) -> None:
        """7: a fill of an unknown order is parked, and no fill is invented."""
        kept = self._ledger.state.fills.get(fill.order_id, {}).get(fill.trade_id)
        if result not in ("applied", "duplicate", "parked") or kept is None or kept.parked != (order is None):
            raise Violation("7 a fill is applied or parked", f"{result}: {fill}", subject=fill.ticker)
        true = self._exchange.fills.get((fill.order_id, fill.trade_id))
        if true is None or (true.price_cc, true.size_centi, true.fee_micros, true.book_side) != (
            fill.price_cc, fill.size_centi, fill.fee_micros, fill.book_side,
        ):  # fmt: skip
            raise Violation("7 no fill is invented", f"{fill}, the exchange has {true}", subject=fill.ticker)

    def _check_reserved_falls(self, arguments: AnyVerb) -> None:
        """8: only a fact may lower the reserved cash."""
        fell = self._ledger.state.totals.reserved_micros < self._reserved_micros
        if fell and not isinstance(arguments, FACTS):
            raise Violation("8 nothing is released without proof", str(arguments))
        if isinstance(arguments, Reserve) and fell:
            raise Violation("8 nothing is released without proof", str(arguments), subject=arguments.ticker)

    def _check_transfer(self, report: ReportTransfer) -> None:
        """A transfer between shards is returned or arrived only if that is true at the exchange."""
        listed = {one.exchange_transfer_id: one for one in self._exchange.engine.queries.shard_transfers(ACCOUNT)}
        true = listed.get(report.exchange_transfer_id)
        is_true = {
            "refused": report.transfer_id not in self._exchange.executed_transfers(),
            "accepted": true is not None,
            "arrived": true is not None and true.status is TransferStatus.COMPLETE,
        }[report.status]
        if not is_true:
            raise Violation("8 a proof is true", f"{report}, the exchange has {true}", subject=report.transfer_id)

    def _check_proof(self, report: Close | Acknowledge) -> None:
        """8: an order reported as final is final at the exchange, with that total."""
        true = self._exchange.orders.get(report.order_id)
        final = isinstance(report, Close) or report.remaining_centi == 0
        if true is None:
            if report.exchange_order_id is not None or report.filled_centi:
                raise Violation("8 a proof is true", f"{report}: no such order", subject=report.order_id)
            return
        ended = true.status is not OrderStatus.RESTING and true.filled_centi == report.filled_centi
        tied = report.exchange_order_id in (None, true.exchange_order_id)
        if not tied or (final and not ended):
            raise Violation("8 a proof is true", f"{report}, the exchange has {true}", subject=report.order_id)


def check_order(order: LedgerOrder) -> None:
    """4: applied and cancelled never exceed the size, and equal it at the end."""
    overfilled = max(0, order.applied_centi - order.size_centi)
    fill = order.final_filled_centi
    cancelled = 0 if fill is None else max(0, order.size_centi - max(fill, order.applied_centi))
    total = order.applied_centi - overfilled + cancelled
    if overfilled or total > order.size_centi or (order.state == "terminal" and total != order.size_centi):
        raise Violation("4 applied and cancelled make the size", str(order), subject=order.order_id)


def check_reserved(ledger: Ledger, market: LedgerMarket) -> None:
    """3: reserved cash is the sum of a pure function of each open order, the position and the settlement."""
    total = 0
    for side, position in ((BookSide.BID, -market.position_centi), (BookSide.ASK, market.position_centi)):
        left = max(0, position)
        back = ONE_DOLLAR_CC
        if market.settlement_cc is not None:
            back = market.settlement_cc if side is BookSide.BID else ONE_DOLLAR_CC - market.settlement_cc
        orders = [ledger.state.orders[order_id] for order_id in market.open]
        queue = [(one.own_price_cc, one.order_id, one) for one in orders if one.book_side is side]
        for own, _, order in sorted(queue):
            closing = min(order.remaining_centi, left)
            left -= closing
            opening = order.remaining_centi - closing
            per_contract = ceil_div(order.fee_rate_ppm * order.price_cc * (ONE_DOLLAR_CC - order.price_cc), 10**8)
            total += opening * own + ceil_div(opening * per_contract, 100) + 100 * opening
            total += max(0, closing * (own - back) + ceil_div(closing * per_contract, 100) + 100 * closing)
    if total != market.reserved_micros:
        raise Violation(
            "3 reserved cash is a pure function", f"reserved {market.reserved_micros}, expected {total}",
            subject=market.ticker,
        )  # fmt: skip
    if market.pairs_micros != min(market.yes_bought_centi, market.no_bought_centi) * PAIR_MICROS_PER_CENTI:
        raise Violation("1 pairs are worth a dollar", str(market), subject=market.ticker)
