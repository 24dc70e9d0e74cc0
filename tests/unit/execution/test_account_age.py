"""No order is sent while the account can't be followed; trading continues when it can."""

from __future__ import annotations

import msgspec
import pytest

from support.account_harness import AccountHarness, listening
from support.in_memory_rest import Shown
from support.services import make_context
from truebook.kalshi.port import ExchangeError
from truebook.ledger.exchange_reports import SWEPT
from truebook.ledger.memory_store import MemoryStore
from truebook.messages.envelope import BookSide
from truebook_services.execution.account_age import AccountAge

STALE = "account_stale"


class Down(ExchangeError):
    retry = True


async def followed(rig: AccountHarness) -> AccountAge:
    await rig.reconcile()
    await rig.pass_s(5)
    await listening(rig)
    await rig.pass_s(15)
    age = AccountAge(make_context("execution", rig.clock, rig.bus), rig.ledger, 30_000_000)
    await age.check()
    assert rig.holds() == set()
    return age


@pytest.mark.parametrize("call", ["fills", "orders"])
async def test_failing_reads_of_the_account_hold_trading_until_they_succeed(call: str) -> None:
    async with AccountHarness() as rig:
        age = await followed(rig)
        rig.exchange.fail(call, *[Down("HTTP 500")] * 1000)
        await rig.pass_s(25)
        await age.check()
        assert rig.holds() == set()
        await rig.pass_s(20)
        await age.check()
        assert rig.holds() == {STALE}
        rig.exchange.end_faults()
        await rig.pass_s(70)
        await age.check()
        assert rig.holds() == set()


async def test_a_reconciler_that_is_gone_holds_trading() -> None:
    async with AccountHarness() as rig:
        age = await followed(rig)
        await rig.started[0].stop()
        await rig.pass_s(40)
        assert rig.clock.now_us() - await rig.ledger.watermark(SWEPT) < 10_000_000
        await age.check()
        assert rig.holds() == {STALE}


async def test_an_account_that_was_never_followed_is_not_stale() -> None:
    """The hold ``reconciliation`` covers the time before."""
    ledger = MemoryStore()
    await AccountAge(make_context("execution"), ledger, 1).check()
    assert (await ledger.view(())).account.holds == ()


async def test_a_fill_that_can_not_be_recorded_does_not_stop_the_sweeps() -> None:
    async with AccountHarness() as rig:
        age = await followed(rig)
        await rig.place()
        rig.exchange.trade("M", BookSide.ASK, 4000, 1000)
        rig.exchange.views[Shown.FILLS] = lambda fills: [
            msgspec.structs.replace(fill, trade_id=f"odd-{fill.trade_id}", price_cc=10_000) for fill in fills
        ]
        await rig.pass_s(60)
        await age.check()
        assert STALE not in rig.holds()
