"""The fill listener: every fact reaches the ledger once, whatever the socket does."""

from __future__ import annotations

import asyncio

import pytest

from support.account_rig import AccountRig, listening
from support.execution_rig import kill_at, until
from support.fakes_exchange import FakeSocket, fill_frame
from truebook.clock import SystemClock
from truebook.ledger.facts import SWEPT
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import SettleFill, StoreUnavailable
from truebook.messages.codec import decode
from truebook.messages.dead_letters import DeadLetter
from truebook.messages.envelope import BookSide
from truebook.messages.topics import DEAD_LETTERS
from truebook.venue.account import OrderRequest
from truebook_services.fill_listener.settings import FillListenerSettings


async def test_a_live_fill_moves_the_money_and_is_then_published() -> None:
    async with AccountRig() as rig:
        await rig.open()
        await listening(rig)
        order_id, exchange_id = await rig.place()
        rig.exchange.trade("M", BookSide.ASK, 4000, 400)
        await rig.settled(400)
        await until(rig.fills, "published")
        (news,) = rig.fills()
        assert (news.answer, news.size_centi, news.client_order_id) == ("applied", 400, order_id)
        assert news.exchange_order_id == exchange_id
        assert news.basis == "synthetic"
        assert await rig.state(order_id) == "acknowledged", "the order's own news acknowledged it"


async def test_an_order_that_ends_is_closed_with_its_total() -> None:
    async with AccountRig() as rig:
        await rig.open()
        await listening(rig)
        order_id, exchange_id = await rig.place()
        rig.exchange.trade("M", BookSide.ASK, 4000, 400)
        await rig.exchange.cancel_order(exchange_id, "M")
        await until(lambda: any(news.status == "canceled" for news in rig.order_news()), "told")
        assert await rig.state(order_id) == "terminal"
        assert (await rig.view()).account.promised_micros == 0


async def test_nothing_is_booked_before_the_account_is_open_and_nothing_from_before_afterwards() -> None:
    async with AccountRig() as rig:
        request = OrderRequest(ticker="M", client_order_id="web", book_side=BookSide.BID, price_cc=4000, size_centi=500)
        rig.exchange.place_by_hand(request)
        rig.exchange.trade("M", BookSide.ASK, 4000, 500)
        running = rig.listen()
        await asyncio.sleep(0.02)
        assert running.service.not_ready()
        rig.manual.set(rig.manual.now_us() + 1_000_000)
        await rig.open()
        await rig.manual.advance(0.2)
        await until(lambda: not running.service.not_ready(), "it follows")
        view = await rig.view()
        assert view.markets == ()
        assert view.account.parked == 0
        assert not rig.fills()


async def test_what_happened_while_nobody_listened_is_made_good_by_the_backfill() -> None:
    async with AccountRig() as rig:
        await rig.open()
        order_id, _ = await rig.place()
        rig.exchange.trade("M", BookSide.ASK, 4000, 400)
        await listening(rig)
        assert rig.position() == 400
        assert await rig.state(order_id) == "acknowledged"


async def test_frames_that_arrive_during_the_backfill_wait_and_are_not_lost() -> None:
    async with AccountRig() as rig:
        await rig.open()
        await rig.place()
        at_fills, go_on = asyncio.Event(), asyncio.Event()

        async def slowly(_: object) -> None:
            at_fills.set()
            await go_on.wait()

        rig.exchange.before["fills"] = slowly
        running = rig.listen()
        await at_fills.wait()
        hidden_before = {fill.trade_id for fill in rig.exchange.engine.fills("sim-main")}
        rig.exchange.trade("M", BookSide.ASK, 4000, 400)
        rig.exchange.hidden_fills |= {f.trade_id for f in rig.exchange.engine.fills("sim-main")} - hidden_before
        go_on.set()
        await rig.settled(400)
        await until(lambda: not running.service.not_ready(), "it follows")


async def test_told_twice_late_and_out_of_order_gives_the_same_books() -> None:
    async with AccountRig() as rig:
        await rig.open()
        rig.exchange.untold = {"fill", "user_order"}
        await listening(rig, sweep_s=1000)
        first, _ = await rig.place()
        second, _ = await rig.place(BookSide.ASK, 4500)
        rig.exchange.trade("M", BookSide.ASK, 4000, 600)
        rig.exchange.trade("M", BookSide.ASK, 4000, 400)
        rig.exchange.trade("M", BookSide.BID, 4500, 300)
        fills = rig.exchange.engine.fills("sim-main")
        socket = rig.connector.opened[-1]
        for fill in [*fills, *reversed(fills), fills[0]]:
            socket.deliver(fill_frame(fill))
        await until(lambda: len(rig.fills()) == 3, "all are told")
        view = await rig.view()
        assert view.account.parked == 3, "their orders are not known yet"
        rig.exchange.untold = set()
        socket.drop()
        await rig.manual.advance(0.5)
        await rig.settled(700)
        assert (await rig.view()).account.parked == 0
        assert (await rig.state(first), await rig.state(second)) == ("terminal", "acknowledged")
        assert len(rig.fills()) == 3, "published once each"


async def test_a_lost_connection_is_replaced_and_its_gap_is_closed() -> None:
    async with AccountRig() as rig:
        await rig.open()
        await listening(rig)
        await rig.place()
        rig.connector.refuse = 2
        rig.connector.opened[-1].drop()
        rig.exchange.trade("M", BookSide.ASK, 4000, 400)
        for _ in range(8):
            await rig.manual.advance(0.5)
        await until(lambda: len(rig.connector.opened) == 2, "connected anew")
        await rig.settled(400)


async def test_a_new_connection_closes_its_gap_itself_before_it_follows() -> None:
    """Nothing waits for the sweep beside the socket, which comes a quarter of an hour later here."""
    async with AccountRig() as rig:
        await rig.open()
        running = await listening(rig, sweep_s=1000)
        await rig.place()
        rig.connector.refuse = 1
        rig.connector.opened[-1].drop()
        await until(running.service.not_ready, "the connection is lost")
        rig.exchange.trade("M", BookSide.ASK, 4000, 400)
        for _ in range(4):
            await rig.manual.advance(0.5)
        await until(lambda: not running.service.not_ready(), "it follows again")
        assert rig.position() == 400


async def test_a_deaf_socket_is_found_out_by_the_sweep_and_replaced() -> None:
    async with AccountRig() as rig:
        await rig.open()
        await listening(rig, sweep_s=5)
        await rig.place()
        await rig.manual.advance(1)
        rig.exchange.untold = {"fill", "user_order"}
        rig.exchange.trade("M", BookSide.ASK, 4000, 400)
        await rig.manual.advance(7)
        await rig.settled(400)
        await until(lambda: rig.connector.opened[0].closed, "the deaf socket is given up")


class SilentSocket(FakeSocket):
    """Confirms the subscriptions, then says nothing."""

    async def send(self, text: str) -> None:
        if "subscribe" in text and "list" not in text:
            await super().send(text)


async def test_a_socket_that_gives_no_sign_of_life_is_replaced() -> None:
    async with AccountRig(SystemClock()) as rig:
        await rig.open()
        silent = SilentSocket(rig.exchange)

        async def connect() -> FakeSocket:
            rig.connector.opened.append(silent)
            return silent

        original, rig.connector.connect = rig.connector.connect, connect  # type: ignore[method-assign]
        await listening(rig, quiet_s=0.05, silence_s=0.2)
        rig.connector.connect = original  # type: ignore[method-assign]
        await until(lambda: silent.closed and len(rig.connector.opened) == 2, "the silent socket is replaced")


async def test_a_quiet_socket_that_gives_a_sign_of_life_is_kept() -> None:
    async with AccountRig(SystemClock()) as rig:
        await rig.open()
        await listening(rig, quiet_s=0.02, silence_s=0.2)
        socket = rig.connector.opened[-1]
        await until(lambda: len(socket.sent) > 15, "it has asked for longer than the limit of silence")
        assert not socket.closed


async def test_a_frame_that_cannot_be_read_is_put_aside_whole() -> None:
    async with AccountRig() as rig:
        await rig.open()
        letters = await rig.bus.consumer("test", (DEAD_LETTERS,), observer=True)
        await listening(rig)
        rig.connector.opened[-1].deliver('{"type":"fill","sid":1,"msg":{"trade_id":7}}')
        records = []
        for _ in range(20):
            records += await letters.poll(10, 0.25)
            if records:
                break
        letter = decode(DEAD_LETTERS, records[0].value)
        assert isinstance(letter, DeadLetter)
        assert '"trade_id":7' in letter.payload
        await rig.place()
        rig.exchange.trade("M", BookSide.ASK, 4000, 400)
        await rig.settled(400)


async def test_the_watermark_moves_to_the_data_time_of_a_complete_sweep_only() -> None:
    async with AccountRig() as rig:
        await rig.open()
        opened_us = rig.manual.now_us()
        rig.exchange.data_lag_us = 2_000_000
        await listening(rig, sweep_s=5)
        assert await rig.ledger.watermark(SWEPT) == opened_us, "data from before the opening move nothing"
        await rig.manual.advance(7)
        at_us = await rig.ledger.watermark(SWEPT)
        assert opened_us < at_us <= rig.manual.now_us() - 2_000_000
        await rig.place()
        rig.exchange.fail("settlements", *[ConnectionFailed("lost")] * 3)
        await rig.manual.advance(6)
        assert await rig.ledger.watermark(SWEPT) == at_us


class ConnectionFailed(Exception):
    retry = True


async def test_a_conflicting_fill_halts_and_keeps_the_watermark() -> None:
    async with AccountRig() as rig:
        await rig.open()
        await listening(rig, sweep_s=1000)
        order_id, _ = await rig.place()
        rig.exchange.untold = {"fill"}
        rig.exchange.trade("M", BookSide.ASK, 4000, 400)
        (fill,) = rig.exchange.engine.fills("sim-main")
        lie = SettleFill(
            trade_id=fill.trade_id, order_id=fill.exchange_order_id, ticker="M", book_side=BookSide.BID,
            price_cc=3900, size_centi=400, fee_micros=0,
        )  # fmt: skip
        assert await rig.ledger.settle_fill(lie) in ("applied", "parked")
        rig.connector.opened[-1].deliver(fill_frame(fill))
        await until(lambda: "conflicting_fact" in rig.holds(), "halted")
        assert await rig.state(order_id) == "acknowledged"


async def test_a_contradiction_that_a_person_has_looked_at_neither_halts_again_nor_keeps_the_watermark() -> None:
    """The exchange goes on to list it, and each sweep reads it once more."""
    async with AccountRig() as rig:
        await rig.open()
        rig.exchange.untold = {"fill"}
        _, exchange_order_id = await rig.place()
        rig.exchange.trade("M", BookSide.ASK, 4000, 400)
        lie = SettleFill(
            trade_id=rig.exchange.engine.fills("sim-main")[0].trade_id, order_id=exchange_order_id, ticker="M",
            book_side=BookSide.BID, price_cc=4000, size_centi=400, fee_micros=1,
        )  # fmt: skip
        await rig.ledger.settle_fill(lie)
        rig.listen(FillListenerSettings(sweep_s=5))
        await rig.manual.advance(12)
        assert "conflicting_fact" in rig.holds()
        await rig.ledger.release("conflicting_fact", "ledger")
        await rig.manual.advance(60)
        assert "conflicting_fact" not in rig.holds()
        assert rig.manual.now_us() - await rig.ledger.watermark(SWEPT) < 10_000_000


class Unsteady(MemoryStore):
    """A store that can't be reached for the first few facts."""

    down = 3

    async def settle_fill(self, fill: SettleFill) -> str:
        if self.down:
            self.down -= 1
            raise StoreUnavailable("connection refused")
        return await super().settle_fill(fill)


async def test_a_store_that_is_down_delays_a_fact_and_drops_none() -> None:
    async with AccountRig() as rig:
        rig.ledger = Unsteady("unsteady")
        await rig.open()
        await listening(rig, sweep_s=1000)
        await rig.place()
        rig.exchange.trade("M", BookSide.ASK, 4000, 400)
        for _ in range(10):
            await rig.manual.advance(0.5)
        await rig.settled(400)
        assert [news.answer for news in rig.fills()] == ["applied"]


async def test_after_a_crash_between_ledger_and_bus_the_fill_is_published_and_booked_once() -> None:
    async with AccountRig() as rig:
        await rig.open()
        running = rig.listen(crash=kill_at("settled"))
        await until(lambda: not running.service.not_ready(), "it follows")
        await rig.place()
        rig.exchange.trade("M", BookSide.ASK, 4000, 400)
        await running.killed()
        assert rig.position() == 400
        assert not rig.fills()
        await listening(rig)
        assert rig.position() == 400
        assert [news.answer for news in rig.fills()] == ["duplicate"]


@pytest.mark.parametrize("settlement_cc", [10_000, 0, 3_456])
async def test_a_settlement_pays_out_at_its_exact_value_when_the_exchange_says_settled(settlement_cc: int) -> None:
    async with AccountRig() as rig:
        await rig.open()
        await listening(rig)
        await rig.place()
        rig.exchange.trade("M", BookSide.ASK, 4000, 1000)
        await rig.settled(1000)
        rig.exchange.determine("M", settlement_cc)
        await asyncio.sleep(0)
        assert (await rig.view()).market("M").settlement_cc is None, "determined is not paid out"
        await rig.manual.advance(3)
        rig.exchange.advance()
        await until(rig.settlements, "settled")
        await rig.manual.advance(6)
        market = (await rig.view()).market("M")
        assert (market.settlement_cc, market.payout_micros) == (settlement_cc, 1000 * settlement_cc)
        assert "conflicting_fact" not in rig.holds()
        assert len(rig.settlements()) == 1


async def test_a_settlement_that_the_socket_did_not_tell_is_found_by_the_sweep() -> None:
    async with AccountRig() as rig:
        await rig.open()
        rig.exchange.untold = {"market_lifecycle_v2"}
        await listening(rig)
        await rig.place()
        rig.exchange.trade("M", BookSide.ASK, 4000, 1000)
        await rig.settled(1000)
        rig.exchange.determine("M", 3_456)
        await rig.manual.advance(10)
        await until(rig.settlements, "settled")
        assert (await rig.view()).market("M").settlement_cc == 3_456
