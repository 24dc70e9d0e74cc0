"""Carrying one action out, in the fixed order of its guards.

Step 0, before every guard: each of the action's client order ids is looked up in the ledger. Then per side: what works
there and fits is kept, what does not is cancelled; where the slot is free, the guards follow: deadline → holds →
breaker → book freshness → throttle → sizing → rate token → reserve → send → record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from truebook.ledger.port import LedgerError, LedgerStore, OrderView, View
from truebook.messages.actions import Action, Target
from truebook.messages.envelope import BookSide
from truebook.messages.ids import client_order_id
from truebook.messages.orders import OrderOutcome
from truebook.messages.reasons import Reason
from truebook.pacing.breaker import Breaker
from truebook.pacing.throttle import Throttle
from truebook.pacing.tokens import TokenBucket
from truebook.runtime.context import Context
from truebook_services.execution.books import Books
from truebook_services.execution.canceller import Canceller
from truebook_services.execution.dispatcher import Job
from truebook_services.execution.fences import Fences
from truebook_services.execution.plan import Cancel, Keep, Place, Tolerance, Wait, plan_side, working_on
from truebook_services.execution.reports import Reports
from truebook_services.execution.resolver import Resolver
from truebook_services.execution.sender import Placement, Sender
from truebook_services.execution.settings import CREATE_COST, WRITE_TOKENS, ExecutionSettings
from truebook_services.execution.sizing import Sized, Surroundings, size_target


class Carrier:
    """Turns actions into cancels and placements."""

    def __init__(
        self,
        context: Context,
        settings: ExecutionSettings,
        ledger: LedgerStore,
        *,
        books: Books,
        fences: Fences,
        resolver: Resolver,
        canceller: Canceller,
        sender: Sender,
        reports: Reports,
        breaker: Breaker,
        throttle: Throttle,
        tokens: TokenBucket,
    ) -> None:
        self._context = context
        self._settings = settings
        self._ledger = ledger
        self._books = books
        self._fences = fences
        self._resolver = resolver
        self._canceller = canceller
        self._sender = sender
        self._reports = reports
        self._breaker = breaker
        self._throttle = throttle
        self._tokens = tokens
        self._tolerance = Tolerance(settings.price_tolerance_cc, settings.keep_share)
        self._kept_tokens = int(WRITE_TOKENS[settings.tier][1] * settings.reserved_share)

    async def carry_out(self, job: Job) -> None:
        """Do all that the action asks for and may have; every target gets its event."""
        action = job.action
        try:
            known, view = await self._look(action)
        except LedgerError as error:
            if not error.retry:
                raise
            await self._reports.refuse(action, action.targets, Reason.NO_LEDGER, str(error))
            return
        targets = [target for target in action.targets if target.book_side not in known]
        await self._tell_known(action, known)
        if self._context.clock.now_us() >= action.deadline_us:
            await self._reports.refuse(action, targets, Reason.DEADLINE)
            return
        sides = self._sides(job, targets, view)
        if len(sides) == 1:  # most often; a task of its own would only be later
            await sides[0]
        else:
            await asyncio.gather(*sides)

    async def _look(self, action: Action) -> tuple[dict[BookSide, OrderView], View]:
        """Step 0: the orders of this action that the ledger knows; they were decided on before, in whatever state."""
        sides = [target.book_side for target in action.targets]
        found, view = await self._ledger.look(
            tuple([client_order_id(action.id, side) for side in sides]), action.ticker
        )  # fmt: skip
        return {side: order for side, order in zip(sides, found, strict=True) if order is not None}, view

    async def _tell_known(self, action: Action, known: Mapping[BookSide, OrderView]) -> None:
        for target in action.targets:
            order = known.get(target.book_side)
            if order is not None:
                event = self._reports.of_target(action, target, OrderOutcome.KEPT, detail=f"exists:{order.state}")
                await self._reports.publish([event])
                await self._resolver.look_at(order.order_id)

    def _sides(self, job: Job, targets: Sequence[Target], view: View) -> list[Coroutine[Any, Any, object]]:
        """One piece of work per side that needs any; cancels stand first."""
        action = job.action
        market = view.market(action.ticker)
        known = {target.book_side for target in action.targets} - {target.book_side for target in targets}
        cancels: list[Coroutine[Any, Any, object]] = []
        others: list[Coroutine[Any, Any, object]] = []
        for side in BookSide:
            if side in known:
                continue
            target = next((target for target in targets if target.book_side is side), None)
            sized = size_target(action, target, self._around(action, view)) if target is not None else Reason.NO_SIZE
            size_centi = sized.size_centi if isinstance(sized, Sized) else 0
            working = working_on(side, market.orders if market is not None else ())
            step = plan_side(
                target, size_centi, working, self._canceller, action.unmentioned, tolerance=self._tolerance
            )
            match step:
                case Keep(target):
                    kept = self._reports.of_target(action, target, OrderOutcome.KEPT, Reason.UNCHANGED)
                    others.append(self._reports.publish([kept]))
                case Wait(target, reason):
                    others.append(self._reports.refuse(action, [target], reason))
                case Cancel() if action.source is self._context.source:
                    cancels.append(self._cancel(action, step))
                case Place(target):
                    others.append(self._place(job, target, sized, view))
                case _:
                    pass
        return cancels + others

    def _around(self, action: Action, view: View) -> Surroundings:
        replica = self._books.replica(action.ticker)
        return Surroundings(
            source=self._context.source, now_us=self._context.clock.now_us(),
            near_close_us=int(self._settings.near_close_s * 1e6), facts=self._books.facts(action.ticker),
            book=replica.book if replica is not None else None, market=view.market(action.ticker),
        )  # fmt: skip

    async def _cancel(self, action: Action, step: Cancel) -> None:
        reason = None if step.target is None else Reason.AWAITING_CANCEL
        await self._canceller.cancel(step.order, reason, cause=action.id)
        if step.target is not None:
            await self._reports.refuse(action, [step.target], Reason.AWAITING_CANCEL)

    async def _place(self, job: Job, target: Target, sized: Sized | Reason, view: View) -> None:
        action = job.action
        reason = self._refusal(action, target, sized, view)
        epoch = self._fences.epoch(job.partition)
        if reason is None and epoch is None:
            reason = Reason.EPOCH
        if reason is not None or epoch is None or isinstance(sized, Reason):
            detail = "open intents of a former life" if reason is Reason.HOLD and self._resolver.open_intents else ""
            await self._reports.refuse(action, [target], reason or Reason.EPOCH, detail)
            return
        await self._sender.place(
            Placement(action=action, target=target, sized=sized, partition=job.partition, epoch=epoch)
        )

    def _refusal(self, action: Action, target: Target, sized: Sized | Reason, view: View) -> Reason | None:
        """The first guard that does not let the target pass; attempts and tokens are spent as they are asked for."""
        now_us = self._context.clock.now_us()
        mode = view.account.mode
        held = mode == "halted" or (mode == "flattening" and not target.reduce_only)
        if held or self._resolver.open_intents:
            return Reason.HOLD
        if not self._breaker.allows(action.ticker, now_us):
            return Reason.BREAKER
        if not self._books.is_fresh(action.ticker, int(self._settings.fresh_s * 1e6)):
            return Reason.STALE_BOOK
        if not self._throttle.attempt(f"{action.ticker} {target.book_side}", now_us):
            return Reason.THROTTLE
        if isinstance(sized, Reason):
            return sized
        kept = 0 if sized.reducing else self._kept_tokens
        return None if self._tokens.take(CREATE_COST, now_us, kept) else Reason.RATE_BUDGET
