"""Halt and resume on the ledger, with an exchange in memory."""

from __future__ import annotations

import pytest

from support.account_harness import BALANCE, AccountHarness
from truebook.kalshi.port import OutcomeUnknown
from truebook.ledger.outcomes import AdjustKind
from truebook.ledger.trading_holds import DIFFERENCE, OPERATOR, UNREADABLE, WIND_DOWN
from truebook.ledger.verbs import Adjust, Mode
from truebook_services.operator.holds import halt_trading, resume_trading
from truebook_services.operator.port import AfterHalt, CancelFailed, HaltResult


async def test_a_halt_holds_and_cancels() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        await harness.place()
        result = await halt_trading(harness.ledger, harness.exchange.cancel_all, keep_orders=False)
        assert result == HaltResult(result="held", orders=AfterHalt.CANCELLED)
        assert harness.holds() == {"operator"}
        assert [order.remaining_centi for order in harness.exchange.own()] == [0]


async def test_a_halt_that_keeps_orders_has_a_hold_of_its_own() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        await harness.place()
        result = await halt_trading(harness.ledger, harness.exchange.cancel_all, keep_orders=True)
        assert result.orders is AfterHalt.KEPT
        assert harness.holds() == {"operator_keep_orders"}
        assert [order.remaining_centi for order in harness.exchange.own()] == [1_000]


async def test_a_halt_without_a_key_leaves_cancelling_to_execution() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        result = await halt_trading(harness.ledger, None, keep_orders=False)
        assert result.orders is AfterHalt.LEFT_TO_EXECUTION
        assert harness.holds() == {"operator"}


async def test_a_failed_cancellation_is_an_error_and_the_hold_remains() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        harness.exchange.fail("cancel_all", OutcomeUnknown("timed out"))
        with pytest.raises(CancelFailed, match="orders may still rest"):
            await halt_trading(harness.ledger, harness.exchange.cancel_all, keep_orders=False)
        assert harness.holds() == {"operator"}


async def test_a_resume_lists_what_remains_and_why() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        for hold in (OPERATOR, DIFFERENCE, WIND_DOWN, UNREADABLE.of_market("M")):
            await harness.ledger.apply(hold.place())
        result = await resume_trading(harness.ledger)
        assert (result.result, result.mode, result.may_trade) == ("released", Mode.HALTED, False)
        assert {hold.name: hold.reason for hold in result.remaining} == {
            "difference": DIFFERENCE.description, "unreadable@M": UNREADABLE.description,
            "wind_down": WIND_DOWN.description,
        }  # fmt: skip


async def test_a_resume_that_ends_the_last_hold_lets_trade() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        await harness.ledger.apply(OPERATOR.place())
        assert (await resume_trading(harness.ledger)).may_trade
        await harness.ledger.apply(WIND_DOWN.place())
        assert (await resume_trading(harness.ledger)).may_trade, "the next run releases it"


async def test_an_overdrawn_account_may_not_trade_freely() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        adjust = Adjust(adjust_id="w", amount_micros=-2 * BALANCE, kind=AdjustKind.DEPOSIT, reason="operator")
        await harness.ledger.apply(adjust)
        result = await resume_trading(harness.ledger)
        assert (result.mode, result.remaining, result.may_trade) == (Mode.REDUCE_ONLY, (), False)
