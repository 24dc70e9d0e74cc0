"""The operator's requests on a ledger and an exchange in memory, and the same over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from support.account_harness import BALANCE, AccountHarness
from support.fake_operator import FakeOperator
from truebook.ledger.outcomes import AdjustOutcome
from truebook.ledger.port import LedgerView
from truebook.ledger.verbs import Acknowledge, Limits, OrderState, SettleFill
from truebook.messages.envelope import BookSide, Source
from truebook.messages.fills import ReportOutcome
from truebook_services.operator.access import Access
from truebook_services.operator.api import operator_app
from truebook_services.operator.client import HttpOperator
from truebook_services.operator.flatten import ActionSender
from truebook_services.operator.port import Operator, RequestRefused
from truebook_services.operator.requests import (
    ChangeLimits,
    Flatten,
    ListFills,
    ListOrders,
    ListPositions,
    Reconcile,
    ShowPnl,
    Transfer,
)


@asynccontextmanager
async def open_account(*, with_exchange: bool = True) -> AsyncIterator[tuple[AccountHarness, Operator]]:
    """Open an account and call its operator over HTTP, as commands do while a system runs."""
    async with AccountHarness() as account:
        await account.open()
        backend = FakeOperator(account.ledger, account.exchange if with_exchange else None)
        backend.books = {"M": (((5_000, 100_000),), ((6_000, 100_000),))}
        transport = httpx.ASGITransport(operator_app(backend, "t0ken"))
        yield account, HttpOperator(Access(url="http://api", token="t0ken", pid=1), transport=transport)


async def record_fill(account: AccountHarness, trade_id: str, exchange_order_id: str = "x") -> ReportOutcome:
    return await account.ledger.apply(
        SettleFill(
            trade_id=trade_id, order_id=exchange_order_id, ticker="M", book_side=BookSide.BID, price_cc=4_000,
            size_centi=1_000, fee_micros=70,
        )
    )  # fmt: skip


async def test_limits_change_one_by_one_and_clear() -> None:
    async with open_account() as (_, operator):
        assert (await operator.perform(ChangeLimits())).limits == Limits()
        await operator.perform(ChangeLimits(changes={"open_orders": 5, "cash_floor_micros": 1_000_000}))
        changed = await operator.perform(ChangeLimits(changes={"open_orders": None, "market_centi": 700}))
        assert changed.limits == Limits(cash_floor_micros=1_000_000, market_centi=700)
        assert (await operator.perform(ChangeLimits())).limits == changed.limits


@pytest.mark.parametrize("changes", [{"open_order": 5}, {"open_orders": -1}])
async def test_a_wrong_limit_changes_nothing(changes: dict[str, int | None]) -> None:
    async with open_account() as (_, operator):
        with pytest.raises(RequestRefused):
            await operator.perform(ChangeLimits(changes={"market_centi": 5, **changes}))
        assert (await operator.perform(ChangeLimits())).limits == Limits()


async def account_of(account: AccountHarness) -> tuple[LedgerView, int]:
    return await account.view(), (await account.exchange.balance()).balance_micros


async def test_a_transfer_changes_exchange_and_ledger_once() -> None:
    async with open_account() as (account, operator):
        for expected in (AdjustOutcome.ADJUSTED, AdjustOutcome.DUPLICATE):
            report = await operator.perform(Transfer(transfer_id="t1", amount_micros=5_000_000))
            assert (report.result, report.cash_micros) == (expected, BALANCE + 5_000_000)
        await operator.perform(Transfer(transfer_id="t2", amount_micros=-2_000_000))
        view, at_exchange = await account_of(account)
        assert view.account.cash_micros == at_exchange == BALANCE + 3_000_000
        assert view.conservation_error_micros == 0
        assert (await operator.perform(Reconcile())).equal


@pytest.mark.parametrize(
    ("transfer_id", "amount_micros", "cause"),
    [
        ("t", 0, "is 0"),
        ("t", 15_000, "whole cents"),
        ("", 10_000, "no id"),
        ("t", -2 * BALANCE, "insufficient_balance"),
    ],
)
async def test_a_refused_transfer_moves_nothing(transfer_id: str, amount_micros: int, cause: str) -> None:
    async with open_account() as (account, operator):
        with pytest.raises(RequestRefused, match=cause):
            await operator.perform(Transfer(transfer_id=transfer_id, amount_micros=amount_micros))
        view, at_exchange = await account_of(account)
        assert view.account.cash_micros == at_exchange == BALANCE


async def test_a_transfer_id_is_not_used_for_another_amount() -> None:
    async with open_account() as (_, operator):
        await operator.perform(Transfer(transfer_id="t", amount_micros=10_000))
        with pytest.raises(RequestRefused, match="the id t has another amount or kind"):
            await operator.perform(Transfer(transfer_id="t", amount_micros=20_000))


async def test_cash_of_resting_orders_is_not_withdrawn() -> None:
    async with open_account() as (account, operator):
        await account.place()
        with pytest.raises(RequestRefused, match="insufficient_balance"):
            await operator.perform(Transfer(transfer_id="t", amount_micros=-BALANCE))


@pytest.mark.parametrize("request_", [Reconcile(), Transfer(transfer_id="t", amount_micros=10_000)])
async def test_without_an_exchange_the_refusal_states_what_it_needs(request_: Any) -> None:
    async with open_account(with_exchange=False) as (_, operator):
        with pytest.raises(RequestRefused, match="set TRUEBOOK_EXCHANGE_URL"):
            await operator.perform(request_)


async def test_open_orders_are_listed_per_market() -> None:
    async with open_account() as (account, operator):
        order_id, _ = await account.place()
        [order] = (await operator.perform(ListOrders())).orders
        assert (order.order_id, order.state, order.remaining_centi) == (order_id, "reserved", 1_000)
        account.exchange.add_market("OTHER")
        assert (await operator.perform(ListOrders(ticker="OTHER"))).orders == ()


async def test_fills_are_listed_newest_first_and_counted() -> None:
    async with open_account() as (account, operator):
        for trade_id in ("a", "b", "c"):
            await record_fill(account, trade_id)
        everything = await operator.perform(ListFills())
        assert [fill.trade_id for fill in everything.fills] == ["c", "b", "a"]
        assert everything.is_complete
        newest = await operator.perform(ListFills(limit=2))
        assert ([fill.trade_id for fill in newest.fills], newest.is_complete) == (["c", "b"], False)
        account.exchange.add_market("OTHER")
        assert (await operator.perform(ListFills(ticker="OTHER"))).fills == ()
        with pytest.raises(RequestRefused, match="at most"):
            await operator.perform(ListFills(limit=5_000))


async def test_a_trimmed_journal_is_reported_as_incomplete() -> None:
    async with open_account() as (account, operator):
        await record_fill(account, "a")
        await account.ledger.trim_journal(2)
        assert not (await operator.perform(ListFills())).is_complete


async def test_positions_and_profit_are_valued_by_the_books() -> None:
    async with open_account() as (account, operator):
        order_id, exchange_order_id = await account.place()
        acknowledged = Acknowledge(
            order_id=order_id, exchange_order_id=exchange_order_id, ticker="M", filled_centi=0, remaining_centi=1_000
        )
        assert await account.ledger.apply(acknowledged) is OrderState.ACKNOWLEDGED
        assert await record_fill(account, "a", exchange_order_id) is ReportOutcome.APPLIED
        [position] = (await operator.perform(ListPositions())).positions
        assert (position.ticker, position.position_centi, position.cost_micros) == ("M", 1_000, 4_000_000)
        assert (position.unrealized_micros, position.unsaleable_centi) == (1_000_000, 0)
        pnl = await operator.perform(ShowPnl())
        assert (pnl.account.unrealized_micros, pnl.account.realized_micros) == (1_000_000, 0)
        assert pnl.markets == (position,)


@pytest.mark.parametrize("with_exchange", [True, False])
@pytest.mark.parametrize("kind", [ListOrders, ListFills, ListPositions])
async def test_a_market_that_does_not_exist_is_refused(
    kind: type[ListOrders] | type[ListFills] | type[ListPositions], with_exchange: bool
) -> None:
    async with open_account(with_exchange=with_exchange) as (account, operator):
        account.exchange.add_market("LISTED")
        with pytest.raises(RequestRefused, match="no market NOSUCH"):
            await operator.perform(kind(ticker="NOSUCH"))
        for ticker in ("M", "LISTED") if with_exchange else ("M",):
            await operator.perform(kind(ticker=ticker))


async def test_a_flatten_of_an_unknown_market_holds_nothing() -> None:
    async with open_account() as (account, _):
        backend = FakeOperator(account.ledger, account.exchange)
        backend.sender = ActionSender(
            account="a", strategy="s", source=Source.SIMULATED, now_us=lambda: 0, publish=no_publish
        )
        with pytest.raises(RequestRefused, match="no market NOSUCH"):
            await backend.perform(Flatten(tickers=("NOSUCH",)))
        assert (await account.view()).account.holds == ()


async def test_a_hold_that_does_not_exist_is_refused() -> None:
    async with open_account() as (_, operator):
        with pytest.raises(RequestRefused, match="there is no trading hold NOSUCH; in force: none"):
            await operator.resume("NOSUCH")
        assert (await operator.resume("difference")).result == "no_hold"


async def no_publish(records: Sequence[tuple[str, bytes]]) -> None:
    raise AssertionError(f"published {records}")


async def test_reconcile_records_what_the_ledger_lacks() -> None:
    async with open_account() as (account, operator):
        order_id, _ = await account.place(BookSide.BID, 4_000, 1_000)
        account.exchange.trade("M", BookSide.ASK, 4_000, 400)
        await account.manual.advance(10)
        report = await operator.perform(Reconcile())
        assert report.equal and report.errors_of_totals == {}
        assert report.recorded == {"fills": 1, "orders": 1, "settlements": 0, "adjustments": 0}
        assert await account.state(order_id) == "acknowledged" and account.position() == 400
        again = await operator.perform(Reconcile())
        assert set(again.recorded.values()) == {0}


@pytest.mark.long  # the comparison is repeated for some seconds, by the machine's clock
async def test_reconcile_reports_totals_that_are_wrong() -> None:
    async with open_account() as (account, operator):
        account.ledger.ledger.state.totals.fees_micros += 500
        report = await operator.perform(Reconcile())
        assert report.errors_of_totals == {"cash_micros": -500, "fees_micros": 500}


async def test_fills_have_the_exchanges_time() -> None:
    async with open_account() as (account, operator):
        await account.place(BookSide.BID, 4_000, 1_000)
        account.exchange.trade("M", BookSide.ASK, 4_000, 400)
        await account.manual.advance(10)
        await operator.perform(Reconcile())
        (fill,) = (await operator.perform(ListFills())).fills
        (listed,) = await account.exchange.fills()
        assert fill.exchange_us == listed.created_us
        await record_fill(account, "t-without-time", "y")
        assert [one.exchange_us for one in (await operator.perform(ListFills())).fills] == [None, listed.created_us]
