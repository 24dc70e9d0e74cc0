"""Only orders behind the sweep are pruned, whatever the ledger's clock: no fill is ever recorded twice."""

from __future__ import annotations

import pytest

from support.ledger_verbs import a_fill, a_reserve, an_acknowledge
from support.services import make_context
from truebook.bus.memory.bus import MemoryBus
from truebook.clock import ManualClock
from truebook.ledger.exchange_reports import ADDED_UP, SWEPT
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.verbs import RESERVED, AdvanceWatermark, Close, OpenAccount, ReportTransfer, SettleMarket
from truebook_services.reconciler.pruner import Pruner
from truebook_services.reconciler.settings import ReconcilerSettings

HOUR_US = 3_600_000_000
SETTINGS = ReconcilerSettings(retention_s=3_600, overlap_s=60)


class PrunerHarness:
    """A ledger with a manual clock and sweep."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.ledger = MemoryStore()
        self.pruner = Pruner(make_context("reconciler", self.clock, MemoryBus()), SETTINGS, self.ledger)

    async def pass_time(self, hours: float, *, swept: bool = True) -> None:
        self.clock.set(self.clock.now_us() + int(hours * HOUR_US))
        if swept:
            await self.ledger.apply(AdvanceWatermark(name=SWEPT, to_us=self.clock.now_us()))

    async def decide(self, order_id: str) -> None:
        """Reserve, which advances the ledger's clock."""
        now_us = self.clock.now_us()
        assert await self.ledger.apply(a_reserve(order_id, now_us=now_us, deadline_us=now_us + 1_000)) == RESERVED

    async def trade(self, order_id: str) -> None:
        """Reserve and fill an order, which ends it."""
        await self.decide(order_id)
        await self.ledger.apply(an_acknowledge(order_id, filled_centi=400, remaining_centi=0))
        await self.fill(order_id)

    async def fill(self, order_id: str) -> str:
        return await self.ledger.apply(a_fill(order_id=f"x{order_id}"))

    def orders(self) -> set[str]:
        return set(self.ledger.ledger.state.orders)


@pytest.fixture
async def harness() -> PrunerHarness:
    harness = PrunerHarness()
    await harness.ledger.apply(OpenAccount(balance_micros=1_000_000_000))
    return harness


async def test_an_old_order_is_pruned_with_its_fills(harness: PrunerHarness) -> None:
    await harness.trade("old")
    await harness.pass_time(0.9)
    await harness.trade("young")
    await harness.pruner.run()
    await harness.pass_time(0.2)
    await harness.pruner.run()
    assert harness.orders() == {"young"}
    assert set(harness.ledger.ledger.state.fills) == {"xyoung"}


async def test_old_settled_markets_are_added_up(harness: PrunerHarness) -> None:
    await harness.trade("old")
    await harness.ledger.apply(SettleMarket(ticker="M", settlement_cc=10_000))
    await harness.pass_time(0.9)
    now_us = harness.clock.now_us()
    young = a_reserve("young", ticker="N", now_us=now_us, deadline_us=now_us + 1_000)
    assert await harness.ledger.apply(young) == RESERVED
    await harness.ledger.apply(SettleMarket(ticker="P", settlement_cc=0))
    await harness.pruner.run()
    await harness.pass_time(0.2)
    await harness.pruner.run()
    assert [market.ticker for market in (await harness.ledger.view()).markets] == ["", "N", "P"]


async def test_nothing_is_pruned_before_the_sweep_has_passed_the_mark(harness: PrunerHarness) -> None:
    await harness.trade("old")
    await harness.pass_time(2, swept=False)
    await harness.decide("newest")
    for _ in range(3):
        await harness.pruner.run()
        await harness.pass_time(1, swept=False)
    assert "old" in harness.orders()
    await harness.pass_time(0)
    await harness.pruner.run()
    assert harness.orders() == {"newest"}


async def test_an_order_ended_while_the_ledgers_clock_stops_is_kept(harness: PrunerHarness) -> None:
    """Halted for a day, then a foreign order is filled, then decisions continue: its fill must stay known."""
    await harness.decide("a")
    await harness.ledger.apply(Close(order_id="a", exchange_order_id="xa", filled_centi=0))
    for _ in range(24):
        await harness.pass_time(1)
        await harness.pruner.run()
    assert await harness.fill("web") == "parked"
    await harness.ledger.apply(an_acknowledge("web"))
    await harness.pass_time(0.01)
    await harness.decide("newest")
    for _ in range(2):
        await harness.pruner.run()
        await harness.pass_time(0.01)
        assert await harness.fill("web") == "duplicate", "reported again by the sweep's overlap"
    for _ in range(4):
        await harness.pass_time(1)
        await harness.pruner.run()
    assert harness.orders() == {"newest"}, "finally it is pruned too"


async def test_a_run_prunes_all_orders_in_parts(harness: PrunerHarness) -> None:
    """One call prunes at most a thousand orders; more than that may end between two runs."""
    for number in range(2_500):
        await harness.decide(f"o{number}")
        await harness.ledger.apply(Close(order_id=f"o{number}", exchange_order_id=None, filled_centi=0))
    await harness.pass_time(2)
    await harness.decide("newest")
    await harness.pruner.run()
    await harness.pass_time(1)
    await harness.pruner.run()
    assert harness.orders() == {"newest"}


async def test_ended_transfers_are_added_up_after_a_week(harness: PrunerHarness) -> None:
    async def report(name: str) -> str:
        return await harness.ledger.apply(
            ReportTransfer(
                transfer_id=name,
                exchange_transfer_id=f"e{name}",
                from_shard=0,
                to_shard=2,
                amount_micros=100,
                status="arrived",
                now_us=harness.clock.now_us(),
            )
        )

    await report("old")
    await harness.pass_time(6 * 24)
    await report("young")
    await harness.trade("any")
    await harness.pruner.run()
    await harness.pass_time(24 + 2)
    await harness.decide("other")
    await harness.pruner.run()
    assert [one.transfer_id for one in await harness.ledger.transfers()] == ["#0>2", "young"]
    assert await harness.ledger.watermark(ADDED_UP) == harness.clock.now_us() - 7 * 24 * HOUR_US
