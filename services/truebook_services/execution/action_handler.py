"""Handles one action.

Step 0, before every guard: each of the action's client order ids is looked up in the ledger. Then per side: a working
order that fits its target is kept, another one is cancelled; where the slot is free, the guards follow in the order of
``guards.GUARDS``, then reserve → send → record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from truebook.execution.book_states import BookStates
from truebook.execution.durations import Durations
from truebook.execution.guards import (
    GUARDS,
    SIZING,
    Candidate,
    Limiters,
    fee_rate_to_reserve_ppm,
    first_refusal,
    order_size,
)
from truebook.execution.placement import Placement, shard_of
from truebook.execution.plan import Cancel, Keep, Place, Tolerance, Wait, plan_side, repeated_sides, working_on
from truebook.ledger.port import LedgerError, LedgerStore, LedgerView, OrderView
from truebook.messages.actions import Action, Target
from truebook.messages.envelope import BookSide
from truebook.messages.ids import client_order_id
from truebook.messages.reasons import Reason
from truebook.runtime.context import Context
from truebook_services.execution.dispatcher import Job
from truebook_services.execution.order_gateway import OrderGateway
from truebook_services.execution.partition_epochs import PartitionEpochs
from truebook_services.execution.report_queue import ReportQueue

Work = Coroutine[Any, Any, None]


class Candidates:
    """Collects what the guards judge a target by."""

    def __init__(
        self, context: Context, durations: Durations, states: BookStates, epochs: PartitionEpochs, *,
        limiters: Limiters, queue: ReportQueue,
    ) -> None:  # fmt: skip
        self._context = context
        self._durations = durations
        self._states = states
        self._epochs = epochs
        self._limiters = limiters
        self._queue = queue

    def of(self, job: Job, target: Target, view: LedgerView) -> Candidate:
        """Return the candidate of one target of an action, at this moment."""
        action, market = job.action, view.market(job.action.ticker)
        metadata = self._states.metadata(action.ticker)
        size_centi, is_reducing = order_size(target, market)
        return Candidate(
            action=action, target=target, source=self._context.source, now_us=self._context.clock.now_us(),
            mode=view.mode_in(action.ticker, shard_of(metadata)),
            has_unresolved_orders=self._epochs.has_unresolved_orders, is_report_queue_full=self._queue.is_full,
            metadata=metadata,
            is_book_fresh=self._states.is_fresh(action.ticker, self._durations.max_book_age_us),
            epoch=self._epochs.epoch(job.partition), size_centi=size_centi, is_reducing=is_reducing,
            fee_rate_ppm=fee_rate_to_reserve_ppm(action, metadata), durations=self._durations,
            limiters=self._limiters,
        )  # fmt: skip


class ActionHandler:
    """Turns actions into cancels and placements."""

    def __init__(
        self, context: Context, ledger: LedgerStore, candidates: Candidates, orders: OrderGateway, tolerance: Tolerance
    ) -> None:
        self._context = context
        self._ledger = ledger
        self._candidates = candidates
        self._orders = orders
        self._tolerance = tolerance

    async def handle(self, job: Job) -> None:
        """Do what the action requests and the guards permit; report each target."""
        action = job.action
        try:
            known, view = await self._read(action)
        except LedgerError as error:
            if not error.retry:
                raise
            self._orders.refuse(action, action.targets, Reason.NO_LEDGER, str(error))
            return
        targets = {target.book_side: target for target in action.targets}
        repeated = repeated_sides(action.targets)
        for side, order in known.items():
            await self._orders.report_existing(action, targets[side], order)
        if self._context.clock.now_us() >= action.deadline_us:
            unknown = [target for side, target in targets.items() if side not in known]
            self._orders.refuse(action, unknown, Reason.DEADLINE)
            return
        ambiguous = [target for target in action.targets if target.book_side in repeated - known.keys()]
        if ambiguous:
            self._orders.refuse(action, ambiguous, Reason.INVALID, "the action has several targets of one side")
        sides = [side for side in BookSide if side not in known and side not in repeated]
        work = self._work(job, {side: targets.get(side) for side in sides}, view)
        if len(work) == 1:  # the usual case; a task would only start later
            await work[0]
        else:
            await asyncio.gather(*work)

    async def _read(self, action: Action) -> tuple[dict[BookSide, OrderView], LedgerView]:
        """Step 0: return the orders of this action that the ledger has in any state, and a view of the market."""
        sides = [target.book_side for target in action.targets]
        while True:
            ledger_id = self._ledger.ledger_id
            ids = tuple([client_order_id(ledger_id, action.id, side) for side in sides])
            found, view = await self._ledger.read_orders_and_market(ids, action.ticker)
            if ledger_id == self._ledger.ledger_id:  # else the ledger was restored, and its orders have other ids
                break
        return {side: order for side, order in zip(sides, found, strict=True) if order is not None}, view

    def _work(self, job: Job, targets: Mapping[BookSide, Target | None], view: LedgerView) -> list[Work]:
        """Report the sides that need no work, and return the work of the others; cancels come first."""
        action, market = job.action, view.market(job.action.ticker)
        cancels: list[Work] = []
        placements: list[Work] = []
        for side, target in targets.items():
            working = working_on(side, market.orders if market is not None else ())
            sized = self._sized(job, target, view) if target is not None and working is not None else 0
            step = plan_side(
                target, sized, working, self._orders.canceller, action.omitted_sides, tolerance=self._tolerance
            )
            match step:
                case Keep(target):
                    self._orders.keep(action, target)
                case Wait(target, reason):
                    self._orders.refuse(action, [target], reason)
                case Cancel() if action.source is self._context.source:
                    cancels.append(self._orders.cancel(action, step))
                case Cancel(target=Target() as target):
                    self._orders.refuse(action, [target], Reason.SOURCE_MISMATCH)
                case Place(target):
                    placements.append(self._place(job, target, view))
                case _:
                    pass
        return cancels + placements

    def _sized(self, job: Job, target: Target, view: LedgerView) -> int | Reason:
        candidate = self._candidates.of(job, target, view)
        refusal = first_refusal(SIZING, candidate)
        return candidate.size_centi if refusal is None else refusal.reason

    async def _place(self, job: Job, target: Target, view: LedgerView) -> None:
        candidate = self._candidates.of(job, target, view)
        refusal = first_refusal(GUARDS, candidate)
        if refusal is not None:
            self._orders.refuse(job.action, [target], refusal.reason, refusal.detail)
            return
        assert candidate.fee_rate_ppm is not None and candidate.epoch is not None, "guarded"
        placement = Placement(
            order_id=client_order_id(self._ledger.ledger_id, job.action.id, target.book_side), action=job.action,
            target=target, size_centi=candidate.size_centi, fee_rate_ppm=candidate.fee_rate_ppm,
            partition=job.partition, epoch=candidate.epoch, exchange_index=shard_of(candidate.metadata),
        )  # fmt: skip
        await self._orders.place(placement)
