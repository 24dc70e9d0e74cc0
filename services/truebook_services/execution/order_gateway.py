"""Carries out the steps of a plan and reports each target."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from truebook.execution.placement import Placement
from truebook.execution.plan import Cancel
from truebook.ledger.port import OrderView
from truebook.messages.actions import Action, Target
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.reasons import Reason
from truebook_services.execution.canceller import Canceller
from truebook_services.execution.reports import Reports
from truebook_services.execution.resolver import Resolver
from truebook_services.execution.sender import Existing, NotSent, Sender, Sent


class OrderGateway:
    """Cancels, sends and reports for the action handler."""

    def __init__(self, reports: Reports, canceller: Canceller, sender: Sender, resolver: Resolver) -> None:
        self._reports = reports
        self.canceller = canceller
        self._sender = sender
        self._resolver = resolver

    def refuse(self, action: Action, targets: Iterable[Target], reason: Reason, detail: str = "") -> None:
        self._reports.refuse(action, targets, reason, detail)

    def keep(self, action: Action, target: Target) -> None:
        """Report that the working order fits the target."""
        self._reports.add(self._reports.of_target(action, target, OrderOutcome.KEPT, Reason.UNCHANGED))

    async def report_existing(self, action: Action, target: Target, order: OrderView) -> None:
        """Report an order that an earlier delivery of this action has decided; look it up if its outcome is unknown."""
        detail = f"exists:{order.state}"
        self._reports.add(self._reports.of_target(action, target, OrderOutcome.KEPT, detail=detail))
        await self._resolver.probe(order.order_id)

    async def cancel(self, action: Action, step: Cancel) -> None:
        """Cancel a working order; report why its target is not placed now."""
        await self.canceller.cancel(step.order, step.reason, cause=action.id)
        if step.target is not None and step.reason is not None:
            self._reports.refuse(action, [step.target], step.reason)

    async def place(self, placement: Placement) -> None:
        """Send an order and report its outcome; track it while that is unknown."""
        with self._resolver.sending(placement.order_id):
            result = await self._sender.send(placement)
            match result:
                case NotSent(reason, detail):
                    self._reports.refuse(placement.action, [placement.target], reason, detail)
                case Existing(state):
                    self._reports.add(self._event(placement, OrderOutcome.KEPT, detail=f"exists:{state}"))
                case Sent():
                    sent = self._event(placement, OrderOutcome.SENT, tick_to_send_us=result.tick_to_send_us)
                    self._reports.add(sent, self._final(placement, result))
        match result:
            case Existing(state) if state.is_unresolved:
                await self._resolver.track(placement.order_id)
            case Sent(outcome=OrderOutcome.UNKNOWN):
                await self._resolver.track(placement.order_id, result.signed_until_us)

    def _final(self, placement: Placement, result: Sent) -> OrderEvent:
        accepted = result.outcome is OrderOutcome.ACKNOWLEDGED
        return self._event(
            placement, result.outcome, result.reason, detail=result.detail, exchange_order_id=result.exchange_order_id,
            tick_to_send_us=result.tick_to_send_us if accepted else None,
        )  # fmt: skip

    def _event(
        self, placement: Placement, outcome: OrderOutcome, reason: Reason | None = None, **more: Any
    ) -> OrderEvent:
        return self._reports.of_target(
            placement.action, placement.target, outcome, reason, size_centi=placement.size_centi, **more
        )
