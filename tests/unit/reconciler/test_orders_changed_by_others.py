"""Somebody else trades on the same account, amends and decreases orders: their right, and no contradiction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from support.account_rig import AccountRig
from support.execution_rig import make_context, until
from support.ledger_verbs import an_acknowledge
from truebook.messages.envelope import BookSide
from truebook.messages.reasons import Reason
from truebook.pacing.tokens import TokenBucket
from truebook.simulation.order_changes import Amendment
from truebook.venue.account import OrderRequest
from truebook_services.execution.canceller import Canceller
from truebook_services.execution.reports import Reports
from truebook_services.execution.settings import ExecutionSettings


async def pass_s(rig: AccountRig, seconds: int) -> None:
    """Let so many seconds pass one by one, each with all that it leads to."""
    for _ in range(seconds):
        await rig.manual.advance(1.0)
        for _ in range(50):
            await asyncio.sleep(0)


@pytest.fixture
async def rig() -> AsyncIterator[AccountRig]:
    async with AccountRig() as rig:
        await rig.reconcile()
        await until(lambda: not rig.holds(), "ledger and exchange are compared")
        rig.listen()
        await pass_s(rig, 3)
        yield rig


def amend(rig: AccountRig, exchange_order_id: str, former: str, renamed: str) -> None:
    amendment = Amendment(
        ticker="M", book_side=BookSide.BID, price_cc=4_100, total_centi=500, client_order_id=former,
        updated_client_order_id=renamed,
    )  # fmt: skip
    _, events = rig.exchange.engine.amend("sim-main", exchange_order_id, amendment, rig.manual.now_us())
    rig.exchange._tell(events)


async def test_an_order_by_hand_may_be_renamed_by_its_owner(rig: AccountRig) -> None:
    placed = OrderRequest(
        ticker="M", client_order_id="web-1", book_side=BookSide.BID, price_cc=4_000, size_centi=500
    )  # fmt: skip
    exchange_order_id = rig.exchange.place_by_hand(placed)
    await pass_s(rig, 5)
    amend(rig, exchange_order_id, "web-1", "web-2")
    await pass_s(rig, 10)
    rig.exchange.trade("M", BookSide.ASK, 4_100, 500)
    await pass_s(rig, 10)
    assert (rig.holds(), rig.position()) == (set(), 500)


async def test_the_record_of_a_former_version_by_the_client_order_id_is_found(rig: AccountRig) -> None:
    exchange_order_id = rig.exchange.place_by_hand(
        OrderRequest(ticker="M", client_order_id="web-1", book_side=BookSide.BID, price_cc=4_000, size_centi=500)
    )
    (shown,) = await rig.exchange.orders()
    await rig.ledger.acknowledge(an_acknowledge("web-1", exchange_order_id=exchange_order_id, ticker="M"))
    assert shown.client_order_id == "web-1"
    await pass_s(rig, 10)
    assert rig.holds() == set()


async def test_a_cancel_of_an_order_that_somebody_decreased_books_what_was_filled(rig: AccountRig) -> None:
    order_id, exchange_order_id = await rig.place(size_centi=1_000)
    await pass_s(rig, 3)
    _, events = rig.exchange.engine.decrease(
        "sim-main", exchange_order_id, rig.manual.now_us(), by_centi=None, to_centi=400
    )  # fmt: skip
    rig.exchange._tell(events)
    order = await rig.ledger.order(order_id)
    assert order is not None and order.remaining_centi == 1_000
    context = make_context("execution", rig.clock, rig.bus)
    canceller = Canceller(
        context, ExecutionSettings(), rig.exchange, rig.ledger, reports=Reports(context),
        tokens=TokenBucket(1_000, 1_000),
    )  # fmt: skip
    await canceller.cancel(order, Reason.HOLD)
    await pass_s(rig, 60)
    assert await rig.state(order_id) == "terminal"
    assert ((await rig.view()).account.promised_micros, rig.holds()) == (0, set())
