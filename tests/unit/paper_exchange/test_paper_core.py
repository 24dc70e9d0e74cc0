"""A journal leads back to the same exchange: orders, fills, money, ids, and what was public."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.turned_exchange import ACCOUNT, SECOND_US, TurnedExchange, request
from truebook.messages.envelope import BookSide, TimeInForce
from truebook.simulation.events import Filled, MarketChanged, SimulationEvent
from truebook.simulation.order_changes import Amendment
from truebook.simulation.order_groups import GroupChange
from truebook.venue.account import CreateAnswer, OrderStatus
from truebook_services.paper_exchange.commands import (
    Amend,
    Cancel,
    CancelAll,
    ChangeGroup,
    CreateGroup,
    Decrease,
    Place,
)
from truebook_services.paper_exchange.journal import JournalMismatch

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


async def play(rig: TurnedExchange, kind: str, which: int, amount: int, size_centi: int, number: int) -> None:
    ticker = rig.tickers()[which % len(rig.tickers())]
    match kind:
        case "buy" | "sell":
            side = BookSide.BID if kind == "buy" else BookSide.ASK
            price_cc = max(100, amount // 100 * 100)
            expires = rig.clock.now_us() // SECOND_US + which + 1 if which % 2 else None
            groups = rig.engine.groups(ACCOUNT)
            wanted = request(
                ticker, number, book_side=side, price_cc=price_cc, size_centi=size_centi, expiration_s=expires,
                order_group_id=groups[which % len(groups)].group_id if groups else None,
            )  # fmt: skip
            await rig.command(Place(ACCOUNT, wanted))
        case "take":
            wanted = request(
                ticker, number, price_cc=9_900, size_centi=size_centi, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL
            )
            await rig.command(Place(ACCOUNT, wanted))
        case "cancel":
            orders = rig.engine.orders(ACCOUNT)
            if orders:
                await rig.command(Cancel(ACCOUNT, orders[which % len(orders)].exchange_order_id))
        case "change":
            resting = rig.engine.orders(ACCOUNT, status=OrderStatus.RESTING)
            if resting and which % 2:
                await rig.command(Decrease(ACCOUNT, resting[0].exchange_order_id, by_centi=size_centi))
            elif resting:
                chosen = resting[which % len(resting)]
                wanted_now = Amendment(
                    ticker=chosen.ticker,
                    book_side=chosen.book_side,
                    price_cc=max(100, amount // 100 * 100),
                    total_centi=size_centi,
                    updated_client_order_id=f"amended-{number}",
                )
                await rig.command(Amend(ACCOUNT, chosen.exchange_order_id, wanted_now))
        case "cancel_all":
            await rig.command(CancelAll(ACCOUNT))
        case "group":
            groups = rig.engine.groups(ACCOUNT)
            await rig.command(CreateGroup(ACCOUNT, size_centi))
            if groups:
                change = list(GroupChange)[which % len(GroupChange)]
                await rig.command(ChangeGroup(ACCOUNT, groups[0].group_id, change, size_centi))
        case "checkpoint":
            rig.exchange.keep_checkpoint()
        case _:
            rig.turn(amount / 200)


@given(steps=STEPS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_an_exchange_that_is_killed_at_any_moment_comes_back_as_it_was(
    steps: list[tuple[str, int, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    asyncio.run(_killed_and_back(tmp_path_factory.mktemp("exchange"), steps))


async def _killed_and_back(folder: Path, steps: list[tuple[str, int, int, int]]) -> None:
    rig = TurnedExchange(folder, markets=6)
    rig.turn(1)
    for number, (kind, which, amount, size_centi) in enumerate([*steps, ("crash", 0, 0, 0)]):
        if kind != "crash":
            await play(rig, kind, which, amount, size_centi, number)
            continue
        before, now_us = rig.state(), rig.clock.now_us()
        rig.kill()
        whole = folder.with_name(f"{folder.name}-{number}")
        shutil.copytree(folder, whole)
        (whole / "checkpoint").unlink(missing_ok=True)
        rig, replayed = TurnedExchange(folder, now_us, markets=6), TurnedExchange(whole, now_us, markets=6)
        assert rig.state() == replayed.state() == before
        replayed.turn(5)
        replayed.kill()
    rig.kill()


async def test_what_the_market_did_after_the_last_account_event_happens_again(tmp_path: Path) -> None:
    rig = TurnedExchange(tmp_path)
    rig.turn(30)
    before = rig.state()
    rig.kill()
    back = TurnedExchange(tmp_path, rig.clock.now_us())
    assert back.state() == before
    back.kill()


async def test_the_time_away_is_skipped_by_the_market_but_kept_by_the_expiry_of_orders(tmp_path: Path) -> None:
    rig = TurnedExchange(tmp_path)
    rig.turn(5)
    ticker = rig.tickers()[0]
    soon, late = (rig.clock.now_us() // SECOND_US + seconds for seconds in (60, 7_200))
    for number, expires in enumerate((soon, late)):
        await rig.command(Place(ACCOUNT, request(ticker, number, price_cc=100, expiration_s=expires)))
    closes = {facts.ticker: facts.close_us for facts in rig.engine.markets()}
    rig.kill()
    hour_us = 3_600 * SECOND_US
    back = TurnedExchange(tmp_path, rig.clock.now_us() + hour_us)
    assert {facts.ticker: facts.close_us for facts in back.engine.markets()} == {
        ticker: close_us + hour_us for ticker, close_us in closes.items()
    }
    back.turn()
    late_order, soon_order = back.engine.orders(ACCOUNT)
    assert (soon_order.status, soon_order.last_update_reason) == (OrderStatus.CANCELED, "ExpiryCancel")
    assert late_order.status is OrderStatus.RESTING
    back.kill()


async def test_a_second_restart_skips_both_times_away(tmp_path: Path) -> None:
    rig = TurnedExchange(tmp_path)
    rig.turn(5)
    first = rig.state()
    rig.kill()
    for away_s in (100, 250):
        now_us = rig.clock.now_us() + away_s * SECOND_US
        rig = TurnedExchange(tmp_path, now_us)
        assert rig.state() == first
        rig.kill()
    rig = TurnedExchange(tmp_path, rig.clock.now_us())
    rig.turn(5)
    assert rig.state()["trades"] or rig.told
    rig.kill()


async def test_the_same_seed_gives_the_same_market_whatever_an_account_does(tmp_path: Path) -> None:
    quiet, busy = TurnedExchange(tmp_path / "quiet"), TurnedExchange(tmp_path / "busy")
    quiet.turn(2)
    busy.turn(2)
    await busy.command(*(Place(ACCOUNT, request(ticker, n, price_cc=200)) for n, ticker in enumerate(busy.tickers())))
    for rig in (quiet, busy):
        rig.turn(90)
    opened = [
        [event.facts.ticker for event in rig.told if isinstance(event, MarketChanged) and event.event_type == "created"]
        for rig in (quiet, busy)
    ]
    assert opened[0] == opened[1]
    assert quiet.tickers() == busy.tickers()
    quiet.kill()
    busy.kill()


async def test_an_answer_and_its_fills_are_in_the_journal_before_anyone_hears_of_them(tmp_path: Path) -> None:
    rig = TurnedExchange(tmp_path)
    rig.turn(5)
    journal: Any = rig.exchange._journal
    heard: list[int] = []

    def hear(events: Sequence[SimulationEvent]) -> None:
        if any(isinstance(event, Filled) for event in events):
            heard.append(len(journal._waiting))
            assert b"take-me" in journal.file.read_bytes()

    wanted = request(rig.tickers()[0], 1, price_cc=9_900, client_order_id="take-me")
    waiting = asyncio.ensure_future(rig.exchange.floor.core.carry_out([Place(ACCOUNT, wanted)]))
    await asyncio.sleep(0)
    rig.exchange.floor.core.turn(rig.exchange.now_us(), hear)
    [answer] = await waiting
    assert isinstance(answer, CreateAnswer)
    assert answer.filled_centi > 0
    assert heard == [0]
    rig.kill()


async def test_commands_of_one_batch_are_carried_out_in_their_order(tmp_path: Path) -> None:
    rig = TurnedExchange(tmp_path)
    rig.turn(5)
    ticker = rig.tickers()[0]
    answers = await rig.command(
        Place(ACCOUNT, request(ticker, 1, price_cc=100)),
        Place(ACCOUNT, request(ticker, 1, price_cc=100)),
        CancelAll(ACCOUNT),
    )
    assert isinstance(answers[0], CreateAnswer)
    assert getattr(answers[1], "code", None) == "order_already_exists"
    assert answers[2] is None
    assert not rig.engine.orders(ACCOUNT, status=OrderStatus.RESTING)
    rig.kill()


@pytest.mark.parametrize("change", [{"seed": 2}, {"markets": 7}, {"balance_micros": 5}, {"tickers": ("X-1",)}])
async def test_a_journal_of_another_exchange_is_refused_with_what_differs(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    TurnedExchange(tmp_path).kill()
    with pytest.raises(JournalMismatch, match=f"{next(iter(change))}.*--fresh"):
        TurnedExchange(tmp_path, **change)


async def test_a_failed_exchange_takes_no_more_commands(tmp_path: Path) -> None:
    rig = TurnedExchange(tmp_path)
    core = rig.exchange.floor.core
    waiting = asyncio.ensure_future(core.carry_out([CancelAll(ACCOUNT)]))
    await asyncio.sleep(0)
    core.fail(OSError("disk full"))
    with pytest.raises(RuntimeError, match="has failed"):
        await waiting
    with pytest.raises(RuntimeError, match="has failed"):
        await core.carry_out([CancelAll(ACCOUNT)])
    rig.kill()
