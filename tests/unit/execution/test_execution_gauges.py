"""Gauges of what may refuse an order before the ledger."""

from __future__ import annotations

import msgspec

from support.samples import samples
from support.services import make_context
from truebook.bus.memory.bus import MemoryBus
from truebook.clock import ManualClock
from truebook.execution.book_states import BookStates
from truebook.execution.guards import Limiters
from truebook.messages.book_states import BookState
from truebook.pacing.breaker import Breaker
from truebook.pacing.throttle import Throttle
from truebook.pacing.tokens import TokenBucket
from truebook.venue.rate_tiers import TIER_LIMITS
from truebook_services.execution.gauges import Gauges
from truebook_services.execution.report_queue import ReportQueue

SECOND_US = 1_000_000


async def test_gauges_export_budget_breakers_throttle_and_book_age() -> None:
    clock = ManualClock(samples()["book_states.book_state"].produced_us)
    context = make_context("execution", clock, MemoryBus())
    states, breaker, throttle = BookStates(clock), Breaker(1, 60 * SECOND_US, 30 * SECOND_US), Throttle(200_000)
    capacity = TIER_LIMITS["basic"].write.capacity
    tokens = TokenBucket(capacity, 0)
    limiters = Limiters(breaker=breaker, throttle=throttle, tokens=tokens, rate_reserve=0)
    exporter = Gauges(context, states, limiters, ReportQueue(context), max_book_age_us=5 * SECOND_US)

    def value(name: str) -> float | None:
        assert context.metrics.registry is not None
        return context.metrics.registry.get_sample_value(f"truebook_{name}", {"service": "execution"})

    def gauges() -> tuple[float | None, ...]:
        names = ("rate_budget_ratio", "open_breakers", "throttled_sides", "books", "books_not_fresh")
        return tuple(value(name) for name in names)

    await exporter.export()
    assert gauges() == (1.0, 0, 0, 0, 0)
    state = samples()["book_states.book_state"]
    assert isinstance(state, BookState)
    states.apply(msgspec.structs.replace(state, stale=None))
    tokens.take(capacity // 4, clock.now_us())
    breaker.failed("one", clock.now_us())
    throttle.attempt("one bid", clock.now_us())
    await exporter.export()
    assert gauges() == (0.75, 1, 1, 1, 0)
    await clock.advance(6)
    await exporter.export()
    assert gauges() == (0.75, 1, 0, 1, 1)
    assert 6 <= (value("oldest_book_seconds") or 0) < 7
