"""Another program trades on the same account, amends and decreases orders: allowed, and no contradiction."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.account_harness import AccountHarness
from support.ledger_verbs import an_acknowledge
from support.services import make_context, until
from truebook.execution.guards import Limiters
from truebook.messages.envelope import BookSide
from truebook.messages.reasons import Reason
from truebook.pacing.breaker import Breaker
from truebook.pacing.throttle import Throttle
from truebook.pacing.tokens import TokenBucket
from truebook.simulation.venue.order_changes import Amendment
from truebook.venue.account import OrderRequest
from truebook_services.execution.canceller import Canceller
from truebook_services.execution.records import OrderRecords
from truebook_services.execution.report_queue import ReportQueue
from truebook_services.execution.reports import Reports


@pytest.fixture
async def rig() -> AsyncIterator[AccountHarness]:
    async with AccountHarness() as rig:
        await rig.reconcile()
        await until(lambda: not rig.holds(), "the first reconciliation")
        rig.listen()
        await rig.pass_s(3)
        yield rig


def amend(rig: AccountHarness, exchange_order_id: str, old_id: str, new_id: str) -> None:
    amendment = Amendment(
        ticker="M", book_side=BookSide.BID, price_cc=4_100, total_centi=500, client_order_id=old_id,
        updated_client_order_id=new_id,
    )  # fmt: skip
    _, events = rig.exchange.engine.amend("sim-main", exchange_order_id, amendment, rig.manual.now_us())
    rig.exchange.publish(events)


async def test_a_foreign_order_may_be_renamed(rig: AccountHarness) -> None:
    placed = OrderRequest(
        ticker="M", client_order_id="web-1", book_side=BookSide.BID, price_cc=4_000, size_centi=500
    )  # fmt: skip
    exchange_order_id = rig.exchange.place_by_hand(placed)
    await rig.pass_s(5)
    amend(rig, exchange_order_id, "web-1", "web-2")
    await rig.pass_s(10)
    rig.exchange.trade("M", BookSide.ASK, 4_100, 500)
    await rig.pass_s(10)
    assert (rig.holds(), rig.position()) == (set(), 500)


async def test_an_order_recorded_by_its_client_order_id_is_found(rig: AccountHarness) -> None:
    exchange_order_id = rig.exchange.place_by_hand(
        OrderRequest(ticker="M", client_order_id="web-1", book_side=BookSide.BID, price_cc=4_000, size_centi=500)
    )
    (shown,) = await rig.exchange.orders()
    await rig.ledger.apply(an_acknowledge("web-1", exchange_order_id=exchange_order_id, ticker="M"))
    assert shown.client_order_id == "web-1"
    await rig.pass_s(10)
    assert rig.holds() == set()


async def test_cancelling_a_decreased_order_records_its_fills(rig: AccountHarness) -> None:
    order_id, exchange_order_id = await rig.place(size_centi=1_000)
    await rig.pass_s(3)
    _, events = rig.exchange.engine.decrease(
        "sim-main", exchange_order_id, rig.manual.now_us(), by_centi=None, to_centi=400
    )  # fmt: skip
    rig.exchange.publish(events)
    order = await rig.ledger.order(order_id)
    assert order is not None and order.remaining_centi == 1_000
    context = make_context("execution", rig.clock, rig.bus)
    limiters = Limiters(
        breaker=Breaker(1, 1, 1), throttle=Throttle(0), tokens=TokenBucket(1_000, 1_000), rate_reserve=0
    )  # fmt: skip
    canceller = Canceller(
        context, rig.exchange, OrderRecords(context, rig.ledger), limiters=limiters,
        reports=Reports(context, rig.ledger, ReportQueue(context)), retry_us=1_000_000,
    )  # fmt: skip
    await canceller.cancel(order, Reason.HOLD)
    await rig.pass_s(60)
    assert await rig.state(order_id) == "terminal"
    assert ((await rig.view()).account.reserved_micros, rig.holds()) == (0, set())
