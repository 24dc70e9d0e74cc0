"""Execution shows what may refuse an order before the ledger is asked."""

from __future__ import annotations

from support.execution_rig import make_context
from support.samples import samples
from truebook.bus.memory import MemoryBus
from truebook.clock import ManualClock
from truebook.messages.orderbook import BookSnapshot
from truebook.pacing.breaker import Breaker
from truebook.pacing.throttle import Throttle
from truebook.pacing.tokens import TokenBucket
from truebook_services.execution.books import Books
from truebook_services.execution.figures import Figures
from truebook_services.execution.settings import WRITE_TOKENS, ExecutionSettings

SECOND_US = 1_000_000


async def test_the_gauges_tell_budget_breakers_throttle_and_the_age_of_books() -> None:
    clock = ManualClock(samples()["orderbook.book_snapshot"].produced_us)
    context = make_context("execution", clock, MemoryBus())
    settings = ExecutionSettings(tier="basic", fresh_s=5.0)
    books, breaker, throttle = Books(clock), Breaker(1, 60 * SECOND_US, 30 * SECOND_US), Throttle(200_000)
    capacity = WRITE_TOKENS["basic"][1]
    tokens = TokenBucket(capacity, 0)
    figures = Figures(context, settings, books=books, breaker=breaker, throttle=throttle, tokens=tokens)

    def shown(name: str) -> float | None:
        assert context.metrics.registry is not None
        return context.metrics.registry.get_sample_value(f"truebook_{name}", {"service": "execution"})

    def gauges() -> tuple[float | None, ...]:
        names = ("rate_budget_ratio", "open_breakers", "throttled_sides", "books", "books_not_fresh")
        return tuple(shown(name) for name in names)

    await figures.show()
    assert gauges() == (1.0, 0, 0, 0, 0)
    snapshot = samples()["orderbook.book_snapshot"]
    assert isinstance(snapshot, BookSnapshot)
    books.apply(snapshot)
    tokens.take(capacity // 4, clock.now_us())
    breaker.failed("one", clock.now_us())
    throttle.attempt("one bid", clock.now_us())
    await figures.show()
    assert gauges() == (0.75, 1, 1, 1, 0)
    await clock.advance(6)
    await figures.show()
    assert gauges() == (0.75, 1, 0, 1, 1)
    assert 6 <= (shown("oldest_book_seconds") or 0) < 7
