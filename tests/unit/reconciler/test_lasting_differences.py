"""A difference that lasts halts, whatever its amount does meanwhile; one that comes and goes does not."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import msgspec
import pytest

from support.account_harness import AccountHarness
from support.in_memory_rest import Shown
from truebook.messages.envelope import BookSide
from truebook.venue.account import ExchangeBalance, ExchangePosition
from truebook_services.reconciler.settings import ReconcilerSettings

DIFFERENCE = "difference"
DOLLAR = 1_000_000
SETTINGS = ReconcilerSettings(account_s=1.0)


def off_by_each(micros: Iterable[int]) -> Callable[[ExchangeBalance], ExchangeBalance]:
    """Show a balance that is wrong by the next of these amounts at each read."""
    amounts = itertools.cycle(micros)
    return lambda held: msgspec.structs.replace(held, balance_micros=held.balance_micros + next(amounts))


def moved_by(centi: int) -> Callable[[list[ExchangePosition]], list[ExchangePosition]]:
    return lambda held: [
        msgspec.structs.replace(one, position_centi=one.position_centi + centi) for one in held
    ]  # fmt: skip


async def reconciled(rig: AccountHarness) -> None:
    await rig.reconcile(SETTINGS)
    await rig.pass_s(5)
    assert rig.holds() == set()


async def test_a_missing_100_dollars_halts_while_its_amount_varies() -> None:
    async with AccountHarness() as rig:
        await reconciled(rig)
        rig.exchange.views[Shown.BALANCE] = off_by_each(-100 * DOLLAR + n * 70_000 for n in range(7))
        await rig.pass_s(25)
        assert DIFFERENCE in rig.holds()


async def test_a_position_halts_beside_a_cash_difference_that_varies() -> None:
    async with AccountHarness() as rig:
        await reconciled(rig)
        await rig.place()
        rig.exchange.trade("M", BookSide.ASK, 4000, 1000)
        await rig.pass_s(8)
        assert rig.holds() == set()
        rig.exchange.views[Shown.POSITIONS] = moved_by(2500)
        rig.exchange.views[Shown.BALANCE] = off_by_each((10 * DOLLAR, 0, -3 * DOLLAR))
        await rig.pass_s(25)
        assert DIFFERENCE in rig.holds()


async def test_amounts_on_both_sides_of_zero_do_not_halt() -> None:
    """What is read while the account changes may be ahead of the ledger or behind it, never on one side for long."""
    async with AccountHarness() as rig:
        await reconciled(rig)
        rig.exchange.views[Shown.BALANCE] = off_by_each((2 * DOLLAR, -2 * DOLLAR))
        await rig.pass_s(60)
        assert rig.holds() == set()


@pytest.mark.parametrize("micros", [-5 * DOLLAR, 5 * DOLLAR])
async def test_five_dollars_are_not_hidden_by_fee_holds(micros: int) -> None:
    """500 contracts at .50 reserve fees of $13.75; the exchange showed before that it holds as much."""
    async with AccountHarness() as rig:
        await reconciled(rig)
        await rig.place(price_cc=5000, size_centi=50_000)
        await rig.pass_s(15)
        assert rig.holds() == set()
        rig.exchange.views[Shown.BALANCE] = off_by_each((micros,))
        await rig.pass_s(25)
        assert DIFFERENCE in rig.holds()


async def test_an_order_in_flight_does_not_end_a_cash_difference() -> None:
    """While an order rests only on one side its fee hold is uncertain: such a comparison confirms nothing."""
    async with AccountHarness() as rig:
        await reconciled(rig)
        await rig.place(price_cc=5000, size_centi=50_000)
        await rig.pass_s(15)
        rig.exchange.views[Shown.BALANCE] = off_by_each((5 * DOLLAR,))
        shows = itertools.cycle((True, True, False))
        rig.exchange.views[Shown.ORDERS] = lambda orders: orders if next(shows) else []
        await rig.pass_s(60)
        assert DIFFERENCE in rig.holds()


async def test_fills_during_the_reading_are_no_difference() -> None:
    """The ledger is read before and after the exchange: what lies between the two is not wrong."""
    async with AccountHarness() as rig:
        await reconciled(rig)
        tickers = (f"M{number}" for number in itertools.count())

        async def fill_one(_: object) -> None:
            ticker = next(tickers)
            rig.exchange.add_market(ticker)
            await rig.place(ticker=ticker, size_centi=100)
            rig.exchange.trade(ticker, BookSide.ASK, 4000, 100)

        rig.exchange.before["balance"] = fill_one
        await rig.pass_s(60)
        assert rig.exchange.count("balance") > 20
        assert rig.position("M20") == 100
        assert rig.holds() == set()
