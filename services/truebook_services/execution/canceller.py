"""Cancelling orders: a cancel is harmless to repeat, but only proof ends an order.

``reduced_by`` of the answer proves the total where it fits the fills that are booked. Elsewhere more fills are on their
way, or somebody has decreased the order: it is looked up. So it is after a 404, which proves nothing (cancelled and
executed look alike); a look-up that still shows it resting is waited out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from truebook.kalshi.port import ExchangeError, NotFound, RestClient
from truebook.ledger.facts import OPENED, book_order, persist
from truebook.ledger.port import Close, LedgerStore, OrderView
from truebook.messages.orders import OrderOutcome
from truebook.messages.reasons import Reason
from truebook.pacing.tokens import TokenBucket
from truebook.runtime.context import Context
from truebook_services.execution.reports import Reports
from truebook_services.execution.settings import CANCEL_COST, ExecutionSettings

AT_ONCE = 16


class Canceller:
    """Sends cancels within the rate budget and brings their outcome into the ledger."""

    def __init__(
        self,
        context: Context,
        settings: ExecutionSettings,
        rest: RestClient,
        ledger: LedgerStore,
        *,
        reports: Reports,
        tokens: TokenBucket,
    ) -> None:
        self._context = context
        self._again_us = int(settings.cancel_again_s * 1e6)
        self._rest = rest
        self._ledger = ledger
        self._reports = reports
        self._tokens = tokens
        self._sent_us: dict[str, int] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    def __contains__(self, order_id: object) -> bool:
        """Tell whether a cancel of that order is under way (sent not long ago, its outcome not known)."""
        sent_us = self._sent_us.get(str(order_id))
        return sent_us is not None and self._context.clock.now_us() - sent_us < self._again_us

    async def cancel_all(self, orders: Iterable[tuple[OrderView, Reason | None]]) -> None:
        """Cancel these orders, each with the reason to tell; several at a time."""
        await asyncio.gather(*(self.cancel(order, reason) for order, reason in orders if order.order_id not in self))

    async def cancel(self, order: OrderView, reason: Reason | None, cause: str = "") -> bool:
        """Cancel one order; false where the rate budget is empty (a later action or sweep tries again)."""
        if order.exchange_order_id is None:
            return False
        if not self._tokens.take(CANCEL_COST, self._context.clock.now_us()):
            event = self._reports.of_order(order, OrderOutcome.REFUSED, Reason.RATE_BUDGET, "cancel", cause)
            await self._reports.publish([event])
            return False
        self._forget_old()
        self._sent_us[order.order_id] = self._context.clock.now_us()
        async with self._slots:
            state, detail = await self._send(order, order.exchange_order_id)
        events = [self._reports.of_order(order, OrderOutcome.CANCEL_SENT, reason, detail, cause)]
        if state in ("terminal", "closing"):
            events.append(self._reports.of_order(order, OrderOutcome.CANCELLED, reason, detail, cause))
            self._sent_us.pop(order.order_id, None)
        await self._reports.publish(events)
        return True

    async def _send(self, order: OrderView, exchange_order_id: str) -> tuple[str, str]:
        """Send one cancel; answers (the ledger's state of the order or ``""`` where nothing is proven, detail)."""
        try:
            answer = await self._rest.cancel_order(exchange_order_id, order.ticker)
        except NotFound:
            return await self._look_up(exchange_order_id)
        except ExchangeError as error:
            self._context.log.warning("cancel failed", order_id=order.order_id, error=str(error))
            return "", str(error)
        filled_centi = order.size_centi - answer.reduced_centi
        if filled_centi != order.applied_centi:
            return await self._look_up(exchange_order_id)
        news = Close(order_id=order.order_id, exchange_order_id=exchange_order_id, filled_centi=filled_centi)
        state = await persist(self._context.clock, lambda: self._ledger.close(news))
        return state, f"cancelled {answer.reduced_centi} of {order.size_centi}"

    async def _look_up(self, exchange_order_id: str) -> tuple[str, str]:
        try:
            shown = await self._rest.order(exchange_order_id)
        except ExchangeError as error:
            return "", f"not shown: {error}"
        opened_us = await persist(self._context.clock, lambda: self._ledger.watermark(OPENED))
        state = await book_order(self._ledger, self._context.clock, shown, opened_us)
        return state, f"shown as {shown.status}, {shown.filled_centi} filled"

    def _forget_old(self) -> None:
        oldest_us = self._context.clock.now_us() - self._again_us
        self._sent_us = {order_id: at_us for order_id, at_us in self._sent_us.items() if at_us > oldest_us}
