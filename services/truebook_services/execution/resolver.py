"""Orders without a known outcome: they are looked up until the exchange's own data prove what became of them.

Nothing is sent again and nothing is released on a guess. A new life takes over the intents that a former one left
(``reserved``, ``unknown``): until each is resolved, ``open_intents`` is not empty and nothing is reserved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from truebook.kalshi.port import ExchangeError, RestClient
from truebook.ledger.facts import OPENED, book_order, persist
from truebook.ledger.outcome import AGREEING_LOOKS, Absent, Found, Look, decide, find, proof_us
from truebook.ledger.port import Close, LedgerError, LedgerStore, OrderView
from truebook.messages.orders import OrderOutcome
from truebook.runtime.context import Context
from truebook_services.execution.reports import Reports
from truebook_services.execution.settings import ExecutionSettings

LISTED_SINCE_US = 60_000_000
"""Orders are listed from so long before the reserve, so that a skewed clock hides none."""


class Resolver:
    """Keeps what is under way apart from what is unknown, and resolves the latter."""

    def __init__(
        self, context: Context, settings: ExecutionSettings, rest: RestClient, ledger: LedgerStore, reports: Reports
    ) -> None:
        self._context = context
        self._settings = settings
        self._rest = rest
        self._ledger = ledger
        self._reports = reports
        self._under_way: Counter[str] = Counter()
        self._signed_until_us: dict[str, int] = {}
        self._looks: dict[str, list[Look]] = {}
        self._pending: set[str] = set()
        """Orders that were told as unknown, or taken over as such: each is told as resolved once."""
        self.open_intents: frozenset[str] = frozenset()
        """Ids that a former life left without outcome and that still have none."""

    @contextmanager
    def sending(self, order_id: str) -> Iterator[None]:
        """Mark an order as under way in this very process: it is not looked up meanwhile."""
        self._under_way[order_id] += 1
        try:
            yield
        finally:
            self._under_way -= Counter([order_id])

    def signed(self, order_id: str, valid_until_us: int) -> None:
        """Remember until when the exchange may still take this order's one signature."""
        self._signed_until_us[order_id] = valid_until_us

    async def take_over(self) -> None:
        """Make every intent that is not ours an unknown outcome; to be awaited before anything is reserved."""
        view = await persist(self._context.clock, lambda: self._ledger.view())
        left = [order for market in view.markets for order in market.orders if self._is_open_intent(order)]
        for order in left:
            await persist(self._context.clock, lambda order_id=order.order_id: self._ledger.mark_unknown(order_id))  # type: ignore[misc]
        ids = frozenset(order.order_id for order in left)
        self.open_intents = self.open_intents | ids
        self._pending |= ids
        if left:
            self._context.log.info("taking over open intents", orders=len(left))

    async def resolve(self) -> None:
        """Look every order without outcome up once; called again and again."""
        now_us = self._context.clock.now_us()
        taken_over = self.open_intents
        view = await self._ledger.view()
        pending = [
            order
            for market in view.markets
            for order in market.orders
            if self._is_open_intent(order) and (order.state == "unknown" or now_us > order.send_by_us)
        ]
        await self._look(pending)
        still = {order.order_id for order in pending}
        self._looks = {order_id: looks for order_id, looks in self._looks.items() if order_id in still}
        self.open_intents = self.open_intents - (taken_over - self._looks.keys())
        await self._tell_resolved_by_others(still)
        self._signed_until_us = {
            order_id: until_us
            for order_id, until_us in self._signed_until_us.items()
            if order_id in still or order_id in self._under_way
        }
        self._context.metrics.gauge("unknown_orders", len(self._looks))

    async def pursue(self, order_id: str) -> None:
        """Take on an order whose sending has just had no known outcome."""
        self._pending.add(order_id)
        await self.look_at(order_id)

    async def look_at(self, order_id: str) -> None:
        """Look one order up at once: most lost answers belong to an order that is already there.

        A ledger that can't be reached now is no harm: ``resolve`` comes back to the order.
        """
        try:
            order = await self._ledger.order(order_id)
            if order is not None and self._is_open_intent(order):
                await self._look([order])
            elif order is not None:
                await self._resolved(order, f"told by the exchange: {order.state}")
        except LedgerError as error:
            if not error.retry:
                raise
            self._context.log.warning("look-up postponed", order_id=order_id, error=str(error))

    def _is_open_intent(self, order: OrderView) -> bool:
        return order.state in ("reserved", "unknown") and order.order_id not in self._under_way

    async def _look(self, orders: Sequence[OrderView]) -> None:
        by_ticker: dict[str, list[OrderView]] = {}
        for order in orders:
            by_ticker.setdefault(order.ticker, []).append(order)
            self._pending.add(order.order_id)
        for ticker, group in by_ticker.items():
            since_us = max(0, min(order.reserved_us for order in group) - LISTED_SINCE_US)
            try:
                data_us = await self._rest.data_time_us()
                listed = await self._rest.orders(ticker=ticker, min_us=since_us)
            except ExchangeError as error:
                self._context.log.warning("look-up failed", ticker=ticker, error=str(error))
                for order in group:
                    self._looks.setdefault(order.order_id, [])
                continue
            for order in group:
                await self._judge(order, Look(data_us=data_us, found=find(order.order_id, listed)))

    async def _judge(self, order: OrderView, look: Look) -> None:
        looks = self._looks.setdefault(order.order_id, [])
        if look.found is not None or not looks or looks[-1].data_us != look.data_us:
            looks = self._looks[order.order_id] = [*looks, look][-AGREEING_LOOKS:]
        until_us = self._signed_until_us.get(
            order.order_id, order.send_by_us + int(self._settings.signature_life_s * 1e6)
        )
        match decide(looks, proof_us(order, until_us), self._context.clock.now_us()):
            case Found(found):
                opened_us = await self._ledger.watermark(OPENED)
                state = await book_order(self._ledger, self._context.clock, found, opened_us)
                detail = f"found {found.status}: {state}"
            case Absent():
                if order.state == "reserved":
                    await persist(self._context.clock, lambda: self._ledger.mark_unknown(order.order_id))
                news = Close(order_id=order.order_id, exchange_order_id=None, filled_centi=0)
                detail = f"never arrived: {await persist(self._context.clock, lambda: self._ledger.close(news))}"
            case still:
                self._context.log.debug("still unknown", order_id=order.order_id, why=still.why)
                return
        await self._resolved(order, detail)

    async def _tell_resolved_by_others(self, still: set[str]) -> None:
        """Tell of pending orders whose outcome the exchange's own news have brought."""
        for order_id in sorted(self._pending - still - self._under_way.keys()):
            order = await self._ledger.order(order_id)
            if order is None:
                self._pending.discard(order_id)
            elif not self._is_open_intent(order):
                await self._resolved(order, f"told by the exchange: {order.state}")

    async def _resolved(self, order: OrderView, detail: str) -> None:
        self._looks.pop(order.order_id, None)
        self.open_intents = self.open_intents - {order.order_id}
        if order.order_id in self._pending:
            self._pending.discard(order.order_id)
            await self._reports.publish([self._reports.of_order(order, OrderOutcome.RESOLVED, detail=detail)])
