"""Deposits and withdrawals at the exchange's own pages are recognized with proof, and end the halt that they cause."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pytest

from support.account_harness import BALANCE, AccountHarness
from support.in_memory_rest import Shown
from truebook.kalshi.port import Refused
from truebook.ledger.verbs import Acknowledge
from truebook.venue.account import CashTransfer, ExchangeBalance
from truebook_services.reconciler.transfers import explaining

DOLLAR = 1_000_000


def listed(transfer_id: str, amount_micros: int, at_us: int, fee_micros: int = 0) -> CashTransfer:
    return CashTransfer(transfer_id=transfer_id, amount_micros=amount_micros, fee_micros=fee_micros, at_us=at_us)


def moved(micros: int) -> Callable[[ExchangeBalance], ExchangeBalance]:
    return lambda held: msgspec.structs.replace(held, balance_micros=held.balance_micros + micros)


def show(transfer: CashTransfer) -> Callable[[Sequence[CashTransfer]], list[CashTransfer]]:
    return lambda _: [transfer]


@pytest.mark.parametrize(
    ("amount", "found"),
    [
        (-30, ["c"]), (-10, ["c", "b"]), (90, ["c", "b", "a"]), (20, []), (100, []),
        (-31, ["c"]), (-13, ["c", "b"]),
    ],
)  # fmt: skip
def test_the_newest_transfers_explain_a_difference(amount: int, found: list[str]) -> None:
    transfers = [
        listed("a", 100 * DOLLAR, 1),
        listed("b", 20 * DOLLAR, 2, fee_micros=2 * DOLLAR),
        listed("c", -30 * DOLLAR, 3, fee_micros=DOLLAR),
    ]
    assert [one.transfer_id for one in explaining(amount * DOLLAR, transfers)] == found


@pytest.mark.parametrize("micros", [25 * DOLLAR, -25 * DOLLAR])
async def test_a_listed_transfer_is_recorded_and_ends_the_halt(micros: int) -> None:
    async with AccountHarness() as rig:
        await rig.open()
        await rig.reconcile()
        await rig.pass_s(5)
        order_id, exchange_order_id = await rig.place()
        acknowledge = Acknowledge(
            order_id=order_id, exchange_order_id=exchange_order_id, ticker="M", filled_centi=0, remaining_centi=1000
        )
        await rig.ledger.apply(acknowledge)
        rig.exchange.views[Shown.BALANCE] = moved(micros)
        rig.exchange.views[Shown.TRANSFERS] = show(listed("7", micros, rig.clock.now_us()))
        await rig.pass_s(60)
        assert "difference" in rig.holds(), "while an order is open, a difference has no proof"
        await rig.exchange.cancel_order(exchange_order_id, "M")
        await rig.pass_s(30)
        view = await rig.view()
        assert (view.account.deposits_micros, view.account.adjustments_micros) == (BALANCE + micros, 0)
        assert rig.holds() == set()
        assert await rig.ledger.adjustment("7") is not None


async def test_a_difference_halts_though_the_lists_cannot_be_read() -> None:
    async with AccountHarness() as rig:
        await rig.open()
        await rig.reconcile()
        await rig.pass_s(5)
        rig.exchange.fail("transfers", *[Refused(403, "missing_scope")] * 50)
        rig.exchange.views[Shown.BALANCE] = moved(25 * DOLLAR)
        await rig.pass_s(60)
        assert "difference" in rig.holds()


@pytest.mark.parametrize(("at_s", "amount"), [(-10, 25), (1, 24)])
async def test_another_or_an_earlier_transfer_is_no_proof(at_s: int, amount: int) -> None:
    async with AccountHarness() as rig:
        await rig.open()
        transfer = listed("7", amount * DOLLAR, rig.clock.now_us() + at_s * 1_000_000)
        rig.exchange.views[Shown.TRANSFERS] = show(transfer)
        await rig.reconcile()
        await rig.pass_s(5)
        rig.exchange.views[Shown.BALANCE] = moved(25 * DOLLAR)
        await rig.pass_s(60)
        assert "difference" in rig.holds()
        assert (await rig.view()).account.deposits_micros == BALANCE
