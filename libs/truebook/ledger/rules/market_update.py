"""Changes a market: the one place that updates order ends, reservations, losses and totals."""

from __future__ import annotations

from truebook.ledger.rules.reservation import reservation_micros
from truebook.ledger.rules.risk import at_risk, market_losses, with_market, without_market
from truebook.ledger.rules.state import LedgerEvent, LedgerFill, LedgerMarket, LedgerOrder, LedgerState
from truebook.messages.envelope import BookSide
from truebook.money import no_price
from truebook.venue.shards import DEFAULT_SHARD


class updating:
    """Give a market for a change of its sums, settlement or orders, then update all derived values.

    An unknown market is created, in the named event or else in an event of its own. A shard is recorded with its first
    mention; the caller has checked that the market may be on it.
    """

    __slots__ = ("_market", "_state")

    def __init__(
        self, state: LedgerState, ticker: str, event: str | None = None, exchange_index: int | None = None
    ) -> None:
        market = state.markets.get(ticker)
        if market is None:
            market = state.markets[ticker] = LedgerMarket(ticker=ticker, event=event or ticker)
        elif event is not None and event != market.event:
            _leave_event(state, market)
            market.event = event
        if exchange_index is not None and market.exchange_index is None:
            market.exchange_index = exchange_index
        self._state, self._market = state, market

    def __enter__(self) -> LedgerMarket:
        _add_to_totals(self._state, self._market, -1)
        return self._market

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None:
            _update_derived(self._state, self._market)


def _update_derived(state: LedgerState, market: LedgerMarket) -> None:
    market.open = [order_id for order_id in market.open if state.orders[order_id].remaining_centi > 0]
    if market.is_live:
        state.live.add(market.ticker)
    else:
        state.live.discard(market.ticker)
    orders = state.open_orders(market)
    market.reserved_micros = reservation_micros(market, orders)
    _add_to_totals(state, market, +1)
    event_before = state.events.get(market.event, LedgerEvent())
    losses = market_losses(market, orders)
    if losses != (0, 0) and event_before.losses == {market.ticker: losses}:
        return
    event_after = with_market(event_before, market.ticker, losses)
    state.totals.loss_micros += at_risk(event_after) - at_risk(event_before)
    state.events[market.event] = event_after


def update_order(state: LedgerState, market: LedgerMarket, order: LedgerOrder) -> None:
    """Add a changed order to the market's open orders, or set the time of its end."""
    if order.remaining_centi > 0:
        order.ended_us = None
        if order.order_id not in market.open:
            market.open.append(order.order_id)
    elif order.ended_us is None:
        order.ended_us = state.clock_us


def apply_fill(market: LedgerMarket, order: LedgerOrder, fill: LedgerFill) -> None:
    """Add a fill to the sums, with the reported fee, whatever was reserved."""
    market.fills += 1
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


def _add_to_totals(state: LedgerState, market: LedgerMarket, sign: int) -> None:
    totals = state.totals
    totals.fees_micros += sign * market.fees_micros
    totals.payouts_micros += sign * market.payout_micros
    totals.costs_micros += sign * market.costs_micros
    totals.pairs_micros += sign * market.pairs_micros
    totals.reserved_micros += sign * market.reserved_micros
    totals.open_orders += sign * len(market.open)
    if market.shard != DEFAULT_SHARD:  # which has what is on no other
        state.add_to_shard(market.shard, sign * market.net_micros, sign * market.reserved_micros)


def _leave_event(state: LedgerState, market: LedgerMarket) -> None:
    before = state.events.get(market.event, LedgerEvent())
    after = without_market(before, market.ticker)
    state.totals.loss_micros += at_risk(after) - at_risk(before)
    state.events[market.event] = after
