"""Money that was moved at the exchange's own pages is recorded if it is all that differs, and once by its id."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from support.account_harness import BALANCE, AccountHarness
from support.fake_operator import FakeOperator
from support.in_memory_rest import Shown
from truebook.kalshi.port import NotFound, Refused
from truebook.ledger.outcomes import AdjustKind
from truebook.ledger.verbs import Adjust
from truebook.venue.account import CashTransfer, ExchangeBalance
from truebook_services.cli.summary_table import title_of_run
from truebook_services.operator import transfer
from truebook_services.operator.port import RequestRefused
from truebook_services.operator.requests import Transfer
from truebook_services.operator.status import is_consistent

DOLLAR = 1_000_000


def moved(micros: int) -> Callable[[ExchangeBalance], ExchangeBalance]:
    return lambda held: msgspec.structs.replace(held, balance_micros=held.balance_micros + micros)


@pytest.fixture(autouse=True)
def compared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MOVED_FOR_S", 0.0)


@pytest.mark.parametrize("micros", [25 * DOLLAR, -25 * DOLLAR, 10_000])
async def test_money_moved_at_a_real_exchange_is_recorded(micros: int) -> None:
    async with AccountHarness() as account:
        await account.open()
        account.exchange.views[Shown.BALANCE] = moved(micros)
        operator = FakeOperator(account.ledger, account.exchange)
        for outcome in ("adjusted", "duplicate"):
            report = await operator.perform(Transfer(transfer_id="t", amount_micros=micros, recognize=True))
            assert (report.result, report.cash_micros) == (outcome, BALANCE + micros)
        view = await account.view()
        assert (view.account.deposits_micros, view.account.adjustments_micros) == (BALANCE + micros, 0)
        assert view.conservation_error_micros == 0


def listed(transfer_id: str, amount_micros: int, at_us: int, fee_micros: int = 0) -> CashTransfer:
    return CashTransfer(transfer_id=transfer_id, amount_micros=amount_micros, fee_micros=fee_micros, at_us=at_us)


@pytest.mark.parametrize(("amount", "fee"), [(25, 0), (-25, 0), (-24, 1)])
async def test_what_the_exchange_lists_is_recorded_under_its_id(amount: int, fee: int) -> None:
    """Else the reconciler would record it a second time, for another difference of the same amount."""
    async with AccountHarness() as account:
        await account.open()
        micros, now_us = (amount - fee) * DOLLAR, account.clock.now_us()
        await account.ledger.apply(Adjust(adjust_id="8", amount_micros=5, kind=AdjustKind.DEPOSIT, reason="known"))
        account.exchange.views[Shown.BALANCE] = moved(micros + 5)
        account.exchange.views[Shown.TRANSFERS] = lambda _: [  # newest first
            listed("9", 7 * DOLLAR, now_us + 2), listed("8", micros, now_us + 1),
            listed("7", amount * DOLLAR, now_us, fee * DOLLAR), listed("6", micros, now_us - 60_000_000),
        ]  # fmt: skip
        report = await FakeOperator(account.ledger, account.exchange).perform(
            Transfer(transfer_id="t", amount_micros=micros, recognize=True)
        )
        assert (report.result, report.transfer_id, report.amount_micros) == ("adjusted", "7", micros)
        assert [await account.ledger.adjustment(one) is not None for one in "67t"] == [False, True, False]
        assert (await account.view()).account.deposits_micros == BALANCE + micros + 5


async def test_lists_that_can_not_be_read_leave_it_to_the_operator() -> None:
    async with AccountHarness() as account:
        await account.open()
        account.exchange.views[Shown.BALANCE] = moved(DOLLAR)
        account.exchange.fail("transfers", Refused(403, "missing_scope"))
        report = await FakeOperator(account.ledger, account.exchange).perform(
            Transfer(transfer_id="t", amount_micros=DOLLAR, recognize=True)
        )
        assert (report.result, report.transfer_id) == ("adjusted", "t")


async def test_a_listed_deposit_is_not_recorded_as_interest() -> None:
    async with AccountHarness() as account:
        await account.open()
        account.exchange.views[Shown.BALANCE] = moved(DOLLAR)
        account.exchange.views[Shown.TRANSFERS] = lambda _: [listed("7", DOLLAR, account.clock.now_us())]
        with pytest.raises(RequestRefused, match="lists this amount as the transfer 7"):
            await FakeOperator(account.ledger, account.exchange).perform(
                Transfer(transfer_id="i", amount_micros=DOLLAR, recognize=True, interest=True)
            )
        assert (await account.view()).account.interest_micros == 0


@pytest.mark.parametrize(("shown", "requested"), [(0, DOLLAR), (DOLLAR, 2 * DOLLAR), (-DOLLAR, DOLLAR)])
async def test_another_amount_is_not_recorded(shown: int, requested: int) -> None:
    async with AccountHarness() as account:
        await account.open()
        account.exchange.views[Shown.BALANCE] = moved(shown)
        operator = FakeOperator(account.ledger, account.exchange)
        with pytest.raises(RequestRefused, match="not the only difference"):
            await operator.perform(Transfer(transfer_id="t", amount_micros=requested, recognize=True))
        assert (await account.view()).account.deposits_micros == BALANCE


async def test_interest_is_income_and_no_deposit() -> None:
    async with AccountHarness() as account:
        await account.open()
        account.exchange.views[Shown.BALANCE] = moved(370_000)
        operator = FakeOperator(account.ledger, account.exchange)
        interest = Transfer(transfer_id="i", amount_micros=370_000, interest=True)
        with pytest.raises(RequestRefused, match="interest is paid by the exchange"):
            await operator.perform(interest)
        await operator.perform(msgspec.structs.replace(interest, recognize=True))
        shown = (await account.view()).account
        assert (shown.interest_micros, shown.deposits_micros, shown.cash_micros) == (
            370_000,
            BALANCE,
            BALANCE + 370_000,
        )
        with pytest.raises(RequestRefused, match="another amount or kind"):
            await operator.perform(Transfer(transfer_id="i", amount_micros=370_000, recognize=True))


async def test_an_exchange_without_transfers_names_the_other_way() -> None:
    async with AccountHarness() as account:
        await account.open()
        account.exchange.fail("transfer", NotFound(404, "not_found"))
        with pytest.raises(RequestRefused, match=r"only by its own pages.*--recognize"):
            await FakeOperator(account.ledger, account.exchange).perform(
                Transfer(transfer_id="t", amount_micros=DOLLAR)
            )


async def test_a_repeated_id_moves_no_money_again() -> None:
    """Not even where the exchange no longer has the id."""
    async with AccountHarness() as account:
        await account.open()
        operator = FakeOperator(account.ledger, account.exchange)
        await operator.perform(Transfer(transfer_id="t", amount_micros=DOLLAR))
        account.exchange.fail("transfer", NotFound(404, "not_found"))
        report = await operator.perform(Transfer(transfer_id="t", amount_micros=DOLLAR))
        assert (report.result, report.cash_micros) == ("duplicate", BALANCE + DOLLAR)


async def test_an_earlier_residue_does_not_fail_a_run() -> None:
    async with AccountHarness() as account:
        await account.open()
        await account.ledger.apply(Adjust(adjust_id="r", amount_micros=5, kind=AdjustKind.RESIDUE, reason="earlier"))
        status = await FakeOperator(account.ledger).status()
        status = msgspec.structs.replace(status, ledger_equals_exchange=True, adjusted_in_run_micros=0)
        assert is_consistent(status)
        assert not is_consistent(msgspec.structs.replace(status, ledger_equals_exchange=None))
        assert title_of_run(status, agree=True) == "ledger and exchange agree"
        adjusted = msgspec.structs.replace(status, adjusted_in_run_micros=-5)
        assert is_consistent(adjusted)
        assert title_of_run(adjusted, agree=True) == (
            "ledger and exchange agree, after an adjustment of -5 micros in this run"
        )
