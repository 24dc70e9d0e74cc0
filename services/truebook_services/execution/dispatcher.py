"""Actions waiting for their turn: the newest of each market, several markets at a time, one action per market.

A slow answer of the exchange holds up its own market only. What waits is bounded by the number of markets, since a
newer action takes the older one's place. An action whose events can't be published now is carried out again: its orders
are looked up first, so that none is sent twice.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from truebook.messages.actions import Action
from truebook.runtime.attempt import attempt, pause
from truebook.runtime.context import Context

AGAIN_AFTER_S = 0.5


@dataclass(frozen=True)
class Job:
    """One action, with its partition and what to call once its effect is there."""

    action: Action
    partition: int
    done: Callable[[], None]


class Dispatcher:
    """A frame that runs jobs as tasks of its own group, so that a failure ends the service, if it does not pass by."""

    name = "execution.dispatch"

    def __init__(self, context: Context, carry_out: Callable[[Job], Awaitable[None]], most_at_once: int) -> None:
        self._context = context
        self._carry_out = carry_out
        self._most_at_once = most_at_once
        self._arrivals = itertools.count()
        self._waiting: dict[str, tuple[tuple[int, int, int], Job]] = {}
        self._busy: set[str] = set()
        self._group: asyncio.TaskGroup | None = None
        self._stop = asyncio.Event()

    def not_ready(self) -> str | None:
        return None if self._group is not None else "execution does not send yet"

    def offer(self, job: Job) -> Job | None:
        """Let a job wait for its turn; answers the older one of its market that it has superseded."""
        superseded = self.withdraw(job.action.ticker)
        self._waiting[job.action.ticker] = (_rank(job.action, next(self._arrivals)), job)
        self._start_what_may()
        return superseded

    def withdraw(self, ticker: str) -> Job | None:
        """Take away what waits for a market: a newer decision wants none of it."""
        waiting = self._waiting.pop(ticker, None)
        return waiting[1] if waiting is not None else None

    async def run(self, stop: asyncio.Event) -> None:
        """Run jobs until ``stop``; those under way are finished, those that wait are left to be delivered again."""
        self._stop = stop
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._start_what_may()
            await stop.wait()
            self._group = None
            self._waiting.clear()

    def _start_what_may(self) -> None:
        """Spend free places by: pulls, risk-reducing, edge, age."""
        if self._group is None:
            return
        while len(self._busy) < self._most_at_once:
            ready = [(rank, ticker) for ticker, (rank, _) in self._waiting.items() if ticker not in self._busy]
            if not ready:
                return
            _, ticker = min(ready)
            _, job = self._waiting.pop(ticker)
            self._busy.add(ticker)
            self._group.create_task(self._run_one(job), name=f"carry out {ticker}")

    async def _run_one(self, job: Job) -> None:
        try:
            if await self._is_carried_out(job):
                job.done()
        finally:
            self._busy.discard(job.action.ticker)
        self._start_what_may()

    async def _is_carried_out(self, job: Job) -> bool:
        """Try until it is, or until ``stop``: then another life gets the action again."""
        while (error := await attempt(partial(self._carry_out, job))) is not None:
            self._context.metrics.failed(self.name, type(error).__name__)
            self._context.log.warning("retrying", part=self.name, ticker=job.action.ticker, error=str(error))
            if self._stop.is_set():
                return False
            await pause(self._stop, self._context, AGAIN_AFTER_S)
        return True


def _rank(action: Action, arrival: int) -> tuple[int, int, int]:
    reduces = all(target.reduce_only for target in action.targets)
    kind = 0 if not action.targets else 1 if reduces else 2
    return kind, -action.edge_cc, arrival
