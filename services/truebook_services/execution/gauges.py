"""Gauges of what may refuse an order before the ledger: rate budget, breakers, throttle, age of the books, reports.

Only the active process sets them; read them together with ``truebook_lease_held``.
"""

from __future__ import annotations

from truebook.clock import MICROS
from truebook.execution.book_states import BookStates
from truebook.execution.guards import Limiters
from truebook.runtime.context import Context
from truebook_services.execution.report_queue import ReportQueue


class Gauges:
    """Exports the state of the limiters, books and order events."""

    def __init__(
        self, context: Context, states: BookStates, limiters: Limiters, queue: ReportQueue, *, max_book_age_us: int
    ) -> None:
        self._context = context
        self._states = states
        self._limiters = limiters
        self._queue = queue
        self._max_book_age_us = max_book_age_us

    async def export(self) -> None:
        """Set every gauge once."""
        now_us, metrics = self._context.clock.now_us(), self._context.metrics
        ages_us = self._states.ages_us()
        tokens = self._limiters.tokens
        metrics.gauge("rate_budget_ratio", tokens.available(now_us) / tokens.capacity)
        metrics.gauge("open_breakers", self._limiters.breaker.not_closed)
        metrics.gauge("throttled_sides", self._limiters.throttle.waiting(now_us))
        metrics.gauge("books", len(ages_us))
        stale = sum(age_us > self._max_book_age_us for age_us in ages_us.values())
        metrics.gauge("books_not_fresh", stale)
        metrics.gauge("oldest_book_seconds", max(ages_us.values(), default=0) / MICROS)
        metrics.gauge("order_events_queued", len(self._queue))
