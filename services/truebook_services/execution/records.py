"""What execution writes about orders into the ledger. Reports are repeated until the ledger has stored them."""

from __future__ import annotations

from truebook.ledger.exchange_reports import OPENED, persist, record_order
from truebook.ledger.port import LedgerError, LedgerStore
from truebook.ledger.verbs import Acknowledge, Close, MarkUnknown, OrderResult, Reserve, ReserveResult
from truebook.messages.reasons import Reason
from truebook.money import format_micros
from truebook.runtime.context import Context
from truebook.venue.account import CreateResponse, ExchangeOrder

RESERVE_ATTEMPTS = 3


class OrderRecords:
    """The ledger's verbs of an order, for sends, cancels and look-ups alike."""

    def __init__(self, context: Context, ledger: LedgerStore) -> None:
        self._context = context
        self._ledger = ledger

    async def reserve(self, order: Reserve) -> ReserveResult:
        """Reserve an order's cash. Repeat it with the same nonce if the response is lost; close it in the end."""
        for _ in range(RESERVE_ATTEMPTS):
            try:
                return await self._ledger.apply(order)
            except LedgerError as error:
                if not error.retry:
                    raise
                self._context.log.warning("reserve failed", order_id=order.order_id, error=str(error))
        await self.close(order.order_id, None, 0)
        return ReserveResult.refused(Reason.NO_LEDGER)

    async def describe_cash(self) -> str:
        """Describe on which exchange shards the cash is: for an order that its own shard can't pay."""
        try:
            account = (await self._ledger.view(())).account
        except LedgerError as error:
            return str(error)
        moving = f"; in transit: ${format_micros(account.in_transit_micros)}" if account.in_transit_micros else ""
        shards = (f"${format_micros(one.cash_micros)} on shard {one.exchange_index}" for one in account.shards)
        return f"cash is {', '.join(shards)}{moving}"

    async def acknowledge(self, order: Reserve, response: CreateResponse) -> OrderResult:
        report = Acknowledge(
            order_id=order.order_id, exchange_order_id=response.exchange_order_id, ticker=order.ticker,
            filled_centi=response.filled_centi, remaining_centi=response.remaining_centi,
        )  # fmt: skip
        return await persist(self._context.clock, lambda: self._ledger.apply(report))

    async def mark_unknown(self, order_id: str) -> None:
        await persist(self._context.clock, lambda: self._ledger.apply(MarkUnknown(order_id=order_id)))

    async def close(self, order_id: str, exchange_order_id: str | None, filled_centi: int) -> OrderResult:
        """End an order with its final filled total: only with proof. Without an exchange order id it never existed."""
        report = Close(order_id=order_id, exchange_order_id=exchange_order_id, filled_centi=filled_centi)
        return await persist(self._context.clock, lambda: self._ledger.apply(report))

    async def record_listed(self, listed: ExchangeOrder) -> OrderResult:
        """Record an order as the exchange lists it."""
        opened_us = await persist(self._context.clock, lambda: self._ledger.watermark(OPENED))
        return await record_order(self._ledger, self._context.clock, listed, opened_us)
