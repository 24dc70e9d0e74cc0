"""Repair by evidence: missing fills, orders and settlements are fetched and told to the ledger by the usual verbs.

A query that fails ends the round: it is never read as "there is nothing".
"""

from __future__ import annotations

from truebook.kalshi.port import ExchangeError, NotFound, RestClient
from truebook.ledger.facts import OPENED, SWEPT, book_fill, book_order, book_settlement
from truebook.ledger.outcome import find
from truebook.ledger.port import LedgerStore, OrderView, View
from truebook.messages.facts import MarketStatus
from truebook.messages.ids import is_ours
from truebook.runtime.context import Context
from truebook.venue.account import ExchangeOrder, ExchangeSettlement, OrderStatus

LISTED_SINCE_US = 60_000_000
WHOLE_CC = (0, 10_000)
FLAT_AT_ONCE = 2
"""Markets without position that one round asks about: reads have a budget that others need too."""


class Repair:
    """Looks up what the ledger does not know for certain."""

    def __init__(
        self, context: Context, rest: RestClient, ledger: LedgerStore, *, grace_s: float, overlap_s: float
    ) -> None:
        self._context = context
        self._rest = rest
        self._ledger = ledger
        self._grace_us = int(grace_s * 1e6)
        self._overlap_us = int(overlap_s * 1e6)
        self._asked = ""
        """The flat market that was asked about last; they take turns."""

    async def orders(self) -> None:
        """Compare open orders one by one, look up those that the lists do not explain, settle their missing fills."""
        opened_us = await self._ledger.watermark(OPENED)
        resting = await self._rest.orders(status=OrderStatus.RESTING)
        view = await self._ledger.view()
        shown = {order.exchange_order_id: order for order in resting}
        known = {order.exchange_order_id for market in view.markets for order in market.orders}
        for order in resting:
            if order.exchange_order_id not in known:
                await book_order(self._ledger, self._context.clock, order, opened_us)
        for market in view.markets:
            for own in market.orders:
                await self._order(own, shown.get(own.exchange_order_id or ""), opened_us)
        await self._parked(opened_us)

    async def cancel_lost(self) -> int:
        """Cancel what rests of orders with our prefix that the ledger never reserved; answer how many rested.

        For a restored ledger: it may have lost them, and nobody else knows of them.
        """
        rested = 0
        for order in await self._rest.orders(status=OrderStatus.RESTING):
            known = await self._ledger.order(order.client_order_id or "")
            if not is_ours(order.client_order_id) or (known is not None and known.state != "foreign"):
                continue
            rested += 1
            try:
                await self._rest.cancel_order(order.exchange_order_id, order.ticker)
            except ExchangeError as error:
                self._context.log.warning("cancel failed", order=order.exchange_order_id, error=str(error))
        return rested

    async def facts(self) -> None:
        """Tell the ledger every fill and settlement from a while before the watermark on."""
        opened_us = await self._ledger.watermark(OPENED)
        since_us = max(opened_us, await self._ledger.watermark(SWEPT) - self._overlap_us)
        for fill in await self._rest.fills(min_us=since_us):
            await self._count(await book_fill(self._ledger, self._context.clock, fill, opened_us))
        view = await self._ledger.view()
        for settlement in await self._rest.settlements(min_us=since_us):
            if settlement.settled_us >= opened_us:
                await self._settle(settlement, view)
        await self._flat(view)

    async def _order(self, own: OrderView, shown: ExchangeOrder | None, opened_us: int) -> None:
        young = self._context.clock.now_us() - own.reserved_us < self._grace_us
        if shown is None and not young:
            shown = await self._look_up(own)
        if shown is None:
            return
        await book_order(self._ledger, self._context.clock, shown, opened_us)
        if shown.filled_centi > own.applied_centi and not young:
            for fill in await self._rest.fills(exchange_order_id=shown.exchange_order_id):
                await self._count(await book_fill(self._ledger, self._context.clock, fill, opened_us))

    async def _look_up(self, own: OrderView) -> ExchangeOrder | None:
        """Find an order that does not rest. Not finding it proves nothing here: absence is execution's to prove."""
        if own.exchange_order_id is None:
            since_us = max(0, own.reserved_us - LISTED_SINCE_US)
            return find(own.order_id, await self._rest.orders(ticker=own.ticker, min_us=since_us))
        try:
            return await self._rest.order(own.exchange_order_id)
        except NotFound:
            self._context.log.warning("an open order is not shown", order_id=own.order_id)
            return None

    async def _parked(self, opened_us: int) -> None:
        """Look up the orders of parked fills: an order that is not ours is booked as foreign."""
        for exchange_order_id in sorted({fill.order_id for fill in await self._ledger.parked_fills()}):
            try:
                order = await self._rest.order(exchange_order_id)
            except NotFound:
                self._context.log.warning("a parked fill's order is not shown", order=exchange_order_id)
                continue
            await book_order(self._ledger, self._context.clock, order, opened_us)

    async def _settle(self, settlement: ExchangeSettlement, view: View) -> None:
        """Book one settlement; the list tells whole cents only, so that other values are read from the market."""
        known = view.market(settlement.ticker)
        if known is not None and known.settlement_cc is not None and settlement.settlement_cc not in WHOLE_CC:
            return
        settlement_cc: int | None = settlement.settlement_cc
        if settlement_cc not in WHOLE_CC:
            settlement_cc = await self._exact_value(settlement.ticker)
        if settlement_cc is not None:
            answer = await book_settlement(self._ledger, self._context.clock, settlement.ticker, settlement_cc)
            await self._count(answer)

    async def _flat(self, view: View) -> None:
        """Settle markets in which nothing is held any more: no list of settlements names them, the socket tells once.

        Their loss is certain; while they are not settled it counts as one that may still come.
        """
        flat = sorted(
            market.ticker
            for market in view.markets
            if market.settlement_cc is None and market.position_centi == 0 and not market.orders
        )
        later = [ticker for ticker in flat if ticker > self._asked]
        for ticker in [*later, *flat][: min(FLAT_AT_ONCE, len(flat))]:
            self._asked = ticker
            try:
                facts = await self._rest.market(ticker)
            except NotFound:
                continue
            if facts.status is MarketStatus.FINALIZED and facts.settlement_cc is not None:
                await self._count(await book_settlement(self._ledger, self._context.clock, ticker, facts.settlement_cc))

    async def _exact_value(self, ticker: str) -> int | None:
        try:
            return (await self._rest.market(ticker)).settlement_cc
        except NotFound:
            self._context.log.warning("a settled market is not shown", ticker=ticker)
            return None

    async def _count(self, answer: str) -> None:
        if answer in ("applied", "parked", "settled"):
            self._context.metrics.count("reconciler_repairs", answer=answer)
