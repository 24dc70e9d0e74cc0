"""The reconciler opens from the exchange's data, records what is missing, and never takes a failed query for "flat"."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from support.account_harness import BALANCE, AccountHarness
from support.in_memory_exchange import without
from support.in_memory_rest import Shown
from support.services import until
from truebook.kalshi.port import ExchangeError, OutcomeUnknown
from truebook.ledger.exchange_reports import OPENED, SWEPT
from truebook.ledger.verbs import AdvanceWatermark, Close, MarkUnknown
from truebook.messages.envelope import BookSide
from truebook.venue.account import ExchangeBalance, OrderRequest, OrderStatus
from truebook_services.reconciler.compare import compare_exactly
from truebook_services.reconciler.settings import ReconcilerSettings
from truebook_services.reconciler.startup import hold_until_reconciled


def by_hand(side: BookSide = BookSide.BID, price_cc: int = 4000, size_centi: int = 500, name: str = "web"):
    return OrderRequest(ticker="M", client_order_id=name, book_side=side, price_cc=price_cc, size_centi=size_centi)


async def reconciled(rig: AccountHarness, settings: ReconcilerSettings | None = None) -> None:
    await rig.reconcile(settings)
    for _ in range(100):
        await asyncio.sleep(0)
    await until(lambda: "reconciliation" not in rig.holds(), "the first reconciliation")


async def pass_time(rig: AccountHarness, seconds: float) -> None:
    """Advance time in steps, so that each run can finish."""
    left = seconds
    while left > 0:
        await rig.manual.advance(min(1.0, left))
        left -= 1.0
        for _ in range(50):
            await asyncio.sleep(0)


async def test_the_account_is_opened_with_the_exchanges_balance() -> None:
    async with AccountHarness() as rig:
        await reconciled(rig)
        account = (await rig.view()).account
        assert (account.opened, account.cash_micros, account.deposits_micros) == (True, BALANCE, BALANCE)
        assert await rig.ledger.watermark(OPENED) == rig.manual.now_us()
        assert await rig.ledger.watermark(SWEPT) == rig.manual.now_us()


async def test_an_account_without_money_is_opened_empty() -> None:
    """There is no default balance: the ledger reserves only what the exchange has."""
    async with AccountHarness(balance_micros=0) as rig:
        await rig.reconcile()
        await until(lambda: rig.ledger.ledger.view(()).account.opened, "opened")
        account = (await rig.view()).account
        assert (account.cash_micros, account.deposits_micros) == (0, 0)


async def test_the_hold_stays_until_both_sides_agree() -> None:
    async with AccountHarness() as rig:
        rig.exchange.fail("positions", *[OutcomeUnknown("timed out")] * 2)
        await rig.reconcile()
        for _ in range(50):
            await asyncio.sleep(0)
        assert "reconciliation" in rig.holds()
        await pass_time(rig, 10)
        assert "reconciliation" not in rig.holds()


async def test_a_hold_of_an_ended_reconciler_is_released() -> None:
    async with AccountHarness() as rig:
        await reconciled(rig)
        await hold_until_reconciled(rig.ledger)
        await pass_time(rig, 10)
        assert "reconciliation" in rig.holds(), "the comparison is not due yet"
        await pass_time(rig, 30)
        assert "reconciliation" not in rig.holds()


async def test_positions_are_adopted_at_cost_with_their_event() -> None:
    async with AccountHarness() as rig:
        rig.exchange.trade("M", BookSide.ASK, 4000, 500, rest=True)
        rig.exchange.place_by_hand(by_hand())
        rig.manual.set(rig.manual.now_us() + 1_000_000)
        await reconciled(rig)
        view = await rig.view()
        market = view.market("M")
        assert market is not None
        assert (market.position_centi, market.yes_cost_micros, market.event) == (500, 2_000_000, "E-M")
        balance = await rig.exchange.balance()
        assert view.account.deposits_micros == balance.balance_micros + 2_000_000
        assert await compare_exactly(rig.exchange, rig.ledger) == ()


async def test_foreign_orders_are_cancelled_before_the_account_is_opened() -> None:
    async with AccountHarness() as rig:
        rig.exchange.place_by_hand(by_hand())
        rig.manual.set(rig.manual.now_us() + 1_000_000)
        await rig.reconcile()
        await until(lambda: not rig.exchange.own(OrderStatus.RESTING), "cancelled")
        assert not (await rig.view()).account.opened
        await pass_time(rig, 1)
        await until(lambda: rig.ledger.ledger.view(()).account.opened, "opened")
        assert (await rig.view()).account.cash_micros == BALANCE


async def test_the_account_is_not_opened_while_it_nets_across_markets() -> None:
    async with AccountHarness() as rig:
        rig.exchange.views[Shown.NETTING] = lambda _: True
        await rig.reconcile()
        await pass_time(rig, 10)
        assert not (await rig.view()).account.opened
        rig.exchange.views.clear()
        await pass_time(rig, 5)
        assert (await rig.view()).account.opened


async def test_an_open_account_stops_trading_while_it_nets_across_markets() -> None:
    async with AccountHarness() as rig:
        await reconciled(rig)
        rig.exchange.views[Shown.NETTING] = lambda _: True
        await pass_time(rig, 35)
        assert "netting" in rig.holds()
        rig.exchange.views.clear()
        await pass_time(rig, 35)
        assert "netting" not in rig.holds()


async def test_a_missing_fill_is_fetched_and_settled() -> None:
    async with AccountHarness() as rig:
        await reconciled(rig)
        order_id, _ = await rig.place()
        rig.exchange.trade("M", BookSide.ASK, 4000, 400)
        await pass_time(rig, 8)
        assert rig.position() == 400
        assert await rig.state(order_id) == "acknowledged"
        rig.exchange.trade("M", BookSide.ASK, 4000, 600)
        await pass_time(rig, 8)
        assert (rig.position(), await rig.state(order_id)) == (1000, "terminal")
        assert await compare_exactly(rig.exchange, rig.ledger) == ()


async def test_an_order_that_expired_without_a_report_is_closed() -> None:
    async with AccountHarness() as rig:
        await reconciled(rig)
        order_id, exchange_id = await rig.place()
        await pass_time(rig, 4)
        assert await rig.state(order_id) == "acknowledged"
        await rig.exchange.cancel_order(exchange_id, "M")
        await pass_time(rig, 4)
        assert await rig.state(order_id) == "terminal"


async def test_an_unknown_order_is_found_if_the_exchange_lists_it() -> None:
    async with AccountHarness() as rig:
        await reconciled(rig)
        arrived, _ = await rig.place()
        hidden, exchange_id = await rig.place(BookSide.ASK, 6000)
        for order_id in (arrived, hidden):
            await rig.ledger.apply(MarkUnknown(order_id=order_id))
        rig.exchange.views[Shown.ORDERS] = without(exchange_id)
        await pass_time(rig, 8)
        assert (await rig.state(arrived), await rig.state(hidden)) == ("acknowledged", "unknown")


async def test_a_404_of_an_open_order_proves_nothing() -> None:
    async with AccountHarness() as rig:
        await reconciled(rig)
        order_id, exchange_id = await rig.place()
        await pass_time(rig, 4)
        rig.exchange.views[Shown.ORDERS] = without(exchange_id)
        await pass_time(rig, 12)
        assert await rig.state(order_id) == "acknowledged"
        assert (await rig.view()).account.reserved_micros > 0


async def test_a_fill_of_a_foreign_order_is_recorded_as_foreign() -> None:
    async with AccountHarness() as rig:
        await reconciled(rig)
        rig.manual.set(rig.manual.now_us() + 1_000_000)
        rig.exchange.trade("M", BookSide.ASK, 4000, 500, rest=True)
        rig.exchange.place_by_hand(by_hand())
        await pass_time(rig, 70)
        assert rig.position() == 500
        assert (await rig.view()).account.parked == 0
        assert await compare_exactly(rig.exchange, rig.ledger) == ()


@pytest.mark.parametrize("call", ["positions", "balance", "orders", "fills", "settlements"])
async def test_a_failed_query_is_never_read_as_flat(call: str) -> None:
    async with AccountHarness() as rig:
        await reconciled(rig)
        await rig.place()
        rig.exchange.trade("M", BookSide.ASK, 4000, 1000)
        await pass_time(rig, 8)
        before = (await rig.view()).account

        class Down(ExchangeError):
            retry = True

        rig.exchange.fail(call, *[Down("503")] * 50)
        await pass_time(rig, 100)
        after = (await rig.view()).account
        assert (after.adjustments_micros, rig.position()) == (0, 1000)
        assert after.cash_micros == before.cash_micros
        assert rig.holds() == set()


def off_by(micros: int) -> Callable[[ExchangeBalance], ExchangeBalance]:
    return lambda held: msgspec.structs.replace(held, balance_micros=held.balance_micros + micros)


async def test_a_short_difference_is_neither_recorded_nor_halted() -> None:
    async with AccountHarness() as rig:
        await reconciled(rig)
        rig.exchange.views[Shown.BALANCE] = off_by(5_000)
        await pass_time(rig, 36)
        assert (await rig.view()).account.adjustments_micros == 0, "nor recorded and reversed"
        rig.exchange.views.clear()
        await pass_time(rig, 40)
        assert (await rig.view()).account.adjustments_micros == 0
        assert rig.holds() == set()


async def test_a_small_residue_is_recorded_as_an_adjustment() -> None:
    async with AccountHarness() as rig:
        await reconciled(rig)
        rig.exchange.views[Shown.BALANCE] = off_by(5_000)
        await pass_time(rig, 80)
        view = await rig.view()
        assert view.account.adjustments_micros == 5_000
        assert view.conservation_error_micros == 0
        assert await compare_exactly(rig.exchange, rig.ledger) == ()


async def test_a_large_residue_halts_until_it_is_gone() -> None:
    async with AccountHarness() as rig:
        await reconciled(rig)
        rig.exchange.views[Shown.BALANCE] = off_by(-5_000_000)
        await pass_time(rig, 80)
        assert "difference" in rig.holds()
        assert (await rig.view()).account.adjustments_micros == 0
        rig.exchange.views.clear()
        await pass_time(rig, 10)
        assert "difference" not in rig.holds()


async def test_nothing_is_adjusted_while_a_fill_is_missing() -> None:
    async with AccountHarness() as rig:
        await reconciled(rig)
        await rig.place()
        rig.exchange.trade("M", BookSide.ASK, 4000, 1000)
        rig.exchange.views[Shown.FILLS] = lambda _: []
        await pass_time(rig, 20)
        account = (await rig.view()).account
        assert account.adjustments_micros == 0
        assert account.reserved_micros > 0, "the order's total is recorded, its fills are not"
        rig.exchange.views.clear()
        await pass_time(rig, 40)
        assert rig.position() == 1000
        assert (await rig.view()).account.adjustments_micros == 0
        assert rig.holds() == set()
        assert await compare_exactly(rig.exchange, rig.ledger) == ()


async def test_a_settlement_is_found_and_paid_at_its_exact_value() -> None:
    async with AccountHarness() as rig:
        await reconciled(rig)
        await rig.place()
        rig.exchange.trade("M", BookSide.ASK, 4000, 1000)
        await pass_time(rig, 4)
        rig.exchange.determine("M", 3_456)
        await pass_time(rig, 40)
        market = (await rig.view()).market("M")
        assert market is not None
        assert (market.settlement_cc, market.payout_micros) == (3_456, 3_456_000)
        assert await compare_exactly(rig.exchange, rig.ledger) == ()


async def test_an_open_account_is_not_opened_again_and_its_orders_stay() -> None:
    async with AccountHarness() as rig:
        await rig.open()
        order_id, _ = await rig.place()
        await reconciled(rig)
        assert (await rig.view()).account.deposits_micros == BALANCE
        assert len(rig.exchange.own(OrderStatus.RESTING)) == 1
        assert await rig.state(order_id) == "acknowledged"


async def test_the_exact_comparison_names_each_difference() -> None:
    async with AccountHarness() as rig:
        await rig.open()
        order_id, exchange_id = await rig.place()
        found = await compare_exactly(rig.exchange, rig.ledger)
        assert [str(difference.kind) for difference in found] == ["unknown_order"]
        await rig.exchange.cancel_order(exchange_id, "M")
        await rig.ledger.apply(Close(order_id=order_id, exchange_order_id=exchange_id, filled_centi=0))
        assert await compare_exactly(rig.exchange, rig.ledger) == ()


async def test_old_orders_and_fills_are_pruned_behind_the_sweep() -> None:
    async with AccountHarness() as rig:
        await reconciled(rig, ReconcilerSettings(retention_s=3600, prune_interval_s=600))
        order_id, _ = await rig.place()
        rig.exchange.trade("M", BookSide.ASK, 4000, 1000)
        await pass_time(rig, 8)
        rig.exchange.add_market("N", close_us=rig.manual.now_us() + 100_000_000_000)
        rig.manual.set(rig.manual.now_us() + 7_200_000_000)
        await rig.place(ticker="N")
        await pass_time(rig, 700)
        assert await rig.ledger.order(order_id) is not None, "the sweep is not behind it"
        for _ in range(2):
            await rig.ledger.apply(AdvanceWatermark(name=SWEPT, to_us=rig.manual.now_us()))
            await pass_time(rig, 700)
        assert await rig.ledger.order(order_id) is None
        assert rig.position() == 1000
