"""Reserve → send → record: the only code of Truebook that creates an order at the exchange.

Only the answer ``reserved`` may POST, and it may POST once: the request is signed once and never sent again. Whatever
comes after is a fact about that order (accepted, proven not there, unknown), and facts are written until the ledger has
them.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from truebook.kalshi.port import BadAnswer, ExchangeError, RateLimited, RestClient, SignedOrder
from truebook.ledger.facts import persist
from truebook.ledger.port import Acknowledge, Close, LedgerError, LedgerStore, Reserve
from truebook.messages.actions import Action, Target
from truebook.messages.envelope import TimeInForce
from truebook.messages.ids import client_order_id
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.reasons import Reason
from truebook.pacing.breaker import Breaker
from truebook.pacing.tokens import TokenBucket
from truebook.runtime.context import Context
from truebook.venue.account import CreateAnswer, OrderRequest
from truebook_services.execution.answers import Meaning, meaning_of
from truebook_services.execution.pauses import Pauses
from truebook_services.execution.plan import whole_second_us
from truebook_services.execution.reports import Reports
from truebook_services.execution.resolver import Resolver
from truebook_services.execution.settings import ExecutionSettings
from truebook_services.execution.sizing import Sized

RESERVE_ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True)
class Placement:
    """A target that has passed every guard, with the fence that its partition gives."""

    action: Action
    target: Target
    sized: Sized
    partition: int
    epoch: int

    @property
    def order_id(self) -> str:
        return client_order_id(self.action.id, self.target.book_side)


class Sender:
    """Sends placements; many may be under way at once, at most one per side of a market."""

    def __init__(
        self,
        context: Context,
        settings: ExecutionSettings,
        rest: RestClient,
        ledger: LedgerStore,
        *,
        reports: Reports,
        resolver: Resolver,
        breaker: Breaker,
        pauses: Pauses,
        tokens: TokenBucket,
    ) -> None:
        self._context = context
        self._settings = settings
        self._rest = rest
        self._ledger = ledger
        self._reports = reports
        self._resolver = resolver
        self._breaker = breaker
        self._pauses = pauses
        self._tokens = tokens
        self._attempts = itertools.count(1)

    async def place(self, placement: Placement) -> None:
        """Carry one placement to its recorded outcome, and tell it on the topic ``orders``."""
        order = self._reservation(placement)
        if order.expires_us <= order.now_us and order.expires_us:
            await self._reports.refuse(placement.action, [placement.target], Reason.DEADLINE, "expired before sending")
            return
        with self._resolver.sending(order.order_id):
            answer = await self._reserve(order)
            if answer == "reserved":
                self._context.crash("reserved")
                unknown = await self._send(placement, order)
            else:
                unknown = answer in ("exists:reserved", "exists:unknown")
                await self._tell_not_reserved(placement, answer)
        if unknown:
            await self._resolver.pursue(order.order_id)

    def _reservation(self, placement: Placement) -> Reserve:
        action, target = placement.action, placement.target
        now_us = self._context.clock.now_us()
        rests = target.time_in_force is TimeInForce.GOOD_TILL_CANCELED
        expires_us = target.expires_us or now_us + int(self._settings.order_life_s * 1e6)
        return Reserve(
            order_id=placement.order_id, nonce=f"{placement.epoch}-{next(self._attempts)}", ticker=action.ticker,
            event=action.event, exclusive=action.exclusive, book_side=target.book_side, price_cc=target.price_cc,
            size_centi=placement.sized.size_centi, reduce_only=target.reduce_only,
            fee_rate_ppm=placement.sized.fee_rate_ppm, deadline_us=action.deadline_us, now_us=now_us,
            partition=placement.partition, epoch=placement.epoch, reference_cc=action.reference_cc,
            send_by_us=action.deadline_us, expires_us=whole_second_us(expires_us) if rests else 0,
        )  # fmt: skip

    async def _reserve(self, order: Reserve) -> str:
        """Ask the ledger. Where its answer is lost, the same nonce may ask again; in the end nothing was sent."""
        for _ in range(RESERVE_ATTEMPTS):
            try:
                return await self._ledger.reserve(order)
            except LedgerError as error:
                if not error.retry:
                    raise
                self._context.log.warning("reserve failed", order_id=order.order_id, error=str(error))
        await self._close(order)
        return f"refused:{Reason.NO_LEDGER}"

    async def _send(self, placement: Placement, order: Reserve) -> bool:
        """POST once and record the answer; true where the outcome is not known."""
        signed = self._rest.sign_order(_request(order, placement.target))
        self._resolver.signed(order.order_id, signed.valid_until_us)
        clock = self._context.clock
        if clock.now_us() >= order.send_by_us:
            await self._close(order)
            await self._reports.refuse(placement.action, [placement.target], Reason.DEADLINE, "too late to send")
            return False
        tick_to_send_us = clock.monotonic_us() - placement.action.frame_us if placement.action.frame_us else None
        sent = self._event(placement, OrderOutcome.SENT, tick_to_send_us=tick_to_send_us)
        try:
            answer = await self._post(signed)
        except ExchangeError as error:
            self._context.crash("sent")
            return await self._record_failure(placement, order, sent, error)
        self._context.crash("sent")
        state = await self._acknowledge(order, answer)
        self._breaker.succeeded(placement.action.ticker)
        accepted = self._event(
            placement, OrderOutcome.ACKNOWLEDGED, detail=state, exchange_order_id=answer.exchange_order_id,
            tick_to_send_us=tick_to_send_us,
        )  # fmt: skip
        if tick_to_send_us is not None:
            self._context.metrics.seconds("tick_to_order", tick_to_send_us / 1e6)
            acknowledged_us = clock.monotonic_us() - placement.action.frame_us
            self._context.metrics.seconds("tick_to_acknowledgement", acknowledged_us / 1e6)
        await self._reports.publish([sent, accepted])
        return False

    async def _post(self, signed: SignedOrder) -> CreateAnswer:
        answer = await self._rest.create_order(signed, self._settings.send_timeout_s)
        if answer.client_order_id not in ("", signed.request.client_order_id):
            raise BadAnswer(f"the answer names order {answer.client_order_id}")
        return answer

    async def _acknowledge(self, order: Reserve, answer: CreateAnswer) -> str:
        news = Acknowledge(
            order_id=order.order_id, exchange_order_id=answer.exchange_order_id, ticker=order.ticker,
            filled_centi=answer.filled_centi, remaining_centi=answer.remaining_centi,
        )  # fmt: skip
        return await persist(self._context.clock, lambda: self._ledger.acknowledge(news))

    async def _record_failure(
        self, placement: Placement, order: Reserve, sent: OrderEvent, error: ExchangeError
    ) -> bool:
        meaning = meaning_of(error)
        if meaning.proven:
            await self._close(order)
        else:
            await persist(self._context.clock, lambda: self._ledger.mark_unknown(order.order_id))
        await self._note_failure(placement, meaning, error)
        failed = self._event(placement, meaning.outcome, meaning.reason, detail=str(error))
        await self._reports.publish([sent, failed])
        return not meaning.proven

    async def _note_failure(self, placement: Placement, meaning: Meaning, error: ExchangeError) -> None:
        self._context.log.warning(
            "send failed", order_id=placement.order_id, outcome=str(meaning.outcome), error=str(error)
        )
        if meaning.counts:
            self._breaker.failed(placement.action.ticker, self._context.clock.now_us())
        if meaning.paused:
            await self._pauses.begin(str(error))
        if isinstance(error, RateLimited):
            self._tokens.drain(self._context.clock.now_us())

    async def _close(self, order: Reserve) -> None:
        """Release what was promised: allowed only with proof that the exchange holds no order."""
        news = Close(order_id=order.order_id, exchange_order_id=None, filled_centi=0)
        await persist(self._context.clock, lambda: self._ledger.close(news))

    async def _tell_not_reserved(self, placement: Placement, answer: str) -> None:
        word, _, said = answer.partition(":")
        if word == "exists":
            await self._reports.publish([self._event(placement, OrderOutcome.KEPT, detail=answer)])
            return
        reason = Reason(said) if word == "refused" else Reason.DUPLICATE_ACTION
        await self._reports.refuse(placement.action, [placement.target], reason)

    def _event(
        self,
        placement: Placement,
        outcome: OrderOutcome,
        reason: Reason | None = None,
        *,
        detail: str = "",
        exchange_order_id: str = "",
        tick_to_send_us: int | None = None,
    ) -> OrderEvent:
        return self._reports.of_target(
            placement.action, placement.target, outcome, reason, detail=detail, exchange_order_id=exchange_order_id,
            size_centi=placement.sized.size_centi, tick_to_send_us=tick_to_send_us,
        )  # fmt: skip


def _request(order: Reserve, target: Target) -> OrderRequest:
    """The wire's order. It knows reduce-only for immediate orders only; for resting ones it is the ledger's rule."""
    immediate = target.time_in_force is not TimeInForce.GOOD_TILL_CANCELED
    return OrderRequest(
        ticker=order.ticker, client_order_id=order.order_id, book_side=order.book_side, price_cc=order.price_cc,
        size_centi=order.size_centi, time_in_force=target.time_in_force, post_only=target.post_only,
        expiration_s=None if immediate else order.expires_us // 1_000_000,
        reduce_only=target.reduce_only and immediate,
    )  # fmt: skip
