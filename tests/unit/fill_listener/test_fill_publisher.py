"""The fill publisher: what is recorded is published, also after an outage of the bus or the process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from support.account_harness import AccountHarness, listening
from support.execution_harness import RecordingBus
from support.metrics import counted
from support.services import until
from truebook.bus.port import BusUnavailable
from truebook.ledger.exchange_reports import SWEPT
from truebook.messages.envelope import BookSide
from truebook.messages.topics import DEAD_LETTERS, Topic


class UnreliableBus(RecordingBus):
    """A bus that publishes nothing while it is unavailable."""

    unavailable = False

    async def publish_many(self, topic: Topic, records: Sequence[tuple[str, bytes]]) -> None:
        if self.unavailable:
            raise BusUnavailable("no broker")
        await super().publish_many(topic, records)


async def test_recording_does_not_wait_for_an_unavailable_bus() -> None:
    async with AccountHarness() as harness:
        harness.bus = bus = UnreliableBus(partitions=2)
        await harness.open()
        running = await listening(harness, sweep_s=1000)
        await harness.place()
        bus.unavailable = True
        for _ in range(3):
            harness.exchange.trade("M", BookSide.ASK, 4000, 100)
        await harness.wait_for_position(300)
        await until(running.service.not_ready, "readiness reports the outage")
        assert "no broker" in str(running.service.not_ready())
        assert not harness.fills()
        bus.unavailable = False
        for _ in range(4):
            await harness.manual.advance(0.5)
        await until(lambda: len(harness.fills()) == 3, "published")
        recorded = [fill.trade_id for fill in reversed(harness.exchange.engine.queries.fills("sim-main"))]
        assert [event.trade_id for event in harness.fills()] == recorded
        await until(lambda: not running.service.not_ready(), "ready again")


class StalledBus(RecordingBus):
    """A bus that publishes dead letters only once ``flowing`` is set."""

    def __init__(self) -> None:
        super().__init__(partitions=2)
        self.flowing = asyncio.Event()

    async def publish(self, topic: Topic, key: str, value: bytes) -> None:
        if topic is DEAD_LETTERS:
            await self.flowing.wait()
        await super().publish(topic, key, value)


async def test_fills_are_recorded_while_a_dead_letter_waits() -> None:
    async with AccountHarness() as harness:
        harness.bus = bus = StalledBus()
        await harness.open()
        letters = await bus.consumer("test", (DEAD_LETTERS,), observer=True)
        running = await listening(harness, sweep_s=1000)
        await harness.place()
        harness.exchange.connections[-1].deliver('{"type":"fill","sid":1,"msg":{"trade_id":7}}')
        harness.exchange.trade("M", BookSide.ASK, 4000, 100)
        await harness.wait_for_position(100)
        assert counted(running.service.context.metrics, "dead_letters") == 1
        bus.flowing.set()
        await until(lambda: len(harness.fills()) == 1, "the fill is published")
        assert len(await letters.poll(10, 1.0)) == 1


async def test_the_watermark_waits_for_publishing() -> None:
    async with AccountHarness() as harness:
        harness.bus = bus = UnreliableBus(partitions=2)
        await harness.open()
        running = await listening(harness, sweep_s=5, overlap_s=0)
        await harness.manual.advance(7)
        await until_moved(harness, harness.manual.now_us() - 7_000_000)
        before_us = await harness.ledger.watermark(SWEPT)
        await harness.place()
        bus.unavailable = True
        harness.exchange.trade("M", BookSide.ASK, 4000, 100)
        await harness.wait_for_position(100)
        await harness.manual.advance(14)
        assert await harness.ledger.watermark(SWEPT) == before_us
        running.task.cancel()
        await asyncio.gather(running.task, return_exceptions=True)
        bus.unavailable = False
        await listening(harness, sweep_s=5, overlap_s=0)
        await until(harness.fills, "the successor publishes")
        assert [event.outcome for event in harness.fills()] == ["duplicate"]
        await until_moved(harness, before_us)


async def until_moved(harness: AccountHarness, from_us: int) -> None:
    """Advance until a sweep has moved the watermark beyond ``from_us``."""
    for _ in range(20):
        if await harness.ledger.watermark(SWEPT) > from_us:
            return
        await harness.manual.advance(2)
    raise AssertionError("the watermark does not advance")


async def test_deferred_events_are_published_after_a_later_sweep() -> None:
    async with AccountHarness() as harness:
        harness.bus = bus = UnreliableBus(partitions=2)
        await harness.open()
        await listening(harness, sweep_s=5, max_unpublished_events=2)
        await harness.place()
        bus.unavailable = True
        for _ in range(5):
            harness.exchange.trade("M", BookSide.ASK, 4000, 100)
        await harness.wait_for_position(500)
        before_us = await harness.ledger.watermark(SWEPT)
        await harness.manual.advance(6)
        assert await harness.ledger.watermark(SWEPT) == before_us
        bus.unavailable = False
        await until_moved(harness, before_us)
        for _ in range(8):
            await harness.manual.advance(3)
        await until(lambda: len(harness.fills()) == 5, "all are published, each once")
        assert harness.position() == 500


async def test_a_sweep_with_deferred_events_is_not_complete() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        harness.exchange.muted_frames = {"fill", "user_order"}
        await harness.place()
        for _ in range(5):
            await harness.manual.advance(0.1)
            harness.exchange.trade("M", BookSide.ASK, 4000, 100)
        await harness.manual.advance(0.1)
        await listening(harness, sweep_s=5, overlap_s=0, max_unpublished_events=1)
        for _ in range(20):
            await harness.manual.advance(3)
        await until(lambda: len(harness.fills()) == 5, "all are published, a few after each sweep")
        assert harness.position() == 500


async def test_a_sweep_that_ends_last_publishes_its_events() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        harness.exchange.muted_frames = {"fill", "user_order"}
        running = await listening(harness, sweep_s=5)
        await harness.place()
        harness.exchange.trade("M", BookSide.ASK, 4000, 400)
        reads, resume = asyncio.Event(), asyncio.Event()

        async def slowly(_: object) -> None:
            reads.set()
            await resume.wait()

        harness.exchange.before["fills"] = slowly
        await harness.manual.advance(7)
        await reads.wait()
        stopped = asyncio.ensure_future(running.stop())
        await until(lambda: "fill_listener:fill_listener.publisher" not in task_names(), "the publisher has stopped")
        resume.set()
        await stopped
        assert [event.outcome for event in harness.fills()] == ["applied"]


def task_names() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks()}
