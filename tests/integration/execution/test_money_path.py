"""Execution, fill listener and reconciler together, in memory: whatever fails, the books are true at the end."""

from __future__ import annotations

from collections import Counter

import pytest

from support.trading_rig import TradingRig
from truebook.messages.ids import is_ours
from truebook_services.reconciler.compare import compare_exactly

SEEDS = range(12)
STEPS = 150


@pytest.mark.parametrize("seed", SEEDS)
async def test_ledger_equals_exchange_after_lost_answers_dropped_sockets_and_kills(seed: int) -> None:
    rig = TradingRig(seed)
    await rig.open()
    for _ in range(STEPS):
        await rig.step()
        account = rig.ledger.ledger.view(None).account
        assert account.conservation_error_micros == 0
        assert min(account.cash_micros, account.promised_micros) >= 0
    await rig.wind_down()
    try:
        assert await compare_exactly(rig.exchange, rig.ledger) == ()
        view = await rig.ledger.view()
        assert rig.open_orders() == []
        assert (view.account.promised_micros, view.account.adjustments_micros, view.account.parked) == (0, 0, 0)
        assert {hold.name for hold in view.account.holds} == {"wind_down"}
        sent = Counter(rig.exchange.posted)
        assert all(is_ours(order_id) for order_id in sent)
        assert max(sent.values()) == 1, "no order is ever sent twice"
        assert rig.exchange.engine.fills("sim-main"), "something was traded"
    finally:
        await rig.close()
