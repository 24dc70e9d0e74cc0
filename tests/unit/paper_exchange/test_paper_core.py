"""A journal leads back to the same exchange: orders, fills, money, ids, and what was public."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.paper_rig import paper_settings
from truebook.clock import ManualClock
from truebook.messages.envelope import BookSide, TimeInForce
from truebook.simulation.events import Filled, MarketChanged, SimulationEvent
from truebook.simulation.order_changes import Amendment
from truebook.venue.account import CreateAnswer, OrderRequest, OrderStatus
from truebook_services.paper_exchange.commands import Amend, Answer, Cancel, CancelAll, Command, Decrease, Place
from truebook_services.paper_exchange.journal import JournalMismatch
from truebook_services.paper_exchange.server import PaperExchange

ACCOUNT = "sim-main"
SECOND_US = 1_000_000
START_US = 1_764_000_000_000_000


class Rig:
    """An exchange without sockets that is turned by hand."""

    def __init__(self, folder: Path, now_us: int = START_US, **changes: Any) -> None:
        self.clock = ManualClock(now_us)
        self.exchange = PaperExchange(paper_settings(folder, **changes), self.clock, structlog.get_logger())
        self.exchange.prepare()
        self.told: list[SimulationEvent] = []
        self.engine = self.exchange.floor.engine

    def turn(self, seconds: float = 0) -> None:
        """Let time pass, and do turns until nothing is due."""
        self.clock.set(self.clock.now_us() + int(seconds * SECOND_US))
        core = self.exchange.floor.core
        while not core.turn(self.exchange.now_us(), self._hear):
            pass

    def _hear(self, events: Sequence[SimulationEvent]) -> None:
        self.told += events
        self.exchange.floor.hub.deliver(events)

    async def command(self, *commands: Command) -> list[Answer]:
        waiting = asyncio.ensure_future(self.exchange.floor.core.carry_out(commands))
        await asyncio.sleep(0)
        self.turn()
        return await waiting

    def tickers(self) -> list[str]:
        return [facts.ticker for facts in self.engine.markets()]

    def state(self) -> dict[str, Any]:
        """Everything that an account or a reader of markets can see."""
        engine = self.engine
        return {
            "orders": engine.orders(ACCOUNT),
            "fills": engine.fills(ACCOUNT),
            "settlements": engine.settlements(ACCOUNT),
            "positions": engine.positions(ACCOUNT),
            "balance": engine.balance(ACCOUNT),
            "held": engine.held_micros(ACCOUNT),
            "books": {
                ticker: (engine.book(ticker).levels(BookSide.BID), engine.book(ticker).levels(BookSide.ASK))
                for ticker in self.tickers()
            },
            "trades": engine.trades(None, 1_000),
            "last": {ticker: self.exchange.floor.hub.stats(ticker).last_price_cc for ticker in self.tickers()},
        }

    async def close(self) -> None:
        await self.exchange.aclose()

    def kill(self) -> None:
        """End as kill -9 does: nothing is written any more."""
        journal: Any = self.exchange._journal
        journal._waiting.clear()
        journal.close()


def request(ticker: str, number: int, **changes: Any) -> OrderRequest:
    fields: dict[str, Any] = {
        "ticker": ticker,
        "client_order_id": f"c{number}",
        "book_side": BookSide.BID,
        "price_cc": 5_000,
        "size_centi": 300,
    } | changes
    return OrderRequest(**fields)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell", "take", "change", "cancel", "cancel_all", "wait", "wait", "crash"]),
        st.integers(0, 9),
        st.integers(1, 9_900),
        st.integers(1, 2_000),
    ),
    min_size=3,
    max_size=25,
)


async def play(rig: Rig, kind: str, which: int, amount: int, size_centi: int, number: int) -> None:
    ticker = rig.tickers()[which % len(rig.tickers())]
    match kind:
        case "buy" | "sell":
            side = BookSide.BID if kind == "buy" else BookSide.ASK
            price_cc = max(100, amount // 100 * 100)
            expires = rig.clock.now_us() // SECOND_US + which + 1 if which % 2 else None
            wanted = request(
                ticker, number, book_side=side, price_cc=price_cc, size_centi=size_centi, expiration_s=expires
            )
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
        case _:
            rig.turn(amount / 200)


@given(steps=STEPS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_an_exchange_that_is_killed_at_any_moment_comes_back_as_it_was(
    steps: list[tuple[str, int, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    asyncio.run(_killed_and_back(tmp_path_factory.mktemp("exchange"), steps))


async def _killed_and_back(folder: Path, steps: list[tuple[str, int, int, int]]) -> None:
    rig = Rig(folder, markets=6)
    rig.turn(1)
    for number, (kind, which, amount, size_centi) in enumerate([*steps, ("crash", 0, 0, 0)]):
        if kind != "crash":
            await play(rig, kind, which, amount, size_centi, number)
            continue
        before, now_us = rig.state(), rig.clock.now_us()
        rig.kill()
        rig = Rig(folder, now_us, markets=6)
        assert rig.state() == before
    rig.kill()


async def test_what_the_market_did_after_the_last_account_event_happens_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.turn(30)
    before = rig.state()
    rig.kill()
    back = Rig(tmp_path, rig.clock.now_us())
    assert back.state() == before
    back.kill()


async def test_the_time_away_is_skipped_by_the_market_but_kept_by_the_expiry_of_orders(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.turn(5)
    ticker = rig.tickers()[0]
    soon, late = (rig.clock.now_us() // SECOND_US + seconds for seconds in (60, 7_200))
    for number, expires in enumerate((soon, late)):
        await rig.command(Place(ACCOUNT, request(ticker, number, price_cc=100, expiration_s=expires)))
    closes = {facts.ticker: facts.close_us for facts in rig.engine.markets()}
    rig.kill()
    hour_us = 3_600 * SECOND_US
    back = Rig(tmp_path, rig.clock.now_us() + hour_us)
    assert {facts.ticker: facts.close_us for facts in back.engine.markets()} == {
        ticker: close_us + hour_us for ticker, close_us in closes.items()
    }
    back.turn()
    late_order, soon_order = back.engine.orders(ACCOUNT)
    assert (soon_order.status, soon_order.last_update_reason) == (OrderStatus.CANCELED, "ExpiryCancel")
    assert late_order.status is OrderStatus.RESTING
    back.kill()


async def test_a_second_restart_skips_both_times_away(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.turn(5)
    first = rig.state()
    rig.kill()
    for away_s in (100, 250):
        now_us = rig.clock.now_us() + away_s * SECOND_US
        rig = Rig(tmp_path, now_us)
        assert rig.state() == first
        rig.kill()
    rig = Rig(tmp_path, rig.clock.now_us())
    rig.turn(5)
    assert rig.state()["trades"] or rig.told
    rig.kill()


async def test_the_same_seed_gives_the_same_market_whatever_an_account_does(tmp_path: Path) -> None:
    quiet, busy = Rig(tmp_path / "quiet"), Rig(tmp_path / "busy")
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
    rig = Rig(tmp_path)
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
    rig = Rig(tmp_path)
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
    Rig(tmp_path).kill()
    with pytest.raises(JournalMismatch, match=f"{next(iter(change))}.*--fresh"):
        Rig(tmp_path, **change)


async def test_a_failed_exchange_takes_no_more_commands(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    core = rig.exchange.floor.core
    waiting = asyncio.ensure_future(core.carry_out([CancelAll(ACCOUNT)]))
    await asyncio.sleep(0)
    core.fail(OSError("disk full"))
    with pytest.raises(RuntimeError, match="has failed"):
        await waiting
    with pytest.raises(RuntimeError, match="has failed"):
        await core.carry_out([CancelAll(ACCOUNT)])
    rig.kill()
