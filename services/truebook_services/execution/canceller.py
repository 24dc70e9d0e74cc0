"""Cancels orders. A cancel may be repeated without harm, but only proof ends an order.

``reduced_by`` of the response proves the final filled total if it fits the recorded fills. If not, more fills are on
their way or the order's owner has decreased it: the order is looked up. A 404 proves nothing (a cancelled and an
executed order give the same) and leads to a look-up too; while the order is listed as resting, it is not ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from truebook.execution.guards import Limiters
from truebook.kalshi.port import ExchangeError, NotFound, RateLimited, RestClient
from truebook.ledger.port import OrderView
from truebook.ledger.verbs import OrderState
from truebook.messages.orders import OrderOutcome
from truebook.messages.reasons import Reason
from truebook.money import format_size
from truebook.runtime.context import Context
from truebook.venue.rate_tiers import CANCEL_COST
from truebook_services.execution.records import OrderRecords
from truebook_services.execution.reports import Reports

MAX_CONCURRENT = 16
ENDED = (OrderState.TERMINAL, OrderState.CLOSING)


class Canceller:
    """Sends cancels within the rate budget and records their outcome in the ledger."""

    def __init__(
        self,
        context: Context,
        rest: RestClient,
        records: OrderRecords,
        *,
        reports: Reports,
        limiters: Limiters,
        retry_us: int,
    ) -> None:
        self._context = context
        self._rest = rest
        self._records = records
        self._reports = reports
        self._limiters = limiters
        self._retry_us = retry_us
        self._sent_us: dict[str, int] = {}
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)

    def __contains__(self, order_id: object) -> bool:
        """Return whether a cancel of that order was sent recently and has no known outcome."""
        sent_us = self._sent_us.get(str(order_id))
        return sent_us is not None and self._context.clock.now_us() - sent_us < self._retry_us

    async def cancel_all(self, orders: Iterable[tuple[OrderView, Reason | None]]) -> None:
        """Cancel these orders concurrently, each with the reason to report."""
        await asyncio.gather(*(self.cancel(order, reason) for order, reason in orders if order.order_id not in self))

    async def cancel(self, order: OrderView, reason: Reason | None, cause: str = "") -> bool:
        """Cancel one order; return False if the rate budget is empty (a later action or sweep sends it)."""
        if order.exchange_order_id is None:
            return False
        if not self._limiters.tokens.take(CANCEL_COST, self._context.clock.now_us()):
            self._reports.add(self._reports.of_order(order, OrderOutcome.REFUSED, Reason.RATE_BUDGET, "cancel", cause))
            return False
        self._prune_sent()
        self._sent_us[order.order_id] = self._context.clock.now_us()
        state, detail = await self._send(order, order.exchange_order_id)
        self._reports.add(self._reports.of_order(order, OrderOutcome.CANCEL_SENT, reason, detail, cause))
        if state in ENDED:
            self._reports.add(self._reports.of_order(order, OrderOutcome.CANCELLED, reason, detail, cause))
            self._sent_us.pop(order.order_id, None)
        return True

    async def _send(self, order: OrderView, exchange_order_id: str) -> tuple[str | None, str]:
        """Send one cancel; return the ledger's state of the order (None if nothing is proven) and a detail."""
        try:
            async with self._slots:  # without the ledger: while that is away, further cancels are sent all the same
                response = await self._rest.cancel_order(exchange_order_id, order.ticker)
        except NotFound:
            return await self._look_up(exchange_order_id)
        except ExchangeError as error:
            if isinstance(error, RateLimited):
                self._limiters.rate_limited(self._context.clock.now_us())
            self._context.log.warning("cancel failed", order_id=order.order_id, error=str(error))
            return None, str(error)
        filled_centi = order.size_centi - response.reduced_centi
        if filled_centi != order.applied_centi:
            return await self._look_up(exchange_order_id)
        state = await self._records.close(order.order_id, exchange_order_id, filled_centi)
        return state, f"cancelled {format_size(response.reduced_centi)} of {format_size(order.size_centi)}"

    async def _look_up(self, exchange_order_id: str) -> tuple[str | None, str]:
        try:
            async with self._slots:
                listed = await self._rest.order(exchange_order_id)
        except ExchangeError as error:
            return None, f"look-up failed: {error}"
        state = await self._records.record_listed(listed)
        return state, f"listed as {listed.status}, {format_size(listed.filled_centi)} filled"

    def _prune_sent(self) -> None:
        oldest_us = self._context.clock.now_us() - self._retry_us
        self._sent_us = {order_id: at_us for order_id, at_us in self._sent_us.items() if at_us > oldest_us}
