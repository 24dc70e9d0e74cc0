"""The fill listener: every report reaches the ledger once, whatever the socket does."""

from __future__ import annotations

import asyncio

import pytest

from support.account_harness import AccountHarness, listening
from support.in_memory_exchange import shifted, without
from support.in_memory_rest import Shown
from support.metrics import counted
from support.services import kill_at, make_context, until
from truebook.clock import SystemClock
from truebook.kalshi.port import Refused, StreamClosed
from truebook.ledger.exchange_reports import SWEPT
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import StoreUnavailable
from truebook.ledger.verbs import Release, ResultT, SettleFill, SettleMarket, Verb
from truebook.messages.codec import decode
from truebook.messages.dead_letters import DeadLetter
from truebook.messages.envelope import BookSide
from truebook.messages.topics import DEAD_LETTERS
from truebook.venue.account import OrderRequest
from truebook_services.fill_listener.backfill import Backfill
from truebook_services.fill_listener.outbox import FillPublisher
from truebook_services.fill_listener.recorder import FillRecorder
from truebook_services.fill_listener.settings import FillListenerSettings


async def test_a_live_fill_moves_the_money_and_is_then_published() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        await listening(harness)
        order_id, exchange_id = await harness.place()
        harness.exchange.trade("M", BookSide.ASK, 4000, 400)
        await harness.wait_for_position(400)
        await until(harness.fills, "published")
        (event,) = harness.fills()
        assert (event.outcome, event.size_centi, event.client_order_id) == ("applied", 400, order_id)
        assert event.exchange_order_id == exchange_id
        assert event.basis == "synthetic"
        assert await harness.state(order_id) == "acknowledged", "the report of the order acknowledged it"


async def test_an_order_that_ends_is_closed_with_its_total() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        await listening(harness)
        order_id, exchange_id = await harness.place()
        harness.exchange.trade("M", BookSide.ASK, 4000, 400)
        await harness.exchange.cancel_order(exchange_id, "M")
        await until(lambda: any(event.status == "canceled" for event in harness.order_updates()), "published")
        assert await harness.state(order_id) == "terminal"
        assert (await harness.view()).account.reserved_micros == 0


async def test_events_before_the_opening_are_not_recorded() -> None:
    async with AccountHarness() as harness:
        request = OrderRequest(ticker="M", client_order_id="web", book_side=BookSide.BID, price_cc=4000, size_centi=500)
        harness.exchange.place_by_hand(request)
        harness.exchange.trade("M", BookSide.ASK, 4000, 500)
        running = harness.listen()
        await asyncio.sleep(0.02)
        assert running.service.not_ready()
        harness.manual.set(harness.manual.now_us() + 1_000_000)
        await harness.open()
        await harness.manual.advance(0.2)
        await until(lambda: not running.service.not_ready(), "it is ready")
        view = await harness.view()
        assert view.markets == ()
        assert view.account.parked == 0
        assert not harness.fills()


async def test_the_backfill_records_what_happened_before_the_start() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        order_id, _ = await harness.place()
        harness.exchange.trade("M", BookSide.ASK, 4000, 400)
        await listening(harness)
        assert harness.position() == 400
        assert await harness.state(order_id) == "acknowledged"


async def test_frames_during_the_backfill_are_buffered() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        await harness.place()
        at_fills, resume = asyncio.Event(), asyncio.Event()

        async def slowly(_: object) -> None:
            at_fills.set()
            await resume.wait()

        harness.exchange.before["fills"] = slowly
        running = harness.listen()
        await at_fills.wait()
        harness.exchange.trade("M", BookSide.ASK, 4000, 400)
        (fill,) = harness.exchange.engine.queries.fills("sim-main")
        harness.exchange.views[Shown.FILLS] = without(fill.trade_id)
        resume.set()
        await harness.wait_for_position(400)
        await until(lambda: not running.service.not_ready(), "it is ready")


async def test_duplicate_late_and_unordered_fills_change_nothing() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        harness.exchange.muted_frames = {"fill", "user_order"}
        await listening(harness, sweep_s=1000)
        first, _ = await harness.place()
        second, _ = await harness.place(BookSide.ASK, 4500)
        harness.exchange.trade("M", BookSide.ASK, 4000, 600)
        harness.exchange.trade("M", BookSide.ASK, 4000, 400)
        harness.exchange.trade("M", BookSide.BID, 4500, 300)
        socket = harness.exchange.connections[-1]
        fills = [frame for frame in socket.withheld if frame.startswith('{"type":"fill"')]
        assert len(fills) == 3
        socket.deliver(*reversed(fills), *fills, fills[-1])
        await until(lambda: len(harness.fills()) == 3, "all are published")
        view = await harness.view()
        assert view.account.parked == 3, "their orders are not known yet"
        harness.exchange.muted_frames = set()
        socket.drop()
        await harness.manual.advance(0.5)
        await harness.wait_for_position(700)
        assert (await harness.view()).account.parked == 0
        assert (await harness.state(first), await harness.state(second)) == ("terminal", "acknowledged")
        assert len(harness.fills()) == 3, "published once each"


async def test_a_lost_connection_is_replaced_and_its_gap_filled() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        await listening(harness)
        await harness.place()
        harness.exchange.fail("connect", *[StreamClosed("HTTP 502")] * 2)
        harness.exchange.connections[-1].drop()
        harness.exchange.trade("M", BookSide.ASK, 4000, 400)
        for _ in range(8):
            await harness.manual.advance(0.5)
        await until(lambda: len(harness.exchange.connections) == 2, "connected again")
        await harness.wait_for_position(400)


async def test_a_new_connection_fills_its_gap_before_it_is_ready() -> None:
    """The sweep beside the socket, a quarter of an hour later here, is not needed."""
    async with AccountHarness() as harness:
        await harness.open()
        running = await listening(harness, sweep_s=1000)
        await harness.place()
        harness.exchange.fail("connect", StreamClosed("HTTP 502"))
        harness.exchange.connections[-1].drop()
        await until(running.service.not_ready, "the connection is lost")
        harness.exchange.trade("M", BookSide.ASK, 4000, 400)
        for _ in range(4):
            await harness.manual.advance(0.5)
        await until(lambda: not running.service.not_ready(), "it is ready again")
        assert harness.position() == 400


async def test_a_socket_that_misses_fills_is_replaced() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        await listening(harness, sweep_s=5)
        await harness.place()
        await harness.manual.advance(1)
        harness.exchange.muted_frames = {"fill", "user_order"}
        harness.exchange.trade("M", BookSide.ASK, 4000, 400)
        await harness.manual.advance(7)
        await harness.wait_for_position(400)
        await until(lambda: not harness.exchange.connections[0].is_open, "the socket is closed")


async def test_a_socket_that_does_not_respond_is_replaced() -> None:
    async with AccountHarness(SystemClock()) as harness:
        await harness.open()
        harness.exchange.ignored_commands = frozenset({"list_subscriptions"})
        await listening(harness, idle_probe_s=0.05, silence_s=0.2)
        (silent,) = harness.exchange.connections
        await until(
            lambda: not silent.is_open and len(harness.exchange.connections) == 2, "the silent socket is replaced"
        )


async def test_an_idle_socket_that_responds_is_kept() -> None:
    async with AccountHarness(SystemClock()) as harness:
        await harness.open()
        await listening(harness, idle_probe_s=0.02, silence_s=1.0)
        socket = harness.exchange.connections[-1]
        await until(lambda: len(socket.sent) > 70, "it has probed for longer than the timeout")
        assert socket.is_open


async def test_an_undecodable_frame_becomes_a_dead_letter() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        letters = await harness.bus.consumer("test", (DEAD_LETTERS,), observer=True)
        await listening(harness)
        harness.exchange.connections[-1].deliver('{"type":"fill","sid":1,"msg":{"trade_id":7}}')
        records = []
        for _ in range(20):
            records += await letters.poll(10, 0.25)
            if records:
                break
        letter = decode(DEAD_LETTERS, records[0].value)
        assert isinstance(letter, DeadLetter)
        assert '"trade_id":7' in letter.payload
        await harness.place()
        harness.exchange.trade("M", BookSide.ASK, 4000, 400)
        await harness.wait_for_position(400)


async def test_only_a_complete_sweep_advances_the_watermark() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        opened_us = harness.manual.now_us()
        harness.exchange.views[Shown.DATA_TIME_US] = shifted(-2_000_000)
        await listening(harness, sweep_s=5)
        assert await harness.ledger.watermark(SWEPT) == opened_us, "data from before the opening do not advance it"
        await harness.manual.advance(7)
        at_us = await harness.ledger.watermark(SWEPT)
        assert opened_us < at_us <= harness.manual.now_us() - 2_000_000
        await harness.place()
        harness.exchange.fail("settlements", *[ConnectionFailed("lost")] * 3)
        await harness.manual.advance(6)
        assert await harness.ledger.watermark(SWEPT) == at_us


class ConnectionFailed(Exception):
    retry = True


async def test_a_conflicting_fill_halts_and_keeps_the_watermark() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        await listening(harness, sweep_s=1000)
        order_id, _ = await harness.place()
        harness.exchange.muted_frames = {"fill"}
        harness.exchange.trade("M", BookSide.ASK, 4000, 400)
        (fill,) = harness.exchange.engine.queries.fills("sim-main")
        wrong = SettleFill(
            trade_id=fill.trade_id, order_id=fill.exchange_order_id, ticker="M", book_side=BookSide.BID,
            price_cc=3900, size_centi=400, fee_micros=0,
        )  # fmt: skip
        assert await harness.ledger.apply(wrong) in ("applied", "parked")
        harness.exchange.connections[-1].deliver(harness.exchange.connections[-1].withheld[-1])
        await until(lambda: "conflicting_report" in harness.holds(), "halted")
        assert await harness.state(order_id) == "acknowledged"


async def test_a_released_contradiction_does_not_halt_again() -> None:
    """The exchange continues to list it, and each sweep reads it again."""
    async with AccountHarness() as harness:
        await harness.open()
        harness.exchange.muted_frames = {"fill"}
        _, exchange_order_id = await harness.place()
        harness.exchange.trade("M", BookSide.ASK, 4000, 400)
        wrong = SettleFill(
            trade_id=harness.exchange.engine.queries.fills("sim-main")[0].trade_id, order_id=exchange_order_id,
            ticker="M", book_side=BookSide.BID, price_cc=4000, size_centi=400, fee_micros=1,
        )  # fmt: skip
        await harness.ledger.apply(wrong)
        harness.listen(FillListenerSettings(sweep_s=5))
        await harness.manual.advance(12)
        assert "conflicting_report" in harness.holds()
        await harness.ledger.apply(Release(name="conflicting_report", owner="ledger"))
        await harness.manual.advance(60)
        assert "conflicting_report" not in harness.holds()
        assert harness.manual.now_us() - await harness.ledger.watermark(SWEPT) < 10_000_000


class UnavailableAtFirst(MemoryStore):
    """A store that is unavailable for the first fills."""

    down = 3

    async def apply(self, verb: Verb[ResultT]) -> ResultT:
        if self.down and isinstance(verb, SettleFill):
            self.down -= 1
            raise StoreUnavailable("connection refused")
        return await super().apply(verb)


async def test_a_store_outage_delays_a_fill_and_drops_none() -> None:
    async with AccountHarness() as harness:
        harness.ledger = UnavailableAtFirst("unavailable")
        await harness.open()
        await listening(harness, sweep_s=1000)
        await harness.place()
        harness.exchange.trade("M", BookSide.ASK, 4000, 400)
        for _ in range(10):
            await harness.manual.advance(0.5)
        await harness.wait_for_position(400)
        assert [event.outcome for event in harness.fills()] == ["applied"]


async def test_a_crash_before_publishing_records_the_fill_once() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        running = harness.listen(crash=kill_at("settled"))
        await until(lambda: not running.service.not_ready(), "it is ready")
        await harness.place()
        harness.exchange.trade("M", BookSide.ASK, 4000, 400)
        await running.killed()
        assert harness.position() == 400
        assert not harness.fills()
        await listening(harness)
        assert harness.position() == 400
        assert [event.outcome for event in harness.fills()] == ["duplicate"]


@pytest.mark.parametrize("settlement_cc", [10_000, 0, 3_456])
async def test_a_settlement_pays_out_at_its_exact_value(settlement_cc: int) -> None:
    async with AccountHarness() as harness:
        await harness.open()
        await listening(harness)
        await harness.place()
        harness.exchange.trade("M", BookSide.ASK, 4000, 1000)
        await harness.wait_for_position(1000)
        harness.exchange.determine("M", settlement_cc)
        await asyncio.sleep(0)
        assert (await harness.view()).market("M").settlement_cc is None, "determined is not paid out"
        await harness.manual.advance(3)
        harness.exchange.advance()
        await until(harness.settlements, "settled")
        await harness.manual.advance(6)
        market = (await harness.view()).market("M")
        assert (market.settlement_cc, market.payout_micros) == (settlement_cc, 1000 * settlement_cc)
        assert "conflicting_report" not in harness.holds()
        assert len(harness.settlements()) == 1


async def test_a_settlement_missed_by_the_socket_is_swept() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        harness.exchange.muted_frames = {"market_lifecycle_v2"}
        await listening(harness)
        await harness.place()
        harness.exchange.trade("M", BookSide.ASK, 4000, 1000)
        await harness.wait_for_position(1000)
        harness.exchange.determine("M", 3_456)
        await harness.manual.advance(10)
        await until(harness.settlements, "settled")
        assert (await harness.view()).market("M").settlement_cc == 3_456


@pytest.mark.parametrize("settlement_cc", [10_000, 3_456])
async def test_a_sweep_with_a_conflicting_settlement_is_not_complete(settlement_cc: int) -> None:
    async with AccountHarness() as harness:
        await harness.open()
        await harness.place()
        harness.exchange.trade("M", BookSide.ASK, 4000, 1000)
        harness.exchange.determine("M", settlement_cc)
        await harness.manual.advance(3)
        harness.exchange.advance()
        context = make_context("fill_listener", harness.clock, harness.bus)
        publisher = FillPublisher(context, max_queued=100, max_known=100)
        recorder = FillRecorder(context, harness.ledger, publisher, 100)
        assert await recorder.is_open()
        backfill = Backfill(
            context, harness.exchange, harness.ledger, recorder=recorder, publisher=publisher, overlap_s=60
        )  # fmt: skip
        await harness.ledger.apply(SettleMarket(ticker="M", settlement_cc=1_000))
        await backfill.sweep()
        assert counted(context.metrics, "backfill_sweeps", complete="true") == 0
        assert "conflicting_report" in harness.holds()


@pytest.mark.parametrize("call", ["fills", "market"])
async def test_a_refused_read_is_retried_by_the_next_sweep(call: str) -> None:
    async with AccountHarness() as harness:
        await harness.open()
        harness.exchange.muted_frames = {"market_lifecycle_v2", "fill"}
        await listening(harness, sweep_s=2)
        await harness.place()
        harness.exchange.trade("M", BookSide.ASK, 4000, 1000)
        harness.exchange.determine("M", 3_456)
        harness.exchange.fail(call, *[Refused(403, "forbidden")] * 2)
        before_us = await harness.ledger.watermark(SWEPT)
        await harness.manual.advance(20)
        await until(harness.settlements, "settled")
        assert (await harness.view()).market("M").payout_micros == 1000 * 3_456
        await harness.manual.advance(5)
        assert await harness.ledger.watermark(SWEPT) > before_us
