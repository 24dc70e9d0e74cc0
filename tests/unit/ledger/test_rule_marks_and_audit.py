"""Marks of the equity, the bound exchange, and what the audit derives from the parts."""

from __future__ import annotations

import pytest

from support.ledger_verbs import ASK, AnyVerb, a_fill, a_reserve, an_acknowledge, opened
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import HoldView
from truebook.ledger.rules.state import MAX_SINGLE_MICROS, MAX_TIME_US
from truebook.ledger.rules.views import while_restoring
from truebook.ledger.trading_holds import DAILY_LOSS, DRAWDOWN, JOURNAL
from truebook.ledger.verbs import (
    Adjust,
    AdoptedPosition,
    BindExchange,
    Close,
    Hold,
    Limits,
    MarkEquity,
    Mode,
    OpenAccount,
    Prune,
    Release,
    SettleMarket,
)

LIMITED = Limits(daily_loss_micros=100, drawdown_micros=300)


def mark(profit_micros: int, day: int = 1) -> MarkEquity:
    return MarkEquity(day=day, profit_micros=profit_micros)


async def limited() -> MemoryStore:
    store = MemoryStore()
    await store.apply(OpenAccount(balance_micros=1_000, exchange="host/key"))
    assert await store.apply(LIMITED) == "set"
    return store


@pytest.mark.parametrize("verb", [
    mark(0, day=0), mark(0, day=-1), mark(0, day=MAX_TIME_US + 1), mark(MAX_SINGLE_MICROS + 1),
    mark(-MAX_SINGLE_MICROS - 1), BindExchange(exchange="", former="host/key"),
], ids=repr)  # fmt: skip
async def test_invalid_marks_and_exchanges_change_nothing(verb: AnyVerb) -> None:
    store = await limited()
    before = (await store.view(), await store.journal())
    assert str(await store.apply(verb)) == "invalid"
    assert (await store.view(), await store.journal()) == before


@pytest.mark.parametrize("verb", [mark(MAX_SINGLE_MICROS), mark(-MAX_SINGLE_MICROS, MAX_TIME_US)], ids=repr)
async def test_the_largest_marks_are_valid(verb: MarkEquity) -> None:
    store = MemoryStore()
    assert await store.apply(verb) == "not_open"
    assert await store.journal() == ()
    await opened(store)
    assert await store.apply(verb) == "marked"


async def test_the_same_exchange_again_is_no_entry() -> None:
    store = await limited()
    before = await store.journal()
    assert await store.apply(BindExchange(exchange="host/key")) == "unchanged"
    assert await store.journal() == before


async def test_releasing_one_hold_of_losses_keeps_the_other_count() -> None:
    store = await limited()
    for verb in (mark(1_000), mark(500)):
        await store.apply(verb)
    assert {hold.name for hold in (await store.view(())).account.holds} == {DAILY_LOSS.name, DRAWDOWN.name}
    await store.apply(Release(name=DAILY_LOSS.name, owner=DAILY_LOSS.owner))
    marks = (await store.view(())).account.marks
    assert marks is not None and (marks.daily_loss_micros, marks.drawdown_micros) == (0, 500)
    await store.apply(Release(name=DRAWDOWN.name, owner=DRAWDOWN.owner))
    marks = (await store.view(())).account.marks
    assert marks is not None and (marks.day_start_micros, marks.peak_micros) == (500, 500)


async def test_marks_are_kept_while_one_limit_of_losses_is() -> None:
    store = await limited()
    await store.apply(mark(1_000))
    for limits in (Limits(daily_loss_micros=100), Limits(drawdown_micros=300), Limits(drawdown_micros=300)):
        await store.apply(limits)
        assert (await store.view(())).account.marks is not None
    await store.apply(Limits())
    assert (await store.view(())).account.marks is None


async def test_interest_adds_up() -> None:
    store = await limited()
    for adjust_id in ("a", "b"):
        await store.apply(Adjust(adjust_id=adjust_id, amount_micros=5, kind="interest", reason="test"))
    account = (await store.view(())).account
    assert (account.interest_micros, account.cash_micros) == (10, 1_010)


async def test_the_audit_derives_the_loss_of_exclusive_events() -> None:
    store = MemoryStore()
    await opened(store)
    for ticker in ("A", "B"):
        order_id = ticker.lower()
        await store.apply(a_reserve(order_id, ticker=ticker, exclusive=True, book_side=ASK))
        await store.apply(an_acknowledge(order_id, ticker=ticker))
        await store.apply(a_fill(f"t{order_id}", f"x{order_id}", ticker=ticker, book_side=ASK, size_centi=1000))
    await store.apply(a_reserve("c", ticker="C", event="F", size_centi=1))
    audit = await store.audit()
    assert (audit.errors, audit.view) == ({}, await store.view())
    assert store.ledger.state.totals.loss_micros == 2_000_000 + 4_000, "NO of both at .60: one of them pays a dollar"


@pytest.mark.parametrize("holds", [(), (("kill", Mode.HALTED), ("loss", Mode.REDUCE_ONLY)), (("odd@M", Mode.HALTED),)])
async def test_the_audit_derives_the_mode_of_the_holds(holds: tuple[tuple[str, Mode], ...]) -> None:
    store = MemoryStore()
    await opened(store)
    for name, mode in holds:
        await store.apply(Hold(name=name, mode=mode, owner="ann"))
    assert (await store.audit()).errors == {}


async def test_prune_subtracts_the_parked_fills_of_what_it_drops() -> None:
    store = MemoryStore()
    await opened(store)
    await store.apply(a_reserve("a", deadline_us=1_000, now_us=500, size_centi=400))
    await store.apply(an_acknowledge("a"))
    await store.apply(Close(order_id="a", exchange_order_id="xa", filled_centi=0))
    await store.apply(a_fill("late", "xa"))
    await store.apply(a_reserve("b", deadline_us=9_000, now_us=2_000))
    await store.apply(Prune(terminal_before_us=MAX_TIME_US, settled_before_us=MAX_TIME_US))
    assert (await store.audit()).errors == {}


async def test_pruned_markets_have_no_payout_of_their_own() -> None:
    store = MemoryStore()
    await opened(store)
    await store.apply(a_reserve("a", deadline_us=1_000, now_us=500, size_centi=400))
    await store.apply(an_acknowledge("a", filled_centi=400, remaining_centi=0))
    await store.apply(a_fill("t", "xa"))
    await store.apply(SettleMarket(ticker="M", settlement_cc=10_000))
    before = (await store.view()).account.cash_micros
    await store.apply(a_reserve("b", ticker="N", deadline_us=9_000, now_us=2_000, size_centi=1))
    assert await store.apply(Prune(terminal_before_us=MAX_TIME_US, settled_before_us=MAX_TIME_US)) == 3
    view = await store.view()
    assert view.account.cash_micros == before - 4_100  # a fill may cost the rounding of its fee
    assert (await store.audit()).errors == {}
    assert [(market.ticker, market.payout_micros) for market in view.markets] == [("", 0), ("N", 0)]


async def test_a_restore_is_shown_as_the_hold_of_the_journal() -> None:
    account = (await (await limited()).view(())).account
    assert while_restoring(account).holds == (HoldView(name=JOURNAL.name, mode=JOURNAL.mode, owner=JOURNAL.owner),)


async def test_an_order_may_take_the_cash_down_to_the_floor() -> None:
    store = MemoryStore()
    await opened(store, balance_micros=10_000_000)
    await store.apply(Limits(cash_floor_micros=5_900_000))
    assert str(await store.apply(a_reserve("a", size_centi=1000, price_cc=4001))) == "refused:cash"
    assert str(await store.apply(a_reserve("b", size_centi=1000))) == "reserved"
    assert (await store.view(())).account.cash_micros == 5_900_000


async def test_the_total_loss_counts_a_market_that_moves_once() -> None:
    store = MemoryStore()
    await opened(store, AdoptedPosition(ticker="M", event="E", position_centi=500, cost_micros=2_000_000))
    await store.apply(a_reserve("z", ticker="Z", event="Z", size_centi=100))
    await store.apply(Limits(total_loss_micros=2_800_000))
    assert str(await store.apply(a_reserve("a", event="F", size_centi=101))) == "refused:total_limit"
    assert str(await store.apply(a_reserve("b", event="F", size_centi=100))) == "reserved"
    assert (await store.audit()).errors == {}
