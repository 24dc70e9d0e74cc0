"""Records what the exchange reports: each report is retried until the ledger has stored it, never dropped.

All readers of the exchange (fill listener, reconciler, execution's look-ups) use these functions, so that a report is
recorded in the same way whoever receives it first. What happened before the account was opened is part of its opening
balance and is skipped: recording it would count it twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from truebook.clock import Clock
from truebook.ledger.port import LedgerError, LedgerStore
from truebook.ledger.trading_holds import CONFLICTING_REPORT
from truebook.ledger.verbs import Acknowledge, AdvanceWatermark, Close, OrderResult, SettleFill, SettleMarket, Verb
from truebook.messages.fills import ReportOutcome
from truebook.messages.ids import digest, is_ours
from truebook.venue.account import ExchangeFill, ExchangeOrder, OrderStatus, is_before
from truebook.venue.shards import DEFAULT_SHARD

T = TypeVar("T")

OPENED = "opened"
"""Watermark: the exchange time at which the account was opened."""
ADDED_UP = "transfers_added_up"
"""Watermark: transfers between shards that were made before are added up, and not reported any more."""
SWEPT = "swept"
"""Watermark: the exchange time up to which every fill, order and settlement is recorded."""
READABLE = "readable"
"""Watermark: stays behind ``SWEPT`` while a list has an item that can't be read; absent until there was one."""
RECONCILED = "reconciled"
"""Watermark: the time of the reconciler's last complete round."""
HALTED_FOR = "halted_for:"
"""Prefix of watermarks by the digest of a contradiction: trading was halted for it, and may have been resumed since."""

FIRST_DELAY_S = 0.02
MAX_DELAY_S = 1.0


def settle_of(fill: ExchangeFill) -> SettleFill:
    """Return the verb that records a fill."""
    return SettleFill(
        trade_id=fill.trade_id, order_id=fill.exchange_order_id, ticker=fill.ticker, book_side=fill.book_side,
        price_cc=fill.price_cc, size_centi=fill.size_centi, fee_micros=fill.fee_micros,
        exchange_us=fill.created_us, exchange_index=fill.exchange_index,
    )  # fmt: skip


def close_of(order: ExchangeOrder, order_id: str) -> Close:
    """Return the verb that records an order's end; ``order_id`` is the ledger's."""
    return Close(order_id=order_id, exchange_order_id=order.exchange_order_id, filled_centi=order.filled_centi)


def acknowledge_of(order: ExchangeOrder, order_id: str) -> Acknowledge:
    """Return the verb that records an order as it is shown; ``order_id`` is the ledger's."""
    return Acknowledge(
        order_id=order_id, exchange_order_id=order.exchange_order_id, ticker=order.ticker,
        filled_centi=order.filled_centi,
        remaining_centi=order.remaining_centi if order.status is OrderStatus.RESTING else 0,
    )  # fmt: skip


async def persist(clock: Clock, call: Callable[[], Awaitable[T]]) -> T:
    """Retry a verb until the store has applied it: safe, since every verb is idempotent by its id.

    Raises errors that waiting can't resolve (``StoreCorrupt``).
    """
    delay_s = FIRST_DELAY_S
    while True:
        try:
            return await call()
        except LedgerError as error:
            if not error.retry:
                raise
        await clock.sleep(delay_s)
        delay_s = min(2 * delay_s, MAX_DELAY_S)


async def read_up_to_us(ledger: LedgerStore) -> int:
    """Return the exchange time from which on the account's lists have to be read again.

    It stays behind the newest sweep while an item could not be read: such an item may be readable later.
    """
    swept_us = await ledger.watermark(SWEPT)
    return min(swept_us, await ledger.watermark(READABLE) or swept_us)


async def record_fill(ledger: LedgerStore, clock: Clock, fill: ExchangeFill, opened_us: int) -> ReportOutcome:
    """Record one fill."""
    if is_before(fill.created_us, opened_us):
        return ReportOutcome.BEFORE_OPENING
    return await _record(ledger, clock, settle_of(fill))


async def record_order(ledger: LedgerStore, clock: Clock, order: ExchangeOrder, opened_us: int) -> OrderResult:
    """Record an order as the exchange shows it; return its state in the ledger, or an outcome.

    A terminal order is closed with its total; one that rests, or that is not ours, is acknowledged. An order with our
    prefix that the ledger does not have is acknowledged too: the ledger records it as foreign and halts.
    """
    if order.created_us is not None and is_before(order.created_us, opened_us):
        return ReportOutcome.BEFORE_OPENING
    order_id = await _recorded_id(ledger, clock, order)
    if order.status is not OrderStatus.RESTING and is_ours(order_id):
        result = await _record(ledger, clock, close_of(order, order_id))
        if result is not ReportOutcome.NO_ORDER:
            return result
    return await _record(ledger, clock, acknowledge_of(order, order_id))


async def _recorded_id(ledger: LedgerStore, clock: Clock, order: ExchangeOrder) -> str:
    """Return the ledger's id of an order: ours by its client order id; a foreign one by the exchange's, since its owner
    changes the client order id by an amend.
    """
    if is_ours(order.client_order_id):
        return order.client_order_id
    known = await persist(clock, lambda: ledger.order_of_exchange_id(order.exchange_order_id))
    return known.order_id if known is not None else order.exchange_order_id


async def record_settlement(ledger: LedgerStore, clock: Clock, ticker: str, settlement_cc: int) -> ReportOutcome:
    """Record a market's settlement value."""
    return await _record(ledger, clock, SettleMarket(ticker=ticker, settlement_cc=settlement_cc))


async def _record(ledger: LedgerStore, clock: Clock, verb: Verb[T]) -> T | ReportOutcome:
    """Apply the verb. Halt for a contradiction, but only once: the exchange keeps reporting it, and each further halt
    would undo an operator's ``resume``.
    """
    result = await persist(clock, lambda: ledger.apply(verb))
    if result is not ReportOutcome.CONFLICT:
        return result
    noted = HALTED_FOR + digest(type(verb).__name__, msgspec.json.encode(_content(verb)).decode())
    if await persist(clock, lambda: ledger.watermark(noted)):
        return ReportOutcome.CONTRADICTS
    await persist(clock, lambda: ledger.apply(CONFLICTING_REPORT.place()))
    await persist(clock, lambda: ledger.apply(AdvanceWatermark(name=noted, to_us=clock.now_us())))
    return result


def _content(verb: Verb[Any]) -> dict[str, Any]:
    """Return the report without what is not its content: the socket rounds times otherwise than the list of fills."""
    content = msgspec.structs.asdict(verb)
    content.pop("exchange_us", None)
    content.pop("recorded_us", None)
    if content.get("exchange_index") == DEFAULT_SHARD:  # as in digests of versions without shards
        del content["exchange_index"]
    return content
