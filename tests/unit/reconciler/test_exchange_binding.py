"""A ledger is bound to one exchange and account, also to a new key of it, and to no other."""

from __future__ import annotations

import pytest

from support.account_harness import AccountHarness
from support.fake_operator import FakeOperator
from support.services import make_context
from truebook.ledger.port import WrongExchange
from truebook.ledger.verbs import Acknowledge
from truebook_services.operator.port import RequestRefused
from truebook_services.operator.requests import Rebind
from truebook_services.reconciler.opening import AccountOpener
from truebook_services.serving.binding import check_exchange


async def opened_by_the_reconciler(rig: AccountHarness) -> None:
    await AccountOpener(make_context("reconciler", rig.clock, rig.bus), rig.exchange, rig.ledger).open()


async def opened_with_a_key(rig: AccountHarness) -> None:
    rig.exchange.exchange_id, rig.exchange.key_id = "demo-api.kalshi.co", "old"
    await opened_by_the_reconciler(rig)


async def bound(rig: AccountHarness) -> str:
    return (await rig.view()).account.exchange


async def test_the_opening_binds_the_ledger_to_its_exchange() -> None:
    async with AccountHarness() as rig:
        await check_exchange(rig.ledger, rig.exchange)
        await opened_by_the_reconciler(rig)
        assert await bound(rig) == str(await rig.exchange.identity())
        await check_exchange(rig.ledger, rig.exchange)


async def test_another_exchange_is_refused_with_what_to_do() -> None:
    async with AccountHarness() as rig:
        await opened_by_the_reconciler(rig)
        rig.exchange.exchange_id = "simulated another"
        with pytest.raises(WrongExchange, match=r"opened on another exchange .* start over with --fresh"):
            await check_exchange(rig.ledger, rig.exchange)


async def test_a_new_key_is_accepted_with_an_order_of_ours() -> None:
    async with AccountHarness() as rig:
        await opened_with_a_key(rig)
        order_id, exchange_order_id = await rig.place()
        acknowledge = Acknowledge(
            order_id=order_id, exchange_order_id=exchange_order_id, ticker="M", filled_centi=0, remaining_centi=1000
        )
        await rig.ledger.apply(acknowledge)
        rig.exchange.key_id = "new"
        await check_exchange(rig.ledger, rig.exchange)
        assert await bound(rig) == "demo-api.kalshi.co with key new"
        rig.exchange.exchange_id = "elsewhere"
        with pytest.raises(WrongExchange):
            await check_exchange(rig.ledger, rig.exchange)


async def test_a_new_key_without_proof_needs_the_operator() -> None:
    async with AccountHarness() as rig:
        await opened_with_a_key(rig)
        rig.exchange.key_id = "new"
        with pytest.raises(WrongExchange, match="the same account with a new key, `truebook rebind`"):
            await check_exchange(rig.ledger, rig.exchange)
        operator = FakeOperator(rig.ledger, rig.exchange)
        with pytest.raises(RequestRefused, match=r"shows no order .* `--confirm`"):
            await operator.perform(Rebind())
        assert await bound(rig) == "demo-api.kalshi.co with key old"
        for outcome in ("bound", "unchanged"):
            report = await operator.perform(Rebind(confirm=True))
            assert (report.result, report.is_proven) == (outcome, False)
        await check_exchange(rig.ledger, rig.exchange)


async def test_a_simulated_exchange_is_never_another_one() -> None:
    """It names itself, so that no operator has to decide."""
    async with AccountHarness() as rig:
        await opened_by_the_reconciler(rig)
        rig.exchange.exchange_id = "simulated another"
        with pytest.raises(RequestRefused, match="simulated another is another exchange"):
            await FakeOperator(rig.ledger, rig.exchange).perform(Rebind(confirm=True))


async def test_an_unbound_ledger_is_bound_once_both_sides_agree() -> None:
    """An earlier build opened it without its exchange."""
    async with AccountHarness() as rig:
        await rig.open()
        assert await bound(rig) == ""
        await rig.reconcile()
        await rig.pass_s(3)
        assert "reconciliation" not in rig.holds()
        assert await bound(rig) == str(await rig.exchange.identity())
