"""``reserve``: the only decision of the ledger.

The id is looked up first: a repeated id changes nothing, not even the clock, and returns what is recorded. Then follow
the refusals in the order of ``messages.reasons.Reason``. Refusals from ``hold`` on are kept until the deadline.
"""

from __future__ import annotations

from truebook.ledger.rules.market_update import update_order, updating
from truebook.ledger.rules.reservation import added_opening, reservation_micros, side_remaining
from truebook.ledger.rules.risk import at_risk, event_loss, market_losses, with_market, without_market
from truebook.ledger.rules.state import (
    MAX_FEE_RATE_PPM,
    MAX_SIZE_CENTI,
    MAX_TIME_US,
    MINUTE_US,
    LedgerEvent,
    LedgerMarket,
    LedgerOrder,
    LedgerState,
    Refusal,
)
from truebook.ledger.verbs import DUPLICATE_ACTION, RESERVED, Mode, OrderState, Reserve, ReserveResult
from truebook.messages.envelope import BookSide
from truebook.messages.reasons import Reason
from truebook.money import MAX_PRICE_CC, MIN_PRICE_CC, ONE_DOLLAR_CC
from truebook.venue.shards import MAX_SHARD


def reserve(state: LedgerState, request: Reserve) -> tuple[ReserveResult, bool]:
    """Reserve cash for an order, or refuse it with the first reason against it."""
    recorded = _recorded_result(state, request)
    if recorded is not None:
        return recorded, False
    if not state.opened:
        return ReserveResult.refused(Reason.NOT_OPEN), False
    if not is_valid(request):
        return ReserveResult.refused(Reason.INVALID), False
    if request.epoch < state.epochs.get(request.partition, 0):
        return ReserveResult.refused(Reason.EPOCH), False
    clock_moved = request.now_us > state.clock_us
    state.clock_us = max(state.clock_us, request.now_us)
    if state.clock_us >= request.deadline_us:
        return ReserveResult.refused(Reason.DEADLINE), clock_moved
    reason = _Request(state, request).refusal()
    if reason is not None:
        state.refusals[request.order_id] = Refusal(request=request, reason=reason)
        return ReserveResult.refused(reason), True
    _grant(state, request)
    return RESERVED, True


def is_valid(request: Reserve) -> bool:
    """Check every number of a reserve against the range that stays exact."""
    numbers = (
        request.now_us, request.send_by_us, request.expires_us, request.deadline_us, request.epoch, request.partition,
    )  # fmt: skip
    return (
        all(name != "" for name in (request.order_id, request.nonce, request.ticker, request.event))
        and MIN_PRICE_CC <= request.price_cc <= MAX_PRICE_CC
        and 1 <= request.size_centi <= MAX_SIZE_CENTI
        and 0 <= request.fee_rate_ppm <= MAX_FEE_RATE_PPM
        and all(0 <= number <= MAX_TIME_US for number in numbers)
        and 0 <= request.exchange_index <= MAX_SHARD
        and (request.reference_cc is None or 0 <= request.reference_cc <= ONE_DOLLAR_CC)
    )


def same_content(recorded: LedgerOrder | Reserve, request: Reserve) -> bool:
    """Return whether a repeated id has the same content; nonce, epoch, clock, event and shard are not part of it.

    The two wire times are content only where given: a caller that repeats a reserve may not know them.
    """
    return (
        recorded.ticker == request.ticker
        and recorded.book_side == request.book_side
        and recorded.price_cc == request.price_cc
        and recorded.size_centi == request.size_centi
        and recorded.reduce_only == request.reduce_only
        and recorded.fee_rate_ppm == request.fee_rate_ppm
        and recorded.deadline_us == request.deadline_us
        and request.send_by_us in (0, recorded.send_by_us)
        and request.expires_us in (0, recorded.expires_us)
    )


def _recorded_result(state: LedgerState, request: Reserve) -> ReserveResult | None:
    order = state.orders.get(request.order_id)
    if order is not None:
        if not same_content(order, request):
            return DUPLICATE_ACTION
        if order.state is OrderState.RESERVED and order.nonce == request.nonce:
            return RESERVED
        return ReserveResult.exists(order.state)
    refusal = state.refusals.get(request.order_id)
    if refusal is None or refusal.request.deadline_us <= max(state.clock_us, request.now_us):
        return None
    return ReserveResult.refused(refusal.reason) if same_content(refusal.request, request) else DUPLICATE_ACTION


class _Request:
    """A reserve with the state that decides it; ``refusal`` checks in the documented order."""

    def __init__(self, state: LedgerState, request: Reserve) -> None:
        self.state = state
        self.request = request
        self.market = state.markets.get(request.ticker) or LedgerMarket(ticker=request.ticker, event=request.event)
        self.orders = state.open_orders(self.market)
        self.opening = added_opening(self.market, self.orders, request.book_side, request.size_centi)

    def refusal(self) -> Reason | None:
        """Return the first reason against the order, or None."""
        return self._forbidden() or self._over_limit() or self._over_cash()

    def _forbidden(self) -> Reason | None:
        request, orders, opens = self.request, self.orders, self.opening > 0
        mode = self.state.mode_in(request.ticker, request.exchange_index)
        if (
            mode is Mode.HALTED
            or (mode is Mode.FLATTENING and not request.reduce_only)
            or (mode is Mode.REDUCE_ONLY and opens)
        ):  # fmt: skip
            return Reason.HOLD
        if self.market.settlement_cc is not None:
            return Reason.SETTLED
        if not self.market.may_be_on(request.exchange_index):
            return Reason.SHARD
        if opens and any(order.state is OrderState.UNKNOWN for order in orders):
            return Reason.UNKNOWN_ORDER
        if any(order.book_side == request.book_side and order.state.holds_slot for order in orders):
            return Reason.SLOT
        if request.reduce_only and opens:
            return Reason.REDUCE_ONLY
        return None

    def _over_limit(self) -> Reason | None:
        request, limits, totals = self.request, self.state.limits, self.state.totals
        if limits.price_collar_cc is not None and (
            # Without a reference there is no distance to check: no default price is assumed.
            request.reference_cc is None or abs(request.price_cc - request.reference_cc) > limits.price_collar_cc
        ):
            return Reason.PRICE_COLLAR
        if limits.order_size_centi is not None and request.size_centi > limits.order_size_centi:
            return Reason.ORDER_SIZE
        if limits.orders_per_minute is not None and self._grants_in_last_minute() >= limits.orders_per_minute:
            return Reason.ORDERS_PER_MINUTE
        if self.opening == 0:
            return None  # an order that only reduces risk passes all limits that follow
        if limits.open_orders is not None and totals.open_orders >= limits.open_orders:
            return Reason.OPEN_ORDERS
        if limits.market_centi is not None and self._largest_position() > limits.market_centi:
            return Reason.MARKET_LIMIT
        if limits.event_loss_micros is None and limits.total_loss_micros is None:
            return None
        event, total_loss = self._losses()
        if limits.event_loss_micros is not None and event_loss(event) > limits.event_loss_micros:
            return Reason.EVENT_LIMIT
        if limits.total_loss_micros is not None and total_loss > limits.total_loss_micros:
            return Reason.TOTAL_LIMIT
        return None

    def _over_cash(self) -> Reason | None:
        after = reservation_micros(self.market, [*self.orders, new_order(self.request, 0)])
        added = after - self.market.reserved_micros
        available = max(0, self.state.net_of(self.request.exchange_index))
        if available < added <= self.state.available_micros:
            return Reason.SHARD_CASH
        floor = self.state.limits.cash_floor_micros
        if floor is not None and self.opening > 0 and self.state.totals.net_micros - added < floor:
            return Reason.CASH
        return Reason.CASH if added > available else None

    def _grants_in_last_minute(self) -> int:
        return sum(granted_us > self.state.clock_us - MINUTE_US for granted_us in self.state.grants_us)

    def _largest_position(self) -> int:
        """Return the position if this side's open orders and this one fill, and the other side's don't."""
        position = self.market.position_centi
        own_position = position if self.request.book_side is BookSide.BID else -position
        return own_position + side_remaining(self.orders, self.request.book_side) + self.request.size_centi

    def _losses(self) -> tuple[LedgerEvent, int]:
        """Return the event and the account's total loss as they would be with this order."""
        request, market, events = self.request, self.market, self.state.events
        total = self.state.totals.loss_micros
        if market.event != request.event and market.event in events:
            former = events[market.event]
            total += at_risk(without_market(former, market.ticker)) - at_risk(former)
        before = events.get(request.event, LedgerEvent())
        after = with_market(before, market.ticker, market_losses(market, [*self.orders, new_order(request, 0)]))
        after.exclusive = still_exclusive(before, request)
        return after, total - at_risk(before) + at_risk(after)


def still_exclusive(event: LedgerEvent, request: Reserve) -> bool:
    """Return whether an event counts as exclusive: one reserve that denies it (a market is not binary) is final."""
    return request.exclusive and event.exclusive is not False


def new_order(request: Reserve, clock_us: int) -> LedgerOrder:
    """Return the order's record at its reserve."""
    return LedgerOrder(
        order_id=request.order_id, nonce=request.nonce, ticker=request.ticker, book_side=request.book_side,
        price_cc=request.price_cc, size_centi=request.size_centi, reduce_only=request.reduce_only,
        fee_rate_ppm=request.fee_rate_ppm, deadline_us=request.deadline_us, reserved_us=clock_us,
        send_by_us=request.send_by_us, expires_us=request.expires_us,
    )  # fmt: skip


def _grant(state: LedgerState, request: Reserve) -> None:
    order = state.orders[request.order_id] = new_order(request, state.clock_us)
    state.refusals.pop(request.order_id, None)
    _count_grant(state)
    event = state.events.get(request.event, LedgerEvent())
    exclusive = LedgerEvent(exclusive=still_exclusive(event, request), losses=event.losses)
    if exclusive.exclusive != event.exclusive:
        state.totals.loss_micros += at_risk(exclusive) - at_risk(event)
    state.events[request.event] = exclusive
    with updating(state, request.ticker, request.event, request.exchange_index) as market:
        update_order(state, market, order)


def _count_grant(state: LedgerState) -> None:
    fresh = [granted_us for granted_us in state.grants_us if granted_us > state.clock_us - MINUTE_US]
    state.grants_us = [*fresh, state.clock_us]
