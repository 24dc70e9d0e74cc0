"""Looks up orders without a known outcome until the exchange's own data prove what became of them.

Nothing is sent again and nothing is released on a guess. A new instance adopts the orders that an earlier one left
``reserved`` or ``unknown``: until each is resolved, nothing is reserved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from truebook.kalshi.port import ExchangeError, RestClient
from truebook.ledger.exchange_reports import OPENED, persist
from truebook.ledger.order_resolution import AGREEING_PROBES, LOOKBACK_US, Absent, Found, Probe, decide, find, proof_us
from truebook.ledger.port import LedgerError, LedgerStore, OrderView
from truebook.ledger.verbs import OrderState
from truebook.messages.fills import ReportOutcome
from truebook.messages.orders import OrderOutcome
from truebook.runtime.context import Context
from truebook_services.execution.records import OrderRecords
from truebook_services.execution.reports import Reports


class Resolver:
    """Separates the orders that are being sent now from the unknown ones, and resolves the latter."""

    def __init__(
        self,
        context: Context,
        rest: RestClient,
        ledger: LedgerStore,
        *,
        records: OrderRecords,
        reports: Reports,
        signature_lifetime_us: int,
    ) -> None:
        self._context = context
        self._rest = rest
        self._ledger = ledger
        self._records = records
        self._reports = reports
        self._signature_lifetime_us = signature_lifetime_us
        self._sending: Counter[str] = Counter()
        self._signed_until_us: dict[str, int] = {}
        self._probes: dict[str, list[Probe]] = {}
        self._pending: set[str] = set()
        """Orders reported as unknown, or adopted as such: each is reported as resolved once."""
        self.adopted: frozenset[str] = frozenset()
        """Ids of orders that an earlier instance left without outcome and that still have none."""

    @contextmanager
    def sending(self, order_id: str) -> Iterator[None]:
        """Mark an order as being sent by this process: it is not looked up meanwhile."""
        self._sending[order_id] += 1
        try:
            yield
        finally:
            self._sending -= Counter([order_id])

    async def adopt_open_orders(self) -> None:
        """Mark every order that is not ours to send as unknown; await this before anything is reserved."""
        view = await persist(self._context.clock, self._ledger.live_view)
        left = [order for market in view.markets for order in market.orders if self._is_unresolved(order)]
        for order in left:
            await self._records.mark_unknown(order.order_id)
        ids = frozenset(order.order_id for order in left)
        self.adopted = self.adopted | ids
        self._pending |= ids
        if left:
            self._context.log.info("adopted unresolved orders", orders=len(left))

    async def resolve(self) -> None:
        """Look every unresolved order up; called periodically."""
        now_us = self._context.clock.now_us()
        adopted = self.adopted
        view = await self._ledger.live_view()
        unresolved = [
            order
            for market in view.markets
            for order in market.orders
            if self._is_unresolved(order) and (order.state is OrderState.UNKNOWN or now_us > order.send_by_us)
        ]
        await self._look_up(unresolved)
        ids = {order.order_id for order in unresolved}
        self._probes = {order_id: probes for order_id, probes in self._probes.items() if order_id in ids}
        self.adopted = self.adopted - (adopted - self._probes.keys())
        await self._report_resolved_elsewhere(ids)
        self._signed_until_us = {
            order_id: until_us
            for order_id, until_us in self._signed_until_us.items()
            if order_id in ids or order_id in self._sending
        }
        self._context.metrics.gauge("unknown_orders", len(self._probes))

    async def track(self, order_id: str, signed_until_us: int | None = None) -> None:
        """Resolve an order whose send has no known outcome; the exchange accepts its signature until that time."""
        if signed_until_us is not None:
            self._signed_until_us[order_id] = signed_until_us
        self._pending.add(order_id)
        await self.probe(order_id)

    async def probe(self, order_id: str) -> None:
        """Look one order up at once: most lost responses belong to an order that the exchange already has.

        If the ledger can't be reached, the next ``resolve`` looks the order up.
        """
        try:
            order = await self._ledger.order(order_id)
            if order is not None and self._is_unresolved(order):
                await self._look_up([order])
            elif order is not None:
                self._resolved(order, f"reported by the exchange: {order.state}")
        except LedgerError as error:
            if not error.retry:
                raise
            self._context.log.warning("look-up postponed", order_id=order_id, error=str(error))

    def _is_unresolved(self, order: OrderView) -> bool:
        return order.state.is_unresolved and order.order_id not in self._sending

    async def _look_up(self, orders: Sequence[OrderView]) -> None:
        by_ticker: dict[str, list[OrderView]] = {}
        for order in orders:
            by_ticker.setdefault(order.ticker, []).append(order)
            self._pending.add(order.order_id)
        for ticker, group in by_ticker.items():
            since_us = max(0, min(order.reserved_us for order in group) - LOOKBACK_US)
            try:
                data_us = await self._rest.data_time_us()
                listed = await self._rest.orders(ticker=ticker, min_us=since_us)
                opened_us = await self._ledger.watermark(OPENED)
            except ExchangeError as error:
                self._context.log.warning("look-up failed", ticker=ticker, error=str(error))
                for order in group:
                    self._probes.setdefault(order.order_id, [])
                continue
            hidden = {one.client_order_id for one in listed.unreadable}
            for order in group:
                found = find(order.order_id, listed, opened_us)
                if found is None and ("" in hidden or order.order_id in hidden):
                    self._probes.setdefault(order.order_id, [])  # perhaps listed, but not readable: absence is no proof
                    continue
                await self._judge(order, Probe(data_us=data_us, found=found))

    async def _judge(self, order: OrderView, probe: Probe) -> None:
        probes = self._probes.setdefault(order.order_id, [])
        if probe.found is not None or not probes or probes[-1].data_us != probe.data_us:
            probes = self._probes[order.order_id] = [*probes, probe][-AGREEING_PROBES:]
        until_us = self._signed_until_us.get(order.order_id, order.send_by_us + self._signature_lifetime_us)
        match decide(probes, proof_us(order, until_us), self._context.clock.now_us()):
            case Found(listed):
                result = await self._records.record_listed(listed)
                if isinstance(result, ReportOutcome):
                    self._context.log.warning("found order not recorded", order_id=order.order_id, outcome=str(result))
                    return
                detail = f"found {listed.status}: {result}"
            case Absent():
                if order.state is OrderState.RESERVED:
                    await self._records.mark_unknown(order.order_id)
                detail = f"never arrived: {await self._records.close(order.order_id, None, 0)}"
            case unknown:
                self._context.log.debug("still unknown", order_id=order.order_id, why=unknown.why)
                return
        self._resolved(order, detail)

    async def _report_resolved_elsewhere(self, unresolved: set[str]) -> None:
        """Report pending orders whose outcome another report of the exchange has proven."""
        for order_id in sorted(self._pending - unresolved - self._sending.keys()):
            order = await self._ledger.order(order_id)
            if order is None:
                self._pending.discard(order_id)
            elif not self._is_unresolved(order):
                self._resolved(order, f"reported by the exchange: {order.state}")

    def _resolved(self, order: OrderView, detail: str) -> None:
        self._probes.pop(order.order_id, None)
        self.adopted = self.adopted - {order.order_id}
        if order.order_id in self._pending:
            self._pending.discard(order.order_id)
            self._reports.add(self._reports.of_order(order, OrderOutcome.RESOLVED, detail=detail))
