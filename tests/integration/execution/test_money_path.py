"""Execution, fill listener and reconciler in memory: whatever fails, ledger and exchange are equal at the end."""

from __future__ import annotations

from collections import Counter

import pytest

from support.trading_harness import TradingHarness
from truebook.messages.ids import is_ours
from truebook_services.reconciler.compare import compare_exactly

SEEDS = range(12)
STEPS = 150


@pytest.mark.parametrize("seed", SEEDS)
async def test_ledger_equals_exchange_after_faults_and_kills(seed: int) -> None:
    harness = TradingHarness(seed)
    await harness.open()
    for _ in range(STEPS):
        await harness.step()
        view = harness.ledger.ledger.view(None)
        account = view.account
        assert view.conservation_error_micros == 0
        assert min(account.cash_micros, account.reserved_micros) >= 0
    await harness.wind_down()
    try:
        assert await compare_exactly(harness.exchange, harness.ledger) == ()
        view = await harness.ledger.view()
        assert harness.open_orders() == []
        assert (view.account.reserved_micros, view.account.adjustments_micros, view.account.parked) == (0, 0, 0)
        assert {hold.name for hold in view.account.holds} == {"wind_down"}
        sent = Counter(harness.exchange.posted)
        assert all(is_ours(order_id) for order_id in sent)
        assert max(sent.values()) == 1, "no order is ever sent twice"
        assert harness.exchange.engine.queries.fills("sim-main"), "something was traded"
    finally:
        await harness.close()
