"""Telling: what is booked is told, whatever becomes of the bus and of the process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from support.account_rig import AccountRig, listening
from support.execution_rig import RecordingBus, until
from truebook.bus.port import BusUnavailable
from truebook.ledger.facts import SWEPT
from truebook.messages.envelope import BookSide
from truebook.messages.topics import Topic
from truebook_services.fill_listener.telling import Remembered


class LeavingBus(RecordingBus):
    """Can't be reached while it is away."""

    away = False

    async def publish_many(self, topic: Topic, records: Sequence[tuple[str, bytes]]) -> None:
        if self.away:
            raise BusUnavailable("no broker")
        await super().publish_many(topic, records)


async def test_no_booking_waits_for_a_bus_that_is_away_and_all_is_told_in_its_order_when_it_is_back() -> None:
    async with AccountRig() as rig:
        rig.bus = bus = LeavingBus(partitions=2)
        await rig.open()
        running = await listening(rig, sweep_s=1000)
        await rig.place()
        bus.away = True
        for _ in range(3):
            rig.exchange.trade("M", BookSide.ASK, 4000, 100)
        await rig.settled(300)
        await until(running.service.not_ready, "readiness says that nothing can be told")
        assert "no broker" in str(running.service.not_ready())
        assert not rig.fills()
        bus.away = False
        for _ in range(4):
            await rig.manual.advance(0.5)
        await until(lambda: len(rig.fills()) == 3, "told")
        booked = [fill.trade_id for fill in reversed(rig.exchange.engine.fills("sim-main"))]
        assert [news.trade_id for news in rig.fills()] == booked
        await until(lambda: not running.service.not_ready(), "ready again")


async def test_the_watermark_waits_for_the_telling_so_that_a_successor_tells_what_was_not() -> None:
    async with AccountRig() as rig:
        rig.bus = bus = LeavingBus(partitions=2)
        await rig.open()
        running = await listening(rig, sweep_s=5, overlap_s=0)
        await rig.manual.advance(7)
        await until_moved(rig, rig.manual.now_us() - 7_000_000)
        before_us = await rig.ledger.watermark(SWEPT)
        await rig.place()
        bus.away = True
        rig.exchange.trade("M", BookSide.ASK, 4000, 100)
        await rig.settled(100)
        await rig.manual.advance(14)
        assert await rig.ledger.watermark(SWEPT) == before_us
        running.task.cancel()
        await asyncio.gather(running.task, return_exceptions=True)
        bus.away = False
        await listening(rig, sweep_s=5, overlap_s=0)
        await until(rig.fills, "the successor tells")
        assert [news.answer for news in rig.fills()] == ["duplicate"]
        await until_moved(rig, before_us)


async def until_moved(rig: AccountRig, from_us: int) -> None:
    """Let sweeps come until one has moved the watermark beyond ``from_us``."""
    for _ in range(20):
        if await rig.ledger.watermark(SWEPT) > from_us:
            return
        await rig.manual.advance(2)
    raise AssertionError("the watermark stands still")


async def test_news_for_which_there_is_no_room_are_told_after_a_later_sweep() -> None:
    async with AccountRig() as rig:
        rig.bus = bus = LeavingBus(partitions=2)
        await rig.open()
        await listening(rig, sweep_s=5, most_untold=2)
        await rig.place()
        bus.away = True
        for _ in range(5):
            rig.exchange.trade("M", BookSide.ASK, 4000, 100)
        await rig.settled(500)
        before_us = await rig.ledger.watermark(SWEPT)
        await rig.manual.advance(6)
        assert await rig.ledger.watermark(SWEPT) == before_us
        bus.away = False
        await until_moved(rig, before_us)
        for _ in range(8):
            await rig.manual.advance(3)
        await until(lambda: len(rig.fills()) == 5, "all are told, each once")
        assert rig.position() == 500


async def test_a_sweep_that_had_to_put_news_off_does_not_move_the_watermark() -> None:
    async with AccountRig() as rig:
        await rig.open()
        rig.exchange.untold = {"fill", "user_order"}
        await rig.place()
        for _ in range(5):
            await rig.manual.advance(0.1)
            rig.exchange.trade("M", BookSide.ASK, 4000, 100)
        await rig.manual.advance(0.1)
        await listening(rig, sweep_s=5, overlap_s=0, most_untold=1)
        for _ in range(20):
            await rig.manual.advance(3)
        await until(lambda: len(rig.fills()) == 5, "all are told, a few after each sweep")
        assert rig.position() == 500


async def test_what_is_booked_by_a_sweep_that_ends_after_all_else_has_stopped_is_told_as_well() -> None:
    async with AccountRig() as rig:
        await rig.open()
        rig.exchange.untold = {"fill", "user_order"}
        running = await listening(rig, sweep_s=5)
        await rig.place()
        rig.exchange.trade("M", BookSide.ASK, 4000, 400)
        reads, go_on = asyncio.Event(), asyncio.Event()

        async def slowly(_: object) -> None:
            reads.set()
            await go_on.wait()

        rig.exchange.before["fills"] = slowly
        await rig.manual.advance(7)
        await reads.wait()
        stopped = asyncio.ensure_future(running.stop())
        await until(lambda: "fill_listener:fill_listener.telling" not in task_names(), "the telling has stopped")
        go_on.set()
        await stopped
        assert [news.answer for news in rig.fills()] == ["applied"]


def task_names() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks()}


def test_the_memory_of_what_was_told_is_bounded() -> None:
    remembered = Remembered(2)
    for key in ("a", "b", "c"):
        remembered.add((key, ""))
    assert [(key, "") in remembered for key in ("a", "b", "c")] == [False, True, True]
