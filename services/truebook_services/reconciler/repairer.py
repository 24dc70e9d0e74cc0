"""Fetch missing fills, orders and settlements from the exchange and record them by the ledger's usual verbs.

A failed query ends the run; it never counts as an empty result.
"""

from __future__ import annotations

from collections.abc import Iterable

from truebook.kalshi.port import BadResponse, NotFound, RestClient
from truebook.ledger.exchange_reports import OPENED, read_up_to_us, record_fill, record_order, record_settlement
from truebook.ledger.order_resolution import LOOKBACK_US, find
from truebook.ledger.port import LedgerStore, LedgerView, OrderView
from truebook.ledger.trading_holds import UNREADABLE
from truebook.ledger.verbs import OrderState
from truebook.messages.fills import ReportOutcome
from truebook.messages.ids import is_ours
from truebook.messages.market_metadata import MarketStatus
from truebook.runtime.context import Context
from truebook.venue.account import ExchangeOrder, OrderStatus, UnreadableItem
from truebook_services.reconciler.compare import own_orders
from truebook_services.reconciler.opening import cancel
from truebook_services.reconciler.unreadable import UnreadableMarkets

FLAT_AT_ONCE = 2
"""Markets without a position that are read per run: other services need the read budget too."""


class Repairer:
    """Resolves what the ledger has not recorded."""

    def __init__(
        self,
        context: Context,
        rest: RestClient,
        ledger: LedgerStore,
        *,
        unreadable: UnreadableMarkets,
        grace_s: float,
        overlap_s: float,
    ) -> None:
        self._context = context
        self._rest = rest
        self._ledger = ledger
        self._unreadable = unreadable
        self._grace_us = int(grace_s * 1e6)
        self._overlap_us = int(overlap_s * 1e6)
        self._last_flat = ""
        """The flat market that was read last; they are read in turn."""

    async def orders(self) -> None:
        """Compare open orders, look up those that are not listed, and record their missing fills."""
        opened_us = await self._ledger.watermark(OPENED)
        resting = await self._rest.orders(status=OrderStatus.RESTING)
        view = await self._ledger.live_view()
        shown = {order.exchange_order_id: order for order in resting}
        known = {order.exchange_order_id for market in view.markets for order in market.orders}
        for order in resting:
            if order.exchange_order_id not in known:
                await record_order(self._ledger, self._context.clock, order, opened_us)
        unread = own_orders(view, resting.unreadable)
        hidden = {ticker for _, ticker in unread}
        for one, ticker in unread:
            self._unreadable.note(ticker, "an order of ours")
            if not ticker:
                self._context.log.error(
                    "an order of ours can't be read and its market is not known: no market is held",
                    order_id=one.client_order_id, order=one.exchange_order_id, why=one.why,
                )  # fmt: skip
        await self._unreadable.place()
        for market in view.markets:
            for own in market.orders if market.ticker not in hidden else ():
                await self._order(own, shown.get(own.exchange_order_id or ""), opened_us)
        await self._parked(opened_us)

    async def cancel_lost(self) -> int:
        """Cancel resting orders with our id prefix that the ledger never reserved; returns their number.

        A restored ledger may have lost them, and no other process tracks them. One that can't be read may be ours
        unless its id shows that it is not.
        """
        rested = 0
        resting = await self._rest.orders(status=OrderStatus.RESTING)
        items: list[ExchangeOrder | UnreadableItem] = [*resting, *resting.unreadable]
        for order in items:
            if not await self._is_lost(order):
                continue
            rested += 1
            if order.exchange_order_id:
                await cancel(self._context, self._rest, order)
            else:
                self._context.log.error(
                    "a resting order that may be ours can't be read nor cancelled", ticker=order.ticker,
                    order_id=order.client_order_id,
                )  # fmt: skip
        return rested

    async def _is_lost(self, order: ExchangeOrder | UnreadableItem) -> bool:
        known = await self._ledger.order(order.client_order_id or "")
        order_id = order.client_order_id
        if isinstance(order, UnreadableItem) and not order_id:
            known = await self._ledger.order_of_exchange_id(order.exchange_order_id)
            if known is None:
                return True
            order_id = known.order_id
        return is_ours(order_id) and (known is None or known.state is OrderState.FOREIGN)

    async def record_missing(self) -> None:
        """Record every fill and settlement since ``overlap_s`` before the watermark."""
        opened_us = await self._ledger.watermark(OPENED)
        since_us = max(opened_us, await read_up_to_us(self._ledger) - self._overlap_us)
        fills = await self._rest.fills(min_us=since_us)
        for fill in fills:
            outcome = await record_fill(self._ledger, self._context.clock, fill, opened_us)
            await self._count(outcome)
            if outcome is ReportOutcome.INVALID:
                self._unreadable.note(fill.ticker, f"fill {fill.trade_id} is not valid")
        view = await self._ledger.view()
        settlements = await self._rest.settlements(min_us=since_us)
        for settlement in settlements:
            if settlement.settled_us >= opened_us:
                await self._count(
                    await record_settlement(
                        self._ledger, self._context.clock, settlement.ticker, settlement.settlement_cc
                    )
                )
        await self._note_unreadable(fills.unreadable, settlements.unreadable, view)
        await self._settle_by_market(view)

    async def _note_unreadable(
        self, fills: Iterable[UnreadableItem], settlements: Iterable[UnreadableItem], view: LedgerView
    ) -> None:
        """Note the markets of unreadable fills, and of settlements where the ledger has a position."""
        for fill in fills:
            known = None if fill.ticker else await self._ledger.order_of_exchange_id(fill.exchange_order_id)
            self._unreadable.note(fill.ticker if known is None else known.ticker, f"a fill: {fill.why}")
        for settlement in settlements:
            market = view.market(settlement.ticker)
            if market is not None and market.settlement_cc is None and market.position_centi:
                self._unreadable.note(settlement.ticker, f"a settlement: {settlement.why}")

    async def _order(self, own: OrderView, shown: ExchangeOrder | None, opened_us: int) -> None:
        is_young = self._context.clock.now_us() - own.reserved_us < self._grace_us
        if shown is None and not is_young:
            shown = await self._look_up(own, opened_us)
        if shown is None:
            return
        await record_order(self._ledger, self._context.clock, shown, opened_us)
        if shown.filled_centi > own.applied_centi and not is_young:
            for fill in await self._rest.fills(exchange_order_id=shown.exchange_order_id):
                await self._count(await record_fill(self._ledger, self._context.clock, fill, opened_us))

    async def _look_up(self, own: OrderView, opened_us: int) -> ExchangeOrder | None:
        """Find an order that does not rest. Its absence proves nothing here; execution resolves that."""
        if own.exchange_order_id is None:
            since_us = max(0, own.reserved_us - LOOKBACK_US)
            return find(own.order_id, await self._rest.orders(ticker=own.ticker, min_us=since_us), opened_us)
        try:
            return await self._rest.order(own.exchange_order_id)
        except (NotFound, BadResponse) as error:
            self._context.log.warning("open order can't be read", order_id=own.order_id, error=str(error))
            return None

    async def _parked(self, opened_us: int) -> None:
        """Look up the orders of parked fills; an order that is not ours is recorded as foreign."""
        for exchange_order_id in sorted({fill.order_id for fill in await self._ledger.parked_fills()}):
            try:
                order = await self._rest.order(exchange_order_id)
            except (NotFound, BadResponse) as error:
                self._context.log.warning(
                    "order of a parked fill can't be read", order=exchange_order_id, error=str(error)
                )
                continue
            await record_order(self._ledger, self._context.clock, order, opened_us)

    async def _settle_by_market(self, view: LedgerView) -> None:
        """Settle markets whose settlement no list has: those without a position, and those held as unreadable.

        The socket reports them once. Until a flat market is settled, its final loss counts as a possible one.
        """
        held = view.account.markets_held(UNREADABLE.name)
        flat = sorted(
            market.ticker
            for market in view.markets
            if market.settlement_cc is None
            and ((market.position_centi == 0 and not market.orders) or market.ticker in held)
        )
        later = [ticker for ticker in flat if ticker > self._last_flat]
        for ticker in [*later, *flat][: min(FLAT_AT_ONCE, len(flat))]:
            self._last_flat = ticker
            try:
                market = await self._rest.market(ticker)
            except (NotFound, BadResponse):
                continue
            if market.status is MarketStatus.FINALIZED and market.settlement_cc is not None:
                await self._count(
                    await record_settlement(self._ledger, self._context.clock, ticker, market.settlement_cc)
                )

    async def _count(self, outcome: ReportOutcome) -> None:
        if outcome.is_new:
            self._context.metrics.count("reconciler_repairs", outcome=outcome)
