"""What execution has left to trade with, for whoever watches: the rate budget, breakers, the throttle, books' age.

Only the active process sets these gauges; read them beside ``truebook_lease_held``.
"""

from __future__ import annotations

from truebook.clock import MICROS
from truebook.pacing.breaker import Breaker
from truebook.pacing.throttle import Throttle
from truebook.pacing.tokens import TokenBucket
from truebook.runtime.context import Context
from truebook_services.execution.books import Books
from truebook_services.execution.settings import WRITE_TOKENS, ExecutionSettings


class Figures:
    """Shows the state of what may refuse an order before the ledger is asked."""

    def __init__(
        self,
        context: Context,
        settings: ExecutionSettings,
        *,
        books: Books,
        breaker: Breaker,
        throttle: Throttle,
        tokens: TokenBucket,
    ) -> None:
        self._context = context
        self._fresh_us = int(settings.fresh_s * MICROS)
        self._capacity = WRITE_TOKENS[settings.tier][1]
        self._books = books
        self._breaker = breaker
        self._throttle = throttle
        self._tokens = tokens

    async def show(self) -> None:
        """Set every gauge once."""
        now_us, metrics = self._context.clock.now_us(), self._context.metrics
        ages_us = self._books.ages_us()
        metrics.gauge("rate_budget_ratio", self._tokens.available(now_us) / self._capacity)
        metrics.gauge("open_breakers", self._breaker.not_closed)
        metrics.gauge("throttled_sides", self._throttle.waiting(now_us))
        metrics.gauge("books", len(ages_us))
        metrics.gauge("books_not_fresh", sum(age_us > self._fresh_us for age_us in ages_us.values()))
        metrics.gauge("oldest_book_seconds", max(ages_us.values(), default=0) / MICROS)
