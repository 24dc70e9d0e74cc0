"""The bus is away and the exchange is not: orders without a book are cancelled, and a run finds it if they are not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chaos.exchange import ACCOUNT
from chaos.faults import Fault, Kind
from chaos.history import Violation
from chaos.run import Run, run_seed
from truebook.venue.account import OrderStatus
from truebook_services.execution.canceller import Canceller

pytestmark = [pytest.mark.slow, pytest.mark.long]

SEED = 22
"""Its orders expire after 20 s."""
RULE = "orders without a book are cancelled while the bus is away"
AWAY_S, LASTS_S, SECONDS = 15.0, 20.0, 45.0
CANCELS_WITHIN_S = 3.0


def watched(run: Run) -> None:
    """Let the bus be away until every book is stale: no order may rest then."""
    run.faults = (Fault(at_s=AWAY_S, kind=Kind.BUS_AWAY, lasts_s=LASTS_S),)
    stale_s = AWAY_S + run.drawn.execution.cancel_stale_after_s

    def before() -> None:
        run.history.counts["resting"] = len(resting_orders(run))

    def after() -> None:
        if left := resting_orders(run):
            run.fail(Violation(RULE, f"{left} still rest"))

    loop = asyncio.get_running_loop()
    loop.call_at(stale_s - 1.0, before)
    loop.call_at(stale_s + CANCELS_WITHIN_S, after)


def resting_orders(run: Run) -> list[str]:
    orders = run.exchange.engine.queries.orders(ACCOUNT)
    return [order.client_order_id for order in orders if order.status is OrderStatus.RESTING]


def test_orders_without_a_book_are_cancelled_while_the_bus_is_away() -> None:
    outcome = run_seed(SEED, change=watched, seconds=SECONDS)
    assert outcome.failure == ""
    assert outcome.counts["resting"] > 1


def test_a_run_finds_cancels_that_wait_for_the_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    cancel = Canceller.cancel

    async def cancel_and_wait(canceller: Canceller, *arguments: Any, **options: Any) -> bool:
        done = await cancel(canceller, *arguments, **options)
        while canceller._reports._queue:
            await asyncio.sleep(0.1)
        return done

    monkeypatch.setattr(Canceller, "cancel", cancel_and_wait)
    assert run_seed(SEED, change=watched, seconds=SECONDS).failure.startswith(f"seed {SEED}: {RULE}")
