"""How a market is changed: the one place that keeps ends, promises, losses and totals in step with the facts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from truebook.ledger.rules_promise import promise_micros
from truebook.ledger.rules_risk import at_risk, market_losses, with_market, without_market
from truebook.ledger.rules_state import Event, Fill, LedgerState, Market, Order
from truebook.messages.envelope import BookSide
from truebook.money import no_price


@contextmanager
def changing(state: LedgerState, ticker: str, event: str | None = None) -> Iterator[Market]:
    """Hand out a market for a change of its sums, settlement or orders, then bring all that follows into step.

    An unknown market begins here, in the event named, else in an event of its own.
    """
    market = state.markets.get(ticker)
    if market is None:
        market = state.markets[ticker] = Market(ticker=ticker, event=event or ticker)
    elif event is not None and event != market.event:
        _leave_event(state, market)
        market.event = event
    _count(state, market, -1)
    yield market
    market.open = [order_id for order_id in market.open if state.orders[order_id].remaining_centi > 0]
    orders = state.open_orders(market)
    market.promise_micros = promise_micros(market, orders)
    _count(state, market, +1)
    event_before = state.events.get(market.event, Event())
    event_after = with_market(event_before, ticker, market_losses(market, orders))
    state.totals.loss_micros += at_risk(event_after) - at_risk(event_before)
    state.events[market.event] = event_after


def note_order(state: LedgerState, market: Market, order: Order) -> None:
    """Record that an order of the market changed: it joins the open ones, or its end is stamped."""
    if order.remaining_centi > 0:
        order.ended_us = None
        if order.order_id not in market.open:
            market.open.append(order.order_id)
    elif order.ended_us is None:
        order.ended_us = state.clock_us


def apply_fill(market: Market, order: Order, fill: Fill) -> None:
    """Book a fill: the sums and the fee as told, whatever was promised."""
    if fill.book_side is BookSide.BID:
        market.yes_bought_centi += fill.size_centi
        market.yes_cost_micros += fill.size_centi * fill.price_cc
    else:
        market.no_bought_centi += fill.size_centi
        market.no_cost_micros += fill.size_centi * no_price(fill.price_cc)
    market.fees_micros += fill.fee_micros
    order.applied_centi += fill.size_centi
    if order.foreign:
        order.book_side = fill.book_side


def _count(state: LedgerState, market: Market, sign: int) -> None:
    totals = state.totals
    totals.fees_micros += sign * market.fees_micros
    totals.payouts_micros += sign * market.payout_micros
    totals.costs_micros += sign * market.costs_micros
    totals.pairs_micros += sign * market.pairs_micros
    totals.promised_micros += sign * market.promise_micros
    totals.open_orders += sign * len(market.open)


def _leave_event(state: LedgerState, market: Market) -> None:
    before = state.events.get(market.event, Event())
    after = without_market(before, market.ticker)
    state.totals.loss_micros += at_risk(after) - at_risk(before)
    state.events[market.event] = after
