"""What the ledger shows: views made from its records, the same whether those lie in memory or in Redis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from truebook.ledger.port import AccountView, HoldView, Limits, MarketView, OrderView
from truebook.ledger.rules_promise import openings
from truebook.ledger.rules_state import Market, Order, Totals

FENCE: Final = HoldView(name="journal", mode="halted", owner="reconciler")
"""How an account shows that is fenced off to be restored; restored, it keeps this as a hold until it is reconciled."""


def order_view(order: Order, opening_centi: int) -> OrderView:
    """Show one order; ``opening_centi`` follows from its market, see ``openings``."""
    return OrderView(
        order_id=order.order_id,
        exchange_order_id=order.exchange_order_id,
        ticker=order.ticker,
        book_side=order.book_side,
        price_cc=order.price_cc,
        size_centi=order.size_centi,
        applied_centi=order.applied_centi,
        remaining_centi=order.remaining_centi,
        state=order.state,
        reduce_only=order.reduce_only,
        reserved_us=order.reserved_us,
        deadline_us=order.deadline_us,
        send_by_us=order.send_by_us,
        expires_us=order.expires_us,
        opening_centi=opening_centi,
    )


def market_view(market: Market, open_orders: Iterable[Order]) -> MarketView:
    """Show one market with its open orders, in the order of their ids."""
    orders = sorted(open_orders, key=lambda order: order.order_id)
    split = openings(market, orders)
    return MarketView(
        ticker=market.ticker,
        event=market.event,
        yes_bought_centi=market.yes_bought_centi,
        yes_cost_micros=market.yes_cost_micros,
        no_bought_centi=market.no_bought_centi,
        no_cost_micros=market.no_cost_micros,
        position_centi=market.position_centi,
        settlement_cc=market.settlement_cc,
        payout_micros=market.payout_micros,
        fees_micros=market.fees_micros,
        orders=tuple(order_view(order, split[order.order_id]) for order in orders),
    )


def account_view(
    totals: Totals, *, opened: bool, ledger_seq: int, mode: str, clock_us: int,
    holds: Iterable[tuple[str, str, str]], limits: Limits,
) -> AccountView:  # fmt: skip
    """Show the account; ``holds`` are (name, mode, owner)."""
    net = totals.net_micros
    return AccountView(
        opened=opened,
        ledger_seq=ledger_seq,
        mode=mode,
        cash_micros=max(0, net),
        overdrawn_micros=max(0, -net),
        promised_micros=totals.promised_micros,
        deposits_micros=totals.deposits_micros,
        adjustments_micros=totals.adjustments_micros,
        rounding_micros=totals.rounding_micros,
        fees_micros=totals.fees_micros,
        payouts_micros=totals.payouts_micros,
        costs_micros=totals.costs_micros,
        pairs_micros=totals.pairs_micros,
        clock_us=clock_us,
        holds=tuple(HoldView(name=name, mode=hold_mode, owner=owner) for name, hold_mode, owner in sorted(holds)),
        limits=limits,
        parked=totals.parked,
    )


def view_of_order(order: Order, market: Market | None, open_orders: Sequence[Order]) -> OrderView:
    """Show an order of any state, its opening included where it is among its market's open ones."""
    split = openings(market, open_orders) if market is not None else {}
    return order_view(order, split.get(order.order_id, 0))


def fenced(account: AccountView) -> AccountView:
    """Show an account that is fenced off: halted, and by whom."""
    others = (hold for hold in account.holds if hold.name != FENCE.name)
    holds = tuple(sorted((*others, FENCE), key=lambda hold: hold.name))
    return msgspec.structs.replace(account, mode=FENCE.mode, holds=holds)
