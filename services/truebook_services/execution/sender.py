"""Reserve → send → record: the only code of Truebook that creates an order at the exchange.

Only the result ``reserved`` permits to send, once: the request is signed once and never sent again. Whatever follows is
a fact about that order (accepted, proven absent, unknown) and is written until the ledger has stored it.
"""

from __future__ import annotations

import itertools
from functools import partial

import msgspec

from truebook.execution.durations import Durations
from truebook.execution.guards import Limiters
from truebook.execution.placement import Placement, order_request, reservation
from truebook.execution.send_errors import SendFailure, classify
from truebook.kalshi.port import BadResponse, ExchangeError, RateLimited, Refused, RestClient, SignedOrder
from truebook.ledger.verbs import OrderState, Reserve, ReserveOutcome
from truebook.messages.orders import OrderOutcome
from truebook.messages.reasons import Reason
from truebook.runtime.context import Context
from truebook.venue.account import CreateResponse
from truebook.venue.shards import DEFAULT_SHARD
from truebook_services.execution.exchange_pause import ExchangePauseHold
from truebook_services.execution.order_group import OrderGroup
from truebook_services.execution.records import OrderRecords


class NotSent(msgspec.Struct, frozen=True):
    """Nothing was sent."""

    reason: Reason
    detail: str = ""


class Existing(msgspec.Struct, frozen=True):
    """An earlier attempt reserved this order."""

    state: OrderState


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """The order was sent. Until an unknown outcome is resolved, the exchange accepts it up to ``signed_until_us``."""

    outcome: OrderOutcome
    reason: Reason | None = None
    detail: str
    exchange_order_id: str = ""
    tick_to_send_us: int | None
    signed_until_us: int


SendResult = NotSent | Existing | Sent


class Sender:
    """Sends placements; many may be under way at once, at most one per side of a market."""

    def __init__(
        self,
        context: Context,
        durations: Durations,
        rest: RestClient,
        records: OrderRecords,
        *,
        limiters: Limiters,
        pause_hold: ExchangePauseHold,
        group: OrderGroup,
        send_timeout_s: float,
    ) -> None:
        self._context = context
        self._durations = durations
        self._send_timeout_s = send_timeout_s
        self._rest = rest
        self._records = records
        self._limiters = limiters
        self._pause_hold = pause_hold
        self._group = group
        self._attempts = itertools.count(1)

    async def send(self, placement: Placement) -> SendResult:
        """Bring one placement to a recorded outcome."""
        now_us, lifetime_us = self._context.clock.now_us(), self._durations.order_lifetime_us
        order = reservation(placement, next(self._attempts), now_us, lifetime_us)
        result = await self._records.reserve(order)
        match result.outcome:
            case ReserveOutcome.RESERVED:
                self._context.crash("reserved")
                return await self._post_once(placement, order)
            case ReserveOutcome.EXISTS:
                assert result.state is not None
                return Existing(result.state)
            case _ if result.reason is Reason.SHARD_CASH:
                where = await self._records.describe_cash()
                return NotSent(Reason.SHARD_CASH, f"the market is on shard {order.exchange_index}; {where}")
            case _:
                return NotSent(result.reason or Reason.DUPLICATE_ACTION)

    async def _post_once(self, placement: Placement, order: Reserve) -> SendResult:
        # A group is local to one shard, and ours is on the default one; sweeps cancel the orders of the others.
        group_id = self._group.id_for_orders if order.exchange_index == DEFAULT_SHARD else None
        signed = self._rest.sign_order(order_request(order, placement.target, group_id))
        clock, frame_us = self._context.clock, placement.action.frame_us
        if clock.now_us() >= order.send_by_us:
            await self._records.close(order.order_id, None, 0)
            return NotSent(Reason.DEADLINE, "too late to send")
        tick_to_send_us = clock.monotonic_us() - frame_us if frame_us else None
        sent = partial(Sent, tick_to_send_us=tick_to_send_us, signed_until_us=signed.valid_until_us)
        try:
            response = await self._post(signed)
        except ExchangeError as error:
            self._context.crash("sent")
            failure = await self._record_failure(order, signed.request.order_group_id, error)
            return sent(outcome=failure.outcome, reason=failure.reason, detail=str(error))
        self._context.crash("sent")
        state = await self._records.acknowledge(order, response)
        self._limiters.breaker.succeeded(order.ticker)
        if tick_to_send_us is not None:
            self._context.metrics.seconds("tick_to_order", tick_to_send_us / 1e6)
            self._context.metrics.seconds("tick_to_acknowledgement", (clock.monotonic_us() - frame_us) / 1e6)
        return sent(outcome=OrderOutcome.ACKNOWLEDGED, detail=state, exchange_order_id=response.exchange_order_id)

    async def _post(self, signed: SignedOrder) -> CreateResponse:
        response = await self._rest.create_order(signed, self._send_timeout_s)
        if response.client_order_id not in ("", signed.request.client_order_id):
            raise BadResponse(f"the response is about order {response.client_order_id}")
        return response

    async def _record_failure(self, order: Reserve, group_id: str | None, error: ExchangeError) -> SendFailure:
        """Release the reservation only with proof that the exchange has no order."""
        failure = classify(error)
        if failure.proven:
            await self._records.close(order.order_id, None, 0)
        else:
            await self._records.mark_unknown(order.order_id)
        self._context.log.warning(
            "send failed", order_id=order.order_id, outcome=str(failure.outcome), error=str(error)
        )  # fmt: skip
        if failure.counts:
            self._limiters.breaker.failed(order.ticker, self._context.clock.now_us())
        if failure.paused:
            await self._pause_hold.place(str(error), order.exchange_index)
        if isinstance(error, Refused):
            await self._group.rejected(group_id, error)
        if isinstance(error, RateLimited):
            self._limiters.rate_limited(self._context.clock.now_us())
        return failure
