from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from support.metrics import counted
from truebook.bus.memory.bus import MemoryBus
from truebook.clock import ManualClock
from truebook.messages.envelope import Source
from truebook.runtime.context import Context
from truebook.runtime.frames import Feed, FrameExited, Periodic, Service, pause
from truebook.runtime.logs import logger
from truebook.runtime.metrics import Metrics

WITHIN_S = 60.0


class Hiccup(Exception):
    retry = True


class Frame:
    """A frame with a scripted behaviour."""

    def __init__(self, name: str, act: Callable[[asyncio.Event], object] | None = None) -> None:
        self.name = name
        self.ended: str | None = None
        self._act = act

    def not_ready(self) -> str | None:
        return f"{self.name} is never ready"

    async def run(self, stop: asyncio.Event) -> None:
        try:
            await (self._act(stop) if self._act is not None else stop.wait())  # type: ignore[misc]
            self.ended = "returned"
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def context(clock: ManualClock) -> Context:
    return Context(
        service="test", account="sim-main", strategy="main", source=Source.SIMULATED, clock=clock, bus=MemoryBus(),
        metrics=Metrics("test"), log=logger("test"),
    )  # fmt: skip


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def tasks_left() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]


# pause


async def test_a_pause_ends_with_its_time_and_leaves_no_task(context: Context, clock: ManualClock) -> None:
    pausing = asyncio.create_task(pause(asyncio.Event(), context, 2))
    await clock.advance(1.9)
    assert not pausing.done()
    await clock.advance(0.1)
    assert pausing.done()
    assert not tasks_left()


async def test_a_pause_ends_with_the_stop_and_leaves_no_task(context: Context) -> None:
    stop = asyncio.Event()
    pausing = asyncio.create_task(pause(stop, context, 1e9))
    await settle()
    stop.set()
    await settle()
    assert pausing.done()
    assert not tasks_left()


async def test_a_cancelled_pause_leaves_no_task(context: Context) -> None:
    pausing = asyncio.create_task(pause(asyncio.Event(), context, 1e9))
    await settle()
    pausing.cancel()
    await settle()
    assert pausing.cancelled()
    assert not tasks_left()


async def test_an_error_of_the_clock_is_raised_by_a_pause(context: Context) -> None:
    class Broken(ManualClock):
        async def sleep(self, seconds: float) -> None:
            raise OSError("no clock")

    object.__setattr__(context, "clock", Broken())
    with pytest.raises(OSError, match="no clock"):
        await pause(asyncio.Event(), context, 1)


# Periodic


async def test_a_periodic_acts_at_once_and_then_at_its_interval(context: Context, clock: ManualClock) -> None:
    at: list[int] = []
    start_us = clock.now_us()

    async def act() -> None:
        at.append((clock.now_us() - start_us) // 1_000_000)

    stop = asyncio.Event()
    running = asyncio.create_task(Periodic(context, "tick", 10, act).run(stop))
    await settle()
    await clock.advance(25)
    stop.set()
    await asyncio.wait_for(running, WITHIN_S)
    assert at == [0, 10, 20]


async def test_a_periodic_with_at_stop_acts_after_the_stop(context: Context) -> None:
    results: list[Exception | None] = [None, Hiccup("store away")]

    async def act() -> None:
        if (error := results.pop(0)) is not None:
            raise error

    stop = asyncio.Event()
    running = asyncio.create_task(Periodic(context, "tick", 10, act, at_stop=True).run(stop))
    await settle()
    stop.set()
    await asyncio.wait_for(running, WITHIN_S)
    assert results == []
    assert counted(context.metrics, "failures", component="tick", kind="Hiccup") == 1


async def test_a_periodics_jitter_only_lengthens_and_stays_within_its_share(
    context: Context, clock: ManualClock
) -> None:
    at: list[int] = []

    async def act() -> None:
        at.append(clock.now_us())

    stop = asyncio.Event()
    running = asyncio.create_task(Periodic(context, "tick", 10, act, jitter=0.5).run(stop))
    await clock.advance(300)
    stop.set()
    await asyncio.wait_for(running, WITHIN_S)
    gaps = {later - earlier for earlier, later in itertools.pairwise(at)}
    assert all(10_000_000 <= gap <= 15_000_000 for gap in gaps)
    assert len(gaps) > 10


async def test_a_periodic_with_a_retryable_error_is_not_ready_and_retries(context: Context, clock: ManualClock) -> None:
    results: list[Exception | None] = [Hiccup("store away"), None]

    async def act() -> None:
        if (error := results.pop(0)) is not None:
            raise error

    frame = Periodic(context, "tick", 10, act)
    stop = asyncio.Event()
    running = asyncio.create_task(frame.run(stop))
    await settle()
    assert frame.not_ready() == "tick: store away"
    assert counted(context.metrics, "failures", component="tick", kind="Hiccup") == 1
    await clock.advance(10)
    assert frame.not_ready() is None
    stop.set()
    await asyncio.wait_for(running, WITHIN_S)


async def test_a_periodics_bug_ends_it(context: Context) -> None:
    async def act() -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        await Periodic(context, "tick", 10, act).run(asyncio.Event())


# Feed


async def test_a_feed_reconnects_with_a_growing_delay_that_success_resets(context: Context, clock: ManualClock) -> None:
    opened: list[int] = []

    async def session(stop: asyncio.Event, feed: Feed) -> None:
        opened.append(clock.now_us())
        if len(opened) == 5:
            feed.mark_healthy()
        if len(opened) < 7:
            raise Hiccup("reset by peer")
        await stop.wait()

    feed = Feed(context, "socket", session, first_delay_s=1, max_delay_s=8)
    assert feed.not_ready() == "socket: not connected yet"
    stop = asyncio.Event()
    running = asyncio.create_task(feed.run(stop))
    await settle()
    assert feed.not_ready() == "socket: reset by peer"
    await clock.advance(60)
    delays = [(later - earlier) / 1e6 for earlier, later in itertools.pairwise(opened)]
    for delay, nominal in zip(delays, (1, 2, 4, 8, 1, 2), strict=True):
        assert nominal / 2 <= delay <= nominal
    stop.set()
    await asyncio.wait_for(running, WITHIN_S)
    assert counted(context.metrics, "failures", component="socket", kind="reconnect") == 6


async def test_a_feed_reconnects_after_a_session_without_an_error(context: Context, clock: ManualClock) -> None:
    sessions = 0

    async def session(stop: asyncio.Event, feed: Feed) -> None:
        nonlocal sessions
        sessions += 1
        feed.mark_healthy()

    feed = Feed(context, "socket", session)
    stop = asyncio.Event()
    running = asyncio.create_task(feed.run(stop))
    await settle()
    assert feed.not_ready() == "socket: the session ended"
    await clock.advance(1)
    assert sessions > 1
    stop.set()
    await asyncio.wait_for(running, WITHIN_S)


async def test_a_feeds_bug_ends_it(context: Context) -> None:
    async def session(stop: asyncio.Event, feed: Feed) -> None:
        raise TypeError("bug")

    with pytest.raises(TypeError):
        await Feed(context, "socket", session).run(asyncio.Event())


# Service


async def test_a_service_ends_when_all_its_frames_have(context: Context) -> None:
    frames = [Frame("one"), Frame("two")]
    stop = asyncio.Event()
    running = asyncio.create_task(Service(context, frames).run(stop))
    await settle()
    assert not running.done()
    stop.set()
    await asyncio.wait_for(running, WITHIN_S)
    assert [frame.ended for frame in frames] == ["returned", "returned"]


async def test_the_last_frames_are_stopped_after_the_others(context: Context) -> None:
    ended: list[str] = []

    async def slowly(stop: asyncio.Event) -> None:
        await stop.wait()
        await settle()
        ended.append("first")

    async def at_once(stop: asyncio.Event) -> None:
        await stop.wait()
        ended.append("last")

    stop = asyncio.Event()
    service = Service(context, [Frame("first", slowly)], last=[Frame("last", at_once)])
    task = asyncio.create_task(service.run(stop))
    await settle()
    stop.set()
    async with asyncio.timeout(WITHIN_S):
        await task
    assert ended == ["first", "last"]
    assert len(service.not_ready()) == 2


async def test_one_frames_failure_cancels_the_others_and_is_raised(context: Context) -> None:
    async def fail(stop: asyncio.Event) -> None:
        raise ValueError("bug")

    steady = Frame("steady")
    with pytest.raises(ValueError, match="bug"):
        await asyncio.wait_for(Service(context, [steady, Frame("fails", fail)]).run(asyncio.Event()), WITHIN_S)
    assert steady.ended == "cancelled"


async def test_several_failures_are_raised_together(context: Context) -> None:
    async def fail(stop: asyncio.Event) -> None:
        raise ValueError("bug")

    with pytest.raises(ExceptionGroup) as raised:
        await asyncio.wait_for(
            Service(context, [Frame("one", fail), Frame("two", fail)]).run(asyncio.Event()), WITHIN_S
        )
    assert len(raised.value.exceptions) == 2


async def test_a_frame_that_exits_unexpectedly_is_a_failure(context: Context) -> None:
    async def quit_early(stop: asyncio.Event) -> None:
        await asyncio.sleep(0)

    with pytest.raises(FrameExited, match="early"):
        await asyncio.wait_for(Service(context, [Frame("early", quit_early)]).run(asyncio.Event()), WITHIN_S)


async def test_a_frame_that_is_late_is_cancelled_and_named(context: Context) -> None:
    async def never(stop: asyncio.Event) -> None:
        await asyncio.Event().wait()

    slow, quick = Frame("slow", never), Frame("quick")
    stop = asyncio.Event()
    with capture_logs() as lines:
        running = asyncio.create_task(Service(context, [slow, quick], stop_within_s=0.05).run(stop))
        await settle()
        stop.set()
        await asyncio.wait_for(running, WITHIN_S)
    assert (slow.ended, quick.ended) == ("cancelled", "returned")
    assert [line["component"] for line in lines if line["event"] == "frame cancelled: did not stop in time"] == [
        "test:slow"
    ]


async def test_a_failure_while_stopping_is_raised(context: Context) -> None:
    async def fail_late(stop: asyncio.Event) -> None:
        await stop.wait()
        raise ValueError("could not flush")

    stop = asyncio.Event()
    stop.set()
    with pytest.raises(ValueError, match="flush"):
        await asyncio.wait_for(Service(context, [Frame("late", fail_late)]).run(stop), WITHIN_S)


async def test_a_cancelled_service_cancels_its_frames(context: Context) -> None:
    frame = Frame("steady")
    running = asyncio.create_task(Service(context, [frame]).run(asyncio.Event()))
    await settle()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert frame.ended == "cancelled"
    assert not tasks_left()


async def test_a_service_without_frames_waits_for_its_stop(context: Context) -> None:
    stop = asyncio.Event()
    stop.set()
    await asyncio.wait_for(Service(context, []).run(stop), WITHIN_S)


def test_a_service_reports_every_reason_why_it_is_not_ready(context: Context) -> None:
    service = Service(context, [Frame("one"), Frame("two")])
    assert service.not_ready() == ["one is never ready", "two is never ready"]
