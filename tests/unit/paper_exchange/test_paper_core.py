"""A replayed journal restores the exchange: orders, fills, cash, ids, and all public data."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.manual_exchange import ACCOUNT, SECOND_US, ManualExchange, request
from truebook.messages.envelope import BookSide, TimeInForce
from truebook.simulation.events import Filled, MarketChanged, SimulationEvent
from truebook.simulation.venue.order_changes import Amendment
from truebook.simulation.venue.order_groups import GroupChange
from truebook.venue.account import CreateResponse, OrderStatus
from truebook_services.paper_exchange.engine.commands import (
    AmendOrder,
    CancelAllOrders,
    CancelOrder,
    ChangeGroup,
    CreateGroup,
    DecreaseOrder,
    PlaceOrder,
)
from truebook_services.paper_exchange.engine.journal_errors import ExchangeJournalMismatch

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "buy",
                "sell",
                "take",
                "change",
                "cancel",
                "cancel_all",
                "group",
                "wait",
                "wait",
                "checkpoint",
                "crash",
            ]
        ),
        st.integers(0, 9),
        st.integers(1, 9_900),
        st.integers(1, 2_000),
    ),
    min_size=3,
    max_size=25,
)


async def play(exchange: ManualExchange, kind: str, which: int, amount: int, size_centi: int, number: int) -> None:
    ticker = exchange.tickers()[which % len(exchange.tickers())]
    match kind:
        case "buy" | "sell":
            side = BookSide.BID if kind == "buy" else BookSide.ASK
            price_cc = max(100, amount // 100 * 100)
            expires = exchange.clock.now_us() // SECOND_US + which + 1 if which % 2 else None
            groups = exchange.engine.groups.of_account(ACCOUNT)
            order = request(
                ticker, number, book_side=side, price_cc=price_cc, size_centi=size_centi, expiration_s=expires,
                order_group_id=groups[which % len(groups)].group_id if groups else None,
            )  # fmt: skip
            await exchange.command(PlaceOrder(ACCOUNT, order))
        case "take":
            order = request(
                ticker, number, price_cc=9_900, size_centi=size_centi, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL
            )
            await exchange.command(PlaceOrder(ACCOUNT, order))
        case "cancel":
            orders = exchange.engine.queries.orders(ACCOUNT)
            if orders:
                await exchange.command(CancelOrder(ACCOUNT, orders[which % len(orders)].exchange_order_id))
        case "change":
            resting = exchange.engine.queries.orders(ACCOUNT, status=OrderStatus.RESTING)
            if resting and which % 2:
                await exchange.command(DecreaseOrder(ACCOUNT, resting[0].exchange_order_id, by_centi=size_centi))
            elif resting:
                selected = resting[which % len(resting)]
                amendment = Amendment(
                    ticker=selected.ticker,
                    book_side=selected.book_side,
                    price_cc=max(100, amount // 100 * 100),
                    total_centi=size_centi,
                    updated_client_order_id=f"amended-{number}",
                )
                await exchange.command(AmendOrder(ACCOUNT, selected.exchange_order_id, amendment))
        case "cancel_all":
            await exchange.command(CancelAllOrders(ACCOUNT))
        case "group":
            groups = exchange.engine.groups.of_account(ACCOUNT)
            await exchange.command(CreateGroup(ACCOUNT, size_centi))
            if groups:
                change = list(GroupChange)[which % len(GroupChange)]
                await exchange.command(ChangeGroup(ACCOUNT, groups[0].group_id, change, size_centi))
        case "checkpoint":
            exchange.server.save_checkpoint()
        case _:
            exchange.tick(amount / 200)


@given(steps=STEPS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_an_exchange_killed_at_any_time_is_restored(
    steps: list[tuple[str, int, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    asyncio.run(_kill_and_restore(tmp_path_factory.mktemp("exchange"), steps))


async def _kill_and_restore(folder: Path, steps: list[tuple[str, int, int, int]]) -> None:
    exchange = ManualExchange(folder, markets=6)
    exchange.tick(1)
    for number, (kind, which, amount, size_centi) in enumerate([*steps, ("crash", 0, 0, 0)]):
        if kind != "crash":
            await play(exchange, kind, which, amount, size_centi, number)
            continue
        before, now_us = exchange.state(), exchange.clock.now_us()
        exchange.kill()
        whole = folder.with_name(f"{folder.name}-{number}")
        shutil.copytree(folder, whole)
        (whole / "checkpoint").unlink(missing_ok=True)
        exchange, replayed = ManualExchange(folder, now_us, markets=6), ManualExchange(whole, now_us, markets=6)
        assert exchange.state() == replayed.state() == before
        replayed.tick(5)
        replayed.kill()
    exchange.kill()


async def test_market_events_after_the_last_account_event_are_replayed(tmp_path: Path) -> None:
    exchange = ManualExchange(tmp_path)
    exchange.tick(30)
    before = exchange.state()
    exchange.kill()
    back = ManualExchange(tmp_path, exchange.clock.now_us())
    assert back.state() == before
    back.kill()


async def test_downtime_shifts_the_market_but_not_order_expiries(tmp_path: Path) -> None:
    exchange = ManualExchange(tmp_path)
    exchange.tick(5)
    ticker = exchange.tickers()[0]
    soon, late = (exchange.clock.now_us() // SECOND_US + seconds for seconds in (60, 7_200))
    for number, expires in enumerate((soon, late)):
        await exchange.command(PlaceOrder(ACCOUNT, request(ticker, number, price_cc=100, expiration_s=expires)))
    closes = {market.ticker: market.close_us for market in exchange.engine.queries.markets()}
    exchange.kill()
    hour_us = 3_600 * SECOND_US
    back = ManualExchange(tmp_path, exchange.clock.now_us() + hour_us)
    assert {market.ticker: market.close_us for market in back.engine.queries.markets()} == {
        ticker: close_us + hour_us for ticker, close_us in closes.items()
    }
    back.tick()
    late_order, soon_order = back.engine.queries.orders(ACCOUNT)
    assert (soon_order.status, soon_order.last_update_reason) == (OrderStatus.CANCELED, "ExpiryCancel")
    assert late_order.status is OrderStatus.RESTING
    back.kill()


async def test_a_second_restart_skips_both_downtimes(tmp_path: Path) -> None:
    exchange = ManualExchange(tmp_path)
    exchange.tick(5)
    first = exchange.state()
    exchange.kill()
    for downtime_s in (100, 250):
        now_us = exchange.clock.now_us() + downtime_s * SECOND_US
        exchange = ManualExchange(tmp_path, now_us)
        assert exchange.state() == first
        exchange.kill()
    exchange = ManualExchange(tmp_path, exchange.clock.now_us())
    exchange.tick(5)
    assert exchange.state()["trades"] or exchange.events
    exchange.kill()


async def test_one_seed_gives_one_market_whatever_an_account_does(tmp_path: Path) -> None:
    quiet, busy = ManualExchange(tmp_path / "quiet"), ManualExchange(tmp_path / "busy")
    quiet.tick(2)
    busy.tick(2)
    await busy.command(
        *(PlaceOrder(ACCOUNT, request(ticker, n, price_cc=200)) for n, ticker in enumerate(busy.tickers()))
    )
    for exchange in (quiet, busy):
        exchange.tick(90)
    opened = [
        [
            event.metadata.ticker
            for event in exchange.events
            if isinstance(event, MarketChanged) and event.event_type == "created"
        ]
        for exchange in (quiet, busy)
    ]
    assert opened[0] == opened[1]
    assert quiet.tickers() == busy.tickers()
    quiet.kill()
    busy.kill()


async def test_results_are_journaled_before_they_are_published(tmp_path: Path) -> None:
    exchange = ManualExchange(tmp_path)
    exchange.tick(5)
    journal: Any = exchange.server.state.core.journal
    unwritten: list[int] = []

    def publish(events: Sequence[SimulationEvent]) -> None:
        if any(isinstance(event, Filled) for event in events):
            unwritten.append(len(journal._unwritten))
            assert b"take-me" in journal.file.read_bytes()

    order = request(exchange.tickers()[0], 1, price_cc=9_900, client_order_id="take-me")
    execution = asyncio.ensure_future(exchange.server.state.core.execute([PlaceOrder(ACCOUNT, order)]))
    await asyncio.sleep(0)
    exchange.server.state.core.tick(exchange.server.now_us(), publish)
    [response] = await execution
    assert isinstance(response, CreateResponse)
    assert response.filled_centi > 0
    assert unwritten == [0]
    exchange.kill()


async def test_commands_of_one_batch_are_executed_in_order(tmp_path: Path) -> None:
    exchange = ManualExchange(tmp_path)
    exchange.tick(5)
    ticker = exchange.tickers()[0]
    responses = await exchange.command(
        PlaceOrder(ACCOUNT, request(ticker, 1, price_cc=100)),
        PlaceOrder(ACCOUNT, request(ticker, 1, price_cc=100)),
        CancelAllOrders(ACCOUNT),
    )
    assert isinstance(responses[0], CreateResponse)
    assert getattr(responses[1], "code", None) == "order_already_exists"
    assert responses[2] is None
    assert not exchange.engine.queries.orders(ACCOUNT, status=OrderStatus.RESTING)
    exchange.kill()


@pytest.mark.parametrize("change", [{"markets": 7}, {"tickers": ("X-1",)}])
async def test_a_journal_with_other_settings_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    ManualExchange(tmp_path).kill()
    with pytest.raises(ExchangeJournalMismatch, match=f"{next(iter(change))}.*--fresh"):
        ManualExchange(tmp_path, **change)


async def test_a_failed_exchange_rejects_commands(tmp_path: Path) -> None:
    exchange = ManualExchange(tmp_path)
    core = exchange.server.state.core
    execution = asyncio.ensure_future(core.execute([CancelAllOrders(ACCOUNT)]))
    await asyncio.sleep(0)
    core.fail(OSError("disk full"))
    with pytest.raises(RuntimeError, match="has failed"):
        await execution
    with pytest.raises(RuntimeError, match="has failed"):
        await core.execute([CancelAllOrders(ACCOUNT)])
    exchange.kill()
