"""The topic ``orders``: one event for each outcome of a target or order, and its count."""

from __future__ import annotations

from collections.abc import Iterable

from truebook.ledger.port import LedgerStore, OrderView
from truebook.messages.actions import Action, Target
from truebook.messages.ids import client_order_id, digest
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.reasons import Reason
from truebook.runtime.context import Context
from truebook_services.execution.report_queue import ReportQueue


class Reports:
    """Makes order events and queues them for the bus; ``detail`` is free text."""

    def __init__(self, context: Context, ledger: LedgerStore, queue: ReportQueue) -> None:
        self._context = context
        self._ledger = ledger
        self._queue = queue

    def of_target(
        self,
        action: Action,
        target: Target,
        outcome: OrderOutcome,
        reason: Reason | None = None,
        *,
        detail: str = "",
        exchange_order_id: str = "",
        size_centi: int | None = None,
        tick_to_send_us: int | None = None,
    ) -> OrderEvent:
        """Make the event of one target of an action."""
        order_id = client_order_id(self._ledger.ledger_id, action.id, target.book_side)
        return OrderEvent(
            id=digest(order_id, outcome, str(reason)), cause_id=action.id, account=self._context.account,
            strategy=action.strategy, ticker=action.ticker, source=self._context.source, exchange_us=None,
            produced_us=self._context.clock.now_us(), action_id=action.id, client_order_id=order_id,
            exchange_order_id=exchange_order_id, outcome=outcome, reason=reason, detail=detail,
            book_side=target.book_side, price_cc=target.price_cc,
            size_centi=target.size_centi if size_centi is None else size_centi, tick_to_send_us=tick_to_send_us,
        )  # fmt: skip

    def of_order(
        self, order: OrderView, outcome: OrderOutcome, reason: Reason | None = None, detail: str = "", cause: str = ""
    ) -> OrderEvent:
        """Make the event of an order in the ledger; ``cause`` is the id of the action behind it, if any."""
        return OrderEvent(
            id=digest(order.order_id, outcome, str(reason), detail), cause_id=cause, account=self._context.account,
            strategy=self._context.strategy, ticker=order.ticker, source=self._context.source, exchange_us=None,
            produced_us=self._context.clock.now_us(), action_id=cause, client_order_id=order.order_id,
            exchange_order_id=order.exchange_order_id or "", outcome=outcome, reason=reason, detail=detail,
            book_side=order.book_side, price_cc=order.price_cc, size_centi=order.size_centi,
        )  # fmt: skip

    def add(self, *events: OrderEvent) -> None:
        """Count events and queue them, in order."""
        for event in events:
            self._context.metrics.count("order_events", outcome=event.outcome, reason=str(event.reason or ""))
            self._queue.add(event)

    def refuse(self, action: Action, targets: Iterable[Target], reason: Reason, detail: str = "") -> None:
        """Report that nothing was done for these targets, and why."""
        for target in targets:
            self.add(self.of_target(action, target, OrderOutcome.REFUSED, reason, detail=detail))
