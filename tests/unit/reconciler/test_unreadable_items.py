"""Something of the exchange that can't be read and may be ours holds its own market; the others trade on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from support.account_harness import AccountHarness, listening
from support.in_memory_exchange import odd
from support.in_memory_rest import Shown
from support.services import make_context
from truebook.ledger.verbs import Mode
from truebook.messages.envelope import BookSide
from truebook.venue.account import OrderRequest, OrderStatus, UnreadableItem
from truebook_services.reconciler.compare import compare_exactly
from truebook_services.reconciler.repairer import Repairer
from truebook_services.reconciler.unreadable import UnreadableMarkets

HELD = {"unreadable@M"}


async def with_position(rig: AccountHarness) -> None:
    """A position in M, recorded, and a second market."""
    rig.exchange.add_market("N")
    await rig.reconcile()
    await rig.pass_s(5)
    await listening(rig)
    await rig.place()
    rig.exchange.trade("M", BookSide.ASK, 4000, 1000)
    await rig.pass_s(5)
    assert rig.position() == 1000
    assert rig.holds() == set()


def in_market(ticker: str) -> Callable[[Any], UnreadableItem | None]:
    return lambda one: odd(one) if one.ticker == ticker else None


async def test_an_unreadable_position_holds_its_market_only() -> None:
    async with AccountHarness() as rig:
        await with_position(rig)
        rig.exchange.odd_items[Shown.POSITIONS] = in_market("M")
        await rig.pass_s(60)
        assert rig.holds() == HELD
        view = await rig.view()
        of_markets = [view.mode_in(ticker, 0) for ticker in ("M", "N")]
        assert (*of_markets, view.account.mode) == (Mode.HALTED, Mode.RUNNING, Mode.RUNNING)
        assert [str(one) for one in await compare_exactly(rig.exchange, rig.ledger)] == [
            "position in M: ledger 10.00, exchange not known: an item can't be read"
        ]
        rig.exchange.end_faults()
        await rig.pass_s(40)
        assert rig.holds() == set()


async def test_an_unreadable_fill_holds_its_market_until_positions_agree() -> None:
    async with AccountHarness() as rig:
        await with_position(rig)
        recorded = {fill.trade_id for fill in await rig.exchange.fills()}
        rig.exchange.odd_items[Shown.FILLS] = lambda fill: None if fill.trade_id in recorded else odd(fill)
        rig.exchange.alter_frame = lambda frame: {**frame, "msg": {}} if frame["type"] == "fill" else frame
        await rig.place(price_cc=5000, size_centi=500)
        rig.exchange.trade("M", BookSide.ASK, 5000, 500)
        await rig.pass_s(120)
        assert rig.holds() == HELD
        assert rig.position() == 1000
        await rig.place(ticker="N")
        rig.exchange.end_faults()
        rig.exchange.determine("M", 10_000)
        await rig.pass_s(40)
        assert "unreadable@M" not in rig.holds()


async def test_what_unreadable_items_do_not_explain_halts() -> None:
    async with AccountHarness() as rig:
        await with_position(rig)
        rig.exchange.odd_items[Shown.POSITIONS] = in_market("M")
        rig.exchange.views[Shown.BALANCE] = lambda one: msgspec.structs.replace(
            one, balance_micros=one.balance_micros - 5_000_000
        )
        await rig.pass_s(90)
        assert rig.holds() == HELD | {"difference"}


@pytest.mark.parametrize("is_ours", [True, False])
async def test_an_unreadable_order_holds_its_market_if_it_is_ours(is_ours: bool) -> None:
    async with AccountHarness() as rig:
        await with_position(rig)
        order_id, exchange_id = await rig.place(ticker="N")
        await rig.pass_s(4)
        foreign = UnreadableItem(ticker="N", client_order_id="by-hand", exchange_order_id="x", why="odd")
        rig.exchange.odd_items[Shown.ORDERS] = lambda one: (
            (odd(one) if is_ours else foreign) if one.exchange_order_id == exchange_id else None
        )
        await rig.pass_s(5)
        assert await rig.state(order_id) == "acknowledged", "the absence of an unreadable order proves nothing"
        assert rig.holds() == ({"unreadable@N"} if is_ours else set())


async def test_a_foreign_settlement_that_can_not_be_read_holds_nothing() -> None:
    async with AccountHarness() as rig:
        await with_position(rig)
        rig.exchange._unreadable = lambda what: (  # type: ignore[method-assign]
            (UnreadableItem(ticker="V", client_order_id="", exchange_order_id="", why="void"),)
            if what is Shown.SETTLEMENTS else ()
        )  # fmt: skip
        await rig.pass_s(60)
        assert rig.holds() == set()


async def test_a_fill_that_the_ledger_refuses_holds_its_market() -> None:
    async with AccountHarness() as rig:
        await with_position(rig)
        recorded = {fill.trade_id for fill in await rig.exchange.fills()}
        rig.exchange.views[Shown.FILLS] = lambda fills: [
            fill if fill.trade_id in recorded else msgspec.structs.replace(fill, price_cc=10_000) for fill in fills
        ]
        rig.exchange.muted_frames = {"fill"}
        await rig.place(price_cc=5000, size_centi=500)
        rig.exchange.trade("M", BookSide.ASK, 5000, 500)
        await rig.pass_s(90)
        assert rig.holds() == HELD


async def test_an_order_that_can_not_be_read_does_not_keep_the_account_shut() -> None:
    async with AccountHarness() as rig:
        item = UnreadableItem(ticker="X", client_order_id="", exchange_order_id="zz", why="odd")
        rig.exchange._unreadable = lambda what: (item,) if what is Shown.ORDERS else ()  # type: ignore[method-assign]
        await rig.reconcile()
        await rig.pass_s(10)
        assert rig.holds() == set()
        assert [subject for call, subject in rig.exchange.calls if call == "cancel_order"] == ["zz"]


async def test_a_new_ledger_takes_no_unreadable_position_for_flat() -> None:
    async with AccountHarness() as rig:
        rig.exchange.trade("M", BookSide.ASK, 4000, 500, rest=True)
        rig.exchange.place_by_hand(
            OrderRequest(ticker="M", client_order_id="web", book_side=BookSide.BID, price_cc=4000, size_centi=500)
        )
        rig.manual.set(rig.manual.now_us() + 1_000_000)
        rig.exchange.odd_items[Shown.POSITIONS] = in_market("M")
        await rig.reconcile()
        await rig.pass_s(60)
        assert not (await rig.view()).account.opened
        rig.exchange.end_faults()
        await rig.pass_s(40)
        assert (rig.position(), rig.holds()) == (500, set())
        assert await compare_exactly(rig.exchange, rig.ledger) == ()


async def test_a_fill_of_unknown_time_postpones_the_opening() -> None:
    async with AccountHarness() as rig:
        item = UnreadableItem(ticker="X", client_order_id="", exchange_order_id="zz", why="odd")
        rig.exchange._unreadable = lambda what: (item,) if what is Shown.FILLS else ()  # type: ignore[method-assign]
        await rig.reconcile()
        await rig.pass_s(10)
        assert not (await rig.view()).account.opened


@pytest.mark.parametrize(
    ("client_id", "seen", "lost", "rests"),
    [
        ("tb1-lost", {}, 1, False),
        ("tb1-lost", {"client_order_id": ""}, 1, False),
        ("tb1-lost", {"exchange_order_id": ""}, 1, True),
        ("by-hand", {}, 0, True),
    ],
)
async def test_a_lost_order_that_can_not_be_read_is_cancelled(
    client_id: str, seen: dict[str, str], lost: int, rests: bool
) -> None:
    """The journal's hold stays while one rests that nothing can cancel; those that the ledger has are not lost."""
    async with AccountHarness() as rig:
        await rig.open()
        _, known_id = await rig.place(price_cc=3_000)
        request = OrderRequest(
            ticker="M", client_order_id=client_id, book_side=BookSide.BID, price_cc=4_000, size_centi=100
        )
        await rig.exchange.create_order(rig.exchange.sign_order(request), 1)
        rig.exchange.odd_items[Shown.ORDERS] = lambda one: (
            None if one.status is not OrderStatus.RESTING
            else odd(one) if one.exchange_order_id == known_id
            else msgspec.structs.replace(odd(one), **seen)
        )  # fmt: skip
        context = make_context("reconciler", rig.clock)
        repairer = Repairer(
            context, rig.exchange, rig.ledger, unreadable=UnreadableMarkets(context, rig.ledger),
            grace_s=1.0, overlap_s=1.0,
        )  # fmt: skip
        assert await repairer.cancel_lost() == lost
        resting = {order.client_order_id for order in rig.exchange.own(OrderStatus.RESTING)}
        assert (client_id in resting) is rests
        assert await repairer.cancel_lost() == (lost if rests else 0)
        assert len(resting) == 1 + rests


@pytest.mark.parametrize(("client_id", "is_logged"), [("tb1-lost", True), ("by-hand", False), ("", False)])
async def test_an_unreadable_order_without_a_market_is_logged(client_id: str, is_logged: bool) -> None:
    async with AccountHarness() as rig:
        await rig.open()
        await rig.reconcile()
        await rig.pass_s(5)
        item = UnreadableItem(ticker="", client_order_id=client_id, exchange_order_id="x", why="odd")
        rig.exchange._unreadable = lambda what: (item,) if what is Shown.ORDERS else ()  # type: ignore[method-assign]
        with capture_logs() as logs:
            await rig.pass_s(30)
        found = [entry for entry in logs if entry["log_level"] == "error"]
        assert [(entry["order_id"], entry["order"]) for entry in found[:1]] == [(client_id, "x")] * is_logged
