"""Queues actions: the newest of each market, several markets at a time, one action per market.

A slow response of the exchange delays its own market only. The queue is bounded by the number of markets, since a newer
action replaces the older one. An action that could not be handled now is handled again: its orders are looked up first,
so that none is sent twice.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from truebook.execution.placement import rank
from truebook.messages.actions import Action
from truebook.runtime.context import Context
from truebook.runtime.retry import attempt, pause

RETRY_S = 0.5


@dataclass(frozen=True)
class Job:
    """One action, with its partition and the callback that marks it as done once its events are published."""

    action: Action
    partition: int
    done: Callable[[], None]


class Dispatcher:
    """A frame that runs jobs as tasks of its own group: a failure that is not retried ends the service."""

    name = "execution.dispatch"

    def __init__(self, context: Context, handle: Callable[[Job], Awaitable[None]], max_concurrent: int) -> None:
        self._context = context
        self._handle = handle
        self._max_concurrent = max_concurrent
        self._arrivals = itertools.count()
        self._waiting: dict[str, tuple[tuple[int, int, int], Job]] = {}
        self._busy: set[str] = set()
        self._group: asyncio.TaskGroup | None = None
        self._stop = asyncio.Event()

    def not_ready(self) -> str | None:
        return None if self._group is not None else "execution does not send yet"

    def offer(self, job: Job) -> Job | None:
        """Queue a job; return the older one of its market that it supersedes."""
        superseded = self.withdraw(job.action.ticker)
        self._waiting[job.action.ticker] = (rank(job.action, next(self._arrivals)), job)
        self._start_jobs()
        return superseded

    def withdraw(self, ticker: str) -> Job | None:
        """Remove and return the queued job of a market."""
        waiting = self._waiting.pop(ticker, None)
        return waiting[1] if waiting is not None else None

    async def run(self, stop: asyncio.Event) -> None:
        """Run jobs until ``stop``; finish those under way and leave the queued ones to be delivered again."""
        self._stop = stop
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._start_jobs()
            await stop.wait()
            self._group = None
            self._waiting.clear()

    def _start_jobs(self) -> None:
        """Give free places to cancels first, then to risk-reducing actions, then by edge, then by age."""
        if self._group is None:
            return
        while len(self._busy) < self._max_concurrent:
            ready = [(rank, ticker) for ticker, (rank, _) in self._waiting.items() if ticker not in self._busy]
            if not ready:
                return
            _, ticker = min(ready)
            _, job = self._waiting.pop(ticker)
            self._busy.add(ticker)
            self._group.create_task(self._run_job(job), name=f"handle action of {ticker}")

    async def _run_job(self, job: Job) -> None:
        try:
            if await self._is_handled(job):
                job.done()
        finally:
            self._busy.discard(job.action.ticker)
        self._start_jobs()

    async def _is_handled(self, job: Job) -> bool:
        """Retry until the action is handled, or until ``stop``: it is then delivered again to the next instance."""
        while (error := await attempt(partial(self._handle, job))) is not None:
            self._context.metrics.failed(self.name, type(error).__name__)
            self._context.log.warning("retrying", component=self.name, ticker=job.action.ticker, error=str(error))
            if self._stop.is_set():
                return False
            await pause(self._stop, self._context, RETRY_S)
        return True
