"""The fills and settlements of a run's summary are the ledger's, whichever service recorded them first."""

from __future__ import annotations

from support.account_harness import AccountHarness, listening
from support.services import until
from truebook.messages.envelope import BookSide
from truebook.messages.fills import FillRecorded
from truebook.messages.topics import FILLS
from truebook_services.operator.statistics import Statistics
from truebook_services.operator.status import RunInfo, status_of

INFO = RunInfo(seconds=1.0, at_us=5, market_data="simulated")


async def test_fills_that_the_reconciler_recorded_first_are_counted_once() -> None:
    async with AccountHarness() as rig:
        await rig.reconcile()
        await rig.pass_s(5)
        before = await rig.view()
        await rig.place()
        for _ in range(4):
            rig.exchange.trade("M", BookSide.ASK, 4000, 250)
        await rig.pass_s(10)
        await rig.wait_for_position(1000)
        rig.exchange.determine("M", 10_000)
        await rig.pass_s(40)
        await listening(rig)
        await until(lambda: len(rig.fills()) >= 4, "the fills are published")
        statistics = Statistics()
        for message in [*rig.bus.of(FILLS), *rig.bus.of(FILLS)]:
            statistics.count(message)
        assert all(not fill.outcome.is_new for fill in rig.fills()), "the reconciler was first"
        assert (statistics.counts["fills"], statistics.fills_by_side) == (4, {"bid": 4})
        status = status_of(Statistics(), await rig.view(), {}, None, INFO, before=before)
        assert (status.fills, status.filled_markets, status.settlements) == (4, 1, 1)
        status = status_of(statistics, await rig.view(), {}, None, INFO, before=await rig.view())
        assert (status.fills, status.filled_markets, status.settlements) == (0, 0, 0)


async def test_fills_of_an_earlier_run_are_not_counted_again() -> None:
    async with AccountHarness() as rig:
        await rig.open()
        await listening(rig)
        await rig.place()
        rig.exchange.trade("M", BookSide.ASK, 4000, 1000)
        await rig.pass_s(10)
        (fill,) = rig.fills()
        assert isinstance(fill, FillRecorded)
        statistics = Statistics()
        statistics.since_us = (fill.exchange_us or 0) + 1
        statistics.count(fill)
        assert statistics.counts["fills"] == 0
