"""Bringing what the exchange says into the ledger: facts are repeated until they are stored, never dropped.

Every reader of the exchange (fill listener, reconciler, execution's look-ups) uses these same few calls, so that a fact
means the same whoever heard it first. What happened before the account was opened is part of its opening balance and
is left out: booking it would count it twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from truebook.clock import Clock
from truebook.ledger.port import Acknowledge, Close, LedgerError, LedgerStore, SettleFill
from truebook.ledger.verbs import Arguments, SettleMarket
from truebook.messages.ids import digest, is_ours
from truebook.venue.account import ExchangeFill, ExchangeOrder, OrderStatus

T = TypeVar("T")

OPENED = "opened"
"""Watermark that holds the exchange time at which the account was opened."""
SWEPT = "swept"
"""Watermark up to which every fill, order and settlement has been told to the ledger."""
BEFORE_OPENING = "before_opening"
"""Answer for news from before the account was opened: nothing is done."""

CONFLICT_HOLD = "conflicting_fact"
"""Halts all trading when a fact contradicts one that is booked, until a person has looked."""
CONFLICT_OWNER = "ledger"
HALTED_FOR = "halted_for:"
"""Watermarks by the digest of a contradiction: trading was halted for it, and a person's ``resume`` stands."""
CONTRADICTS = "contradicts"
"""Answer for a fact that contradicts what is booked and for which trading was halted before: nothing is done."""

FIRST_DELAY_S = 0.02
MOST_DELAY_S = 1.0


def is_before(told_us: int, opened_us: int) -> bool:
    """Tell whether news are from before the opening; the socket tells times in whole milliseconds, rounded down."""
    return told_us < opened_us // 1000 * 1000


async def persist(clock: Clock, call: Callable[[], Awaitable[T]]) -> T:
    """Repeat a verb until the store has taken it: safe, since every verb is idempotent by its id.

    Raises what can't be mended by waiting (``StoreCorrupt``).
    """
    delay_s = FIRST_DELAY_S
    while True:
        try:
            return await call()
        except LedgerError as error:
            if not error.retry:
                raise
        await clock.sleep(delay_s)
        delay_s = min(2 * delay_s, MOST_DELAY_S)


async def book_fill(ledger: LedgerStore, clock: Clock, fill: ExchangeFill, opened_us: int) -> str:
    """Settle one fill; answers applied, parked, duplicate, conflict or ``before_opening``."""
    if is_before(fill.created_us, opened_us):
        return BEFORE_OPENING
    settle = SettleFill(
        trade_id=fill.trade_id, order_id=fill.exchange_order_id, ticker=fill.ticker, book_side=fill.book_side,
        price_cc=fill.price_cc, size_centi=fill.size_centi, fee_micros=fill.fee_micros,
    )  # fmt: skip
    return await _book(ledger, clock, lambda: ledger.settle_fill(settle), settle)


async def book_order(ledger: LedgerStore, clock: Clock, order: ExchangeOrder, opened_us: int) -> str:
    """Tell the ledger what the exchange shows of an order; answers the order's state, or ``before_opening``.

    A terminal order is closed with its total; one that rests, or that is not ours, is acknowledged. An order with our
    prefix that the ledger does not know is acknowledged too: the ledger books it as foreign and halts.
    """
    if order.created_us is not None and is_before(order.created_us, opened_us):
        return BEFORE_OPENING
    order_id = await _recorded_id(ledger, clock, order)
    if order.status is not OrderStatus.RESTING and is_ours(order_id):
        news = Close(order_id=order_id, exchange_order_id=order.exchange_order_id, filled_centi=order.filled_centi)
        answer = await _book(ledger, clock, lambda: ledger.close(news), news)
        if answer != "no_order":
            return answer
    remaining = order.remaining_centi if order.status is OrderStatus.RESTING else 0
    shown = Acknowledge(
        order_id=order_id, exchange_order_id=order.exchange_order_id, ticker=order.ticker,
        filled_centi=order.filled_centi, remaining_centi=remaining,
    )  # fmt: skip
    return await _book(ledger, clock, lambda: ledger.acknowledge(shown), shown)


async def _recorded_id(ledger: LedgerStore, clock: Clock, order: ExchangeOrder) -> str:
    """Name the record of an order: ours by its client order id, another's by the exchange's, since the former changes
    when its owner amends it.
    """
    if is_ours(order.client_order_id):
        return order.client_order_id
    known = await persist(clock, lambda: ledger.order_of_exchange_id(order.exchange_order_id))
    return known.order_id if known is not None else order.exchange_order_id


async def book_settlement(ledger: LedgerStore, clock: Clock, ticker: str, settlement_cc: int) -> str:
    """Settle a market; answers settled, duplicate, conflict or invalid."""
    settle = SettleMarket(ticker=ticker, settlement_cc=settlement_cc)
    return await _book(ledger, clock, lambda: ledger.settle_market(ticker, settlement_cc), settle)


async def _book(ledger: LedgerStore, clock: Clock, call: Callable[[], Awaitable[str]], fact: Arguments) -> str:
    """Halt for a contradiction, once: the exchange goes on to tell it, and would undo a person's ``resume``."""
    answer = await persist(clock, call)
    if answer != "conflict":
        return answer
    noted = HALTED_FOR + digest(type(fact).__name__, msgspec.json.encode(fact).decode())
    if await persist(clock, lambda: ledger.watermark(noted)):
        return CONTRADICTS
    await persist(clock, lambda: ledger.hold(CONFLICT_HOLD, "halted", CONFLICT_OWNER))
    await persist(clock, lambda: ledger.advance_watermark(noted, clock.now_us()))
    return answer
