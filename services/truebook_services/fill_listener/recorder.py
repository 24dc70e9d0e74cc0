"""Records the exchange's reports in the ledger, then queues them for ``fills``: the money moves first.

A report may be received several times and in any order, by socket and by REST: the ledger's ids make that harmless.
"""

from __future__ import annotations

import asyncio
from typing import Any

from cachetools import FIFOCache

from truebook.ledger.exchange_reports import OPENED, persist, record_fill, record_order, record_settlement
from truebook.ledger.port import LedgerStore
from truebook.ledger.verbs import OrderResult
from truebook.messages.fills import FillRecorded, MarketSettled, OrderUpdated, ReportOutcome
from truebook.messages.ids import digest
from truebook.runtime.context import Context
from truebook.runtime.frames import pause
from truebook.venue.account import ExchangeFill, ExchangeOrder
from truebook_services.fill_listener.outbox import FillPublisher, Key

OPEN_POLL_S = 0.1
FINAL = (ReportOutcome.APPLIED, ReportOutcome.DUPLICATE)
"""Outcomes after which this process need not record a fill again."""


class FillRecorder:
    """Records reports and queues their events. A report whose event was deferred is recorded again, without effect."""

    def __init__(self, context: Context, ledger: LedgerStore, publisher: FillPublisher, max_known: int) -> None:
        self._context = context
        self._ledger = ledger
        self._publisher = publisher
        self._opened_us: int | None = None
        self._recorded: FIFOCache[Key, None] = FIFOCache(max_known)

    async def is_open(self) -> bool:
        """Return whether the account is open: what happened before is part of its opening balance."""
        if self._opened_us is None and (await self._ledger.view(())).account.opened:
            self._opened_us = await self._ledger.watermark(OPENED)
        return self._opened_us is not None

    async def wait_until_open(self, stop: asyncio.Event) -> None:
        """Wait until the reconciler has opened the account, or until ``stop``."""
        while not stop.is_set() and not await self.is_open():
            await pause(stop, self._context, OPEN_POLL_S)

    @property
    def opened_us(self) -> int:
        """Exchange time of the account's opening; only after ``is_open`` has returned True."""
        if self._opened_us is None:
            raise RuntimeError("the account is not open")
        return self._opened_us

    async def fill(self, fill: ExchangeFill) -> ReportOutcome:
        """Record a fill in the ledger and queue its event. Return the outcome, or that both were done before."""
        key = (fill.trade_id, fill.exchange_order_id)
        if key in self._recorded and key in self._publisher:
            return ReportOutcome.ALREADY_RECORDED
        outcome = await record_fill(self._ledger, self._context.clock, fill, self.opened_us)
        self._context.metrics.count("fills_recorded", outcome=outcome)
        if outcome is ReportOutcome.APPLIED and fill.created_us:
            late_us = max(0, self._context.clock.now_us() - fill.created_us)
            self._context.metrics.seconds("fill_to_ledger", late_us / 1e6)
        if outcome in FINAL:
            self._recorded[key] = None
        self._log_conflict("fill", outcome, fill)
        self._context.crash("settled")
        if outcome is not ReportOutcome.BEFORE_OPENING and key not in self._publisher:
            self._publisher.add(key, await self._fill_recorded(fill, outcome))
        return outcome

    async def order(self, order: ExchangeOrder) -> OrderResult:
        """Record an order's state and queue its event, each state once."""
        key = (order.exchange_order_id, f"{order.status} {order.filled_centi} {order.remaining_centi}")
        if key in self._publisher:
            return ReportOutcome.ALREADY_RECORDED
        outcome = await record_order(self._ledger, self._context.clock, order, self.opened_us)
        self._log_conflict("order", outcome, order)
        if outcome is not ReportOutcome.BEFORE_OPENING:
            self._publisher.add(key, self._order_updated(order, outcome))
        return outcome

    async def settlement(self, ticker: str, settlement_cc: int, settled_us: int | None) -> ReportOutcome:
        """Record a market's settlement and queue its event."""
        if settled_us is not None and settled_us < self.opened_us:
            return ReportOutcome.BEFORE_OPENING
        outcome = await record_settlement(self._ledger, self._context.clock, ticker, settlement_cc)
        self._log_conflict("settlement", outcome, f"{ticker} at {settlement_cc}")
        settled = MarketSettled(
            **self._envelope(ticker, settled_us), id=digest(ticker, "settled", settlement_cc), cause_id="",
            settlement_cc=settlement_cc, outcome=outcome,
        )  # fmt: skip
        self._publisher.add((ticker, f"settled {settlement_cc}"), settled)
        return outcome

    async def flush(self) -> bool:
        """Publish what is queued; return whether all of it is published."""
        return await self._publisher.flush()

    def _log_conflict(self, kind: str, outcome: OrderResult, report: object) -> None:
        if outcome in (ReportOutcome.CONFLICT, ReportOutcome.INVALID):
            self._context.log.error("report contradicts the ledger", kind=kind, outcome=outcome, report=str(report))

    async def _fill_recorded(self, fill: ExchangeFill, outcome: ReportOutcome) -> FillRecorded:
        client_order_id = fill.client_order_id or await self._recorded_order_id(fill.exchange_order_id)
        return FillRecorded(
            **self._envelope(fill.ticker, fill.created_us), id=digest(fill.trade_id, fill.exchange_order_id),
            cause_id=client_order_id, trade_id=fill.trade_id, exchange_order_id=fill.exchange_order_id,
            client_order_id=client_order_id, book_side=fill.book_side, price_cc=fill.price_cc,
            size_centi=fill.size_centi, fee_micros=fill.fee_micros, is_taker=fill.is_taker, basis=fill.basis,
            outcome=outcome,
        )  # fmt: skip

    async def _recorded_order_id(self, exchange_order_id: str) -> str:
        order = await persist(self._context.clock, lambda: self._ledger.order_of_exchange_id(exchange_order_id))
        return order.order_id if order is not None else ""

    def _order_updated(self, order: ExchangeOrder, outcome: OrderResult) -> OrderUpdated:
        return OrderUpdated(
            **self._envelope(order.ticker, order.updated_us), cause_id=order.client_order_id,
            id=digest(order.exchange_order_id, order.status, order.filled_centi, order.remaining_centi),
            exchange_order_id=order.exchange_order_id, client_order_id=order.client_order_id,
            status=str(order.status), filled_centi=order.filled_centi, remaining_centi=order.remaining_centi,
            outcome=outcome,
        )  # fmt: skip

    def _envelope(self, ticker: str, exchange_us: int | None) -> dict[str, Any]:
        return {
            "account": self._context.account, "strategy": self._context.strategy, "source": self._context.source,
            "ticker": ticker, "exchange_us": exchange_us, "produced_us": self._context.clock.now_us(),
        }  # fmt: skip
