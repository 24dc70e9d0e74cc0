"""``reserve``: the only decision that the ledger takes. Everything else it books is a fact.

The id is looked up first: a repeated id moves nothing, the clock included, and answers with what is recorded. Then the
refusals, in the order of ``messages.reasons.Reason``. Refusals from ``hold`` on are remembered until the deadline.
"""

from __future__ import annotations

from typing import Final

from truebook.ledger.port import Reserve
from truebook.ledger.rules_book import changing, note_order
from truebook.ledger.rules_promise import added_opening, promise_micros, side_remaining
from truebook.ledger.rules_risk import at_risk, event_loss, market_losses, with_market, without_market
from truebook.ledger.rules_state import (
    MAX_FEE_RATE_PPM,
    MAX_SIZE_CENTI,
    MAX_TIME_US,
    Event,
    LedgerState,
    Market,
    Order,
    Refusal,
)
from truebook.messages.envelope import BookSide
from truebook.messages.reasons import Reason
from truebook.money import MAX_PRICE_CC, MIN_PRICE_CC, ONE_DOLLAR_CC

MINUTE_US: Final = 60_000_000
RESERVED: Final = "reserved"


def refused(reason: str) -> str:
    return f"refused:{reason}"


def reserve(state: LedgerState, asked: Reserve) -> tuple[str, bool]:
    """Answer a reserve, and whether anything changed."""
    recorded = _look_up(state, asked)
    if recorded is not None:
        return recorded, False
    if not state.opened:
        return refused(Reason.NOT_OPEN), False
    if not is_valid(asked):
        return refused(Reason.INVALID), False
    if asked.epoch < state.epochs.get(asked.partition, 0):
        return refused(Reason.EPOCH), False
    clock_moved = asked.now_us > state.clock_us
    state.clock_us = max(state.clock_us, asked.now_us)
    if state.clock_us >= asked.deadline_us:
        return refused(Reason.DEADLINE), clock_moved
    reason = _Request(state, asked).refusal()
    if reason is not None:
        state.refusals[asked.order_id] = Refusal(asked=asked, reason=reason)
        return refused(reason), True
    _grant(state, asked)
    return RESERVED, True


def is_valid(asked: Reserve) -> bool:
    """Check every number of a reserve against what the ledger can hold."""
    times = (asked.now_us, asked.send_by_us, asked.expires_us, asked.deadline_us, asked.epoch, asked.partition)
    return (
        all(name != "" for name in (asked.order_id, asked.nonce, asked.ticker, asked.event))
        and MIN_PRICE_CC <= asked.price_cc <= MAX_PRICE_CC
        and 1 <= asked.size_centi <= MAX_SIZE_CENTI
        and 0 <= asked.fee_rate_ppm <= MAX_FEE_RATE_PPM
        and all(0 <= number <= MAX_TIME_US for number in times)
        and (asked.reference_cc is None or 0 <= asked.reference_cc <= ONE_DOLLAR_CC)
    )


def same_content(recorded: Order | Reserve, asked: Reserve) -> bool:
    """Tell whether an id is asked for again with the same content; nonce, epoch, clock and event are not part of it.

    The two times of the wire are content only where the caller gives them: it may not know them at a repetition.
    """
    return (
        recorded.ticker == asked.ticker
        and recorded.book_side == asked.book_side
        and recorded.price_cc == asked.price_cc
        and recorded.size_centi == asked.size_centi
        and recorded.reduce_only == asked.reduce_only
        and recorded.fee_rate_ppm == asked.fee_rate_ppm
        and recorded.deadline_us == asked.deadline_us
        and asked.send_by_us in (0, recorded.send_by_us)
        and asked.expires_us in (0, recorded.expires_us)
    )


def _look_up(state: LedgerState, asked: Reserve) -> str | None:
    order = state.orders.get(asked.order_id)
    if order is not None:
        if not same_content(order, asked):
            return Reason.DUPLICATE_ACTION.value
        if order.state == RESERVED and order.nonce == asked.nonce:
            return RESERVED
        return f"exists:{order.state}"
    refusal = state.refusals.get(asked.order_id)
    if refusal is None or refusal.asked.deadline_us <= max(state.clock_us, asked.now_us):
        return None
    return refused(refusal.reason) if same_content(refusal.asked, asked) else Reason.DUPLICATE_ACTION.value


class _Request:
    """One reserve beside what it is judged by; ``refusal`` asks the questions in their documented order."""

    def __init__(self, state: LedgerState, asked: Reserve) -> None:
        self.state = state
        self.asked = asked
        self.market = state.markets.get(asked.ticker) or Market(ticker=asked.ticker, event=asked.event)
        self.orders = state.open_orders(self.market)
        self.opening = added_opening(self.market, self.orders, asked.book_side, asked.size_centi)

    def refusal(self) -> Reason | None:
        """Give the first reason against the order, or null."""
        return self._forbidden() or self._over_limit() or self._too_dear()

    def _forbidden(self) -> Reason | None:
        asked, orders, opens = self.asked, self.orders, self.opening > 0
        mode = self.state.mode
        if (
            mode == "halted"
            or (mode == "flattening" and not asked.reduce_only)
            or (mode == "reduce_only" and opens)
        ):  # fmt: skip
            return Reason.HOLD
        if self.market.settlement_cc is not None:
            return Reason.SETTLED
        if opens and any(order.state == "unknown" for order in orders):
            return Reason.UNKNOWN_ORDER
        if any(order.book_side == asked.book_side and order.holds_slot for order in orders):
            return Reason.SLOT
        if asked.reduce_only and opens:
            return Reason.REDUCE_ONLY
        return None

    def _over_limit(self) -> Reason | None:
        asked, limits, totals = self.asked, self.state.limits, self.state.totals
        if limits.price_collar_cc is not None and (
            # Without a reference the distance can't be judged: nothing has a default price.
            asked.reference_cc is None or abs(asked.price_cc - asked.reference_cc) > limits.price_collar_cc
        ):
            return Reason.PRICE_COLLAR
        if limits.order_size_centi is not None and asked.size_centi > limits.order_size_centi:
            return Reason.ORDER_SIZE
        if limits.orders_per_minute is not None and self._grants_in_last_minute() >= limits.orders_per_minute:
            return Reason.ORDERS_PER_MINUTE
        if self.opening == 0:
            return None  # what only reduces risk passes every limit that follows
        if limits.open_orders is not None and totals.open_orders >= limits.open_orders:
            return Reason.OPEN_ORDERS
        if limits.market_centi is not None and self._largest_position() > limits.market_centi:
            return Reason.MARKET_LIMIT
        event, total_loss = self._losses()
        if limits.event_loss_micros is not None and event_loss(event) > limits.event_loss_micros:
            return Reason.EVENT_LIMIT
        if limits.total_loss_micros is not None and total_loss > limits.total_loss_micros:
            return Reason.TOTAL_LIMIT
        return None

    def _too_dear(self) -> Reason | None:
        after = promise_micros(self.market, [*self.orders, new_order(self.asked, 0)])
        added = after - self.market.promise_micros
        net = self.state.totals.net_micros
        floor = self.state.limits.cash_floor_micros
        if floor is not None and self.opening > 0 and net - added < floor:
            return Reason.CASH
        return Reason.CASH if added > max(0, net) else None

    def _grants_in_last_minute(self) -> int:
        return sum(granted_us > self.state.clock_us - MINUTE_US for granted_us in self.state.grants_us)

    def _largest_position(self) -> int:
        """The position if this side's open orders and this one fill, and the other side's don't."""
        position = self.market.position_centi
        held_already = position if self.asked.book_side is BookSide.BID else -position
        return held_already + side_remaining(self.orders, self.asked.book_side) + self.asked.size_centi

    def _losses(self) -> tuple[Event, int]:
        """Give the event, and the account's total loss, as they would be with this order in the book."""
        asked, market, events = self.asked, self.market, self.state.events
        total = self.state.totals.loss_micros
        if market.event != asked.event and market.event in events:
            former = events[market.event]
            total += at_risk(without_market(former, market.ticker)) - at_risk(former)
        before = events.get(asked.event, Event())
        after = with_market(before, market.ticker, market_losses(market, [*self.orders, new_order(asked, 0)]))
        after.exclusive = still_exclusive(before, asked)
        return after, total - at_risk(before) + at_risk(after)


def still_exclusive(event: Event, asked: Reserve) -> bool:
    """Tell whether an event counts as exclusive: one reserve that denies it (a market not binary) settles it."""
    return asked.exclusive and event.exclusive is not False


def new_order(asked: Reserve, clock_us: int) -> Order:
    """Make the order's record as of its reserve."""
    return Order(
        order_id=asked.order_id,
        nonce=asked.nonce,
        ticker=asked.ticker,
        book_side=asked.book_side,
        price_cc=asked.price_cc,
        size_centi=asked.size_centi,
        reduce_only=asked.reduce_only,
        fee_rate_ppm=asked.fee_rate_ppm,
        deadline_us=asked.deadline_us,
        reserved_us=clock_us,
        send_by_us=asked.send_by_us,
        expires_us=asked.expires_us,
    )


def _grant(state: LedgerState, asked: Reserve) -> None:
    order = state.orders[asked.order_id] = new_order(asked, state.clock_us)
    state.refusals.pop(asked.order_id, None)
    _count_grant(state)
    event = state.events.get(asked.event, Event())
    exclusive = Event(exclusive=still_exclusive(event, asked), losses=event.losses)
    state.totals.loss_micros += at_risk(exclusive) - at_risk(event)
    state.events[asked.event] = exclusive
    with changing(state, asked.ticker, asked.event) as market:
        note_order(state, market, order)


def _count_grant(state: LedgerState) -> None:
    fresh = [granted_us for granted_us in state.grants_us if granted_us > state.clock_us - MINUTE_US]
    state.grants_us = [*fresh, state.clock_us]
