from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from support.consumer_harness import GROUP, WITHIN_S, Handler, left_over, make_context, publish, running, until
from support.metrics import counted
from support.samples import action
from truebook.bus.memory.bus import MemoryBus
from truebook.bus.port import Partition
from truebook.clock import ManualClock
from truebook.messages import codec
from truebook.messages.dead_letters import DeadLetter
from truebook.messages.envelope import Tombstone
from truebook.messages.reasons import Reason
from truebook.messages.topics import ACTIONS, DEAD_LETTERS, SIGNALS
from truebook.runtime.consumer import COMMIT_EVERY_RECORDS, Consumer
from truebook.runtime.frames import Incoming


class Hiccup(Exception):
    retry = True


async def test_messages_are_handled_in_order_and_committed_at_the_end() -> None:
    bus, handler = MemoryBus(), Handler()
    async with running(Consumer(make_context(bus), GROUP, [ACTIONS], handler, poll_s=0.01)):
        await publish(bus, "a", "b", "c")
        await until(lambda: handler.ids == ["a", "b", "c"])
    assert await left_over(bus) == []


async def test_commits_go_out_once_a_second_and_not_with_every_poll() -> None:
    bus, clock, handler = MemoryBus(partitions=1), ManualClock(), Handler()
    async with running(Consumer(make_context(bus, clock), GROUP, [ACTIONS], handler, poll_s=0.001)):
        await publish(bus, "a")
        await until(lambda: handler.ids == ["a"])
        await publish(bus, "b")
        await until(lambda: handler.ids == ["a", "b"])
        assert bus.held() == 2, "nothing is committed yet"
        await clock.advance(1)
        await until(lambda: bus.held() == 0)


async def test_a_fast_reader_commits_before_its_interval() -> None:
    bus, handler = MemoryBus(partitions=1), Handler()
    raw = codec.encode(action(id="x"))
    async with running(Consumer(make_context(bus), GROUP, [ACTIONS], handler)):
        await bus.publish_many(ACTIONS, [("T", raw)] * COMMIT_EVERY_RECORDS)
        await until(lambda: bus.held() == 0)


async def test_an_undecodable_record_becomes_a_dead_letter() -> None:
    bus, handler = MemoryBus(), Handler()
    context = make_context(bus)
    async with running(Consumer(context, GROUP, [ACTIONS], handler, poll_s=0.01)):
        await publish(bus, "a")
        await bus.publish(ACTIONS, "T", b"\xffnonsense")
        await publish(bus, "b")
        await until(lambda: handler.ids == ["a", "b"])
    letters = await (await bus.consumer("operator", [DEAD_LETTERS])).poll(10, 0)
    letter = codec.decode(DEAD_LETTERS, letters[0].value)
    assert isinstance(letter, DeadLetter)
    assert (letter.origin, letter.reason, letter.payload) == ("actions", Reason.UNDECODABLE, "\ufffdnonsense")
    assert counted(context.metrics, "dead_letters", origin="actions") == 1
    assert counted(context.metrics, "records_consumed", group=GROUP) == 2
    assert await left_over(bus) == []


async def test_an_empty_record_of_a_compacted_topic_is_a_tombstone() -> None:
    bus, seen = MemoryBus(), list[tuple[str, object]]()

    async def note(batch: Sequence[Incoming]) -> None:
        seen.extend((incoming.record.key, incoming.message) for incoming in batch)

    context = make_context(bus)
    async with running(Consumer(context, GROUP, [SIGNALS], note, observer=True, poll_s=0.01)):
        await bus.publish(SIGNALS, "T", b"")
        await until(lambda: seen)
    assert seen == [("T", Tombstone())]
    assert counted(context.metrics, "dead_letters") == 0


async def test_an_undecodable_dead_letter_causes_no_other() -> None:
    bus, handler = MemoryBus(), Handler()
    context = make_context(bus)
    async with running(Consumer(context, GROUP, [DEAD_LETTERS], handler, observer=True, poll_s=0.01)):
        await bus.publish(DEAD_LETTERS, "k", b"nonsense")
        await until(lambda: counted(context.metrics, "dead_letters") == 1)
        await asyncio.sleep(0.02)
    assert counted(context.metrics, "dead_letters") == 1


async def test_a_handlers_bug_ends_the_frame_and_its_batch_is_not_committed() -> None:
    async def fail(batch: Sequence[Incoming]) -> None:
        if batch[0].message.id == "b":
            raise ZeroDivisionError

    bus, handler = MemoryBus(), Handler(fail)
    with pytest.raises(ZeroDivisionError):
        async with running(Consumer(make_context(bus), GROUP, [ACTIONS], handler, poll_s=0.01)) as task:
            await publish(bus, "a")
            await until(lambda: handler.ids == ["a"])
            await publish(bus, "b")
            await asyncio.wait((task,), timeout=WITHIN_S)
    assert await left_over(bus) == ["b"], "what was done stays done"


async def test_a_retryable_error_retries_the_batch_after_a_delay() -> None:
    failures = 3

    async def fail(batch: Sequence[Incoming]) -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise Hiccup("store away")

    bus, clock, handler = MemoryBus(), ManualClock(), Handler(fail)
    context = make_context(bus, clock)
    frame = Consumer(context, GROUP, [ACTIONS], handler, poll_s=0.01)
    async with running(frame):
        await publish(bus, "a", "b")
        await until(lambda: len(handler.batches) == 1)
        assert "store away" in (frame.not_ready() or "")
        for delay_s, tries in ((0.1, 2), (0.2, 3), (0.4, 4)):
            await clock.advance(delay_s - 0.01)
            assert len(handler.batches) == tries - 1
            await clock.advance(0.01)
            await until(lambda tries=tries: len(handler.batches) == tries)
        await until(lambda: frame.not_ready() is None)
    assert handler.batches == [["a", "b"]] * 4
    assert counted(context.metrics, "failures", kind="Hiccup") == 3
    assert await left_over(bus) == []


async def test_a_stop_during_retries_leaves_the_batch_to_the_next_member() -> None:
    async def fail(batch: Sequence[Incoming]) -> None:
        raise Hiccup

    bus, handler = MemoryBus(), Handler(fail)
    async with running(Consumer(make_context(bus), GROUP, [ACTIONS], handler, poll_s=0.01)):
        await publish(bus, "a")
        await until(lambda: handler.ids == ["a"])
    assert await left_over(bus) == ["a"]


async def test_manual_commits_stop_at_the_oldest_message_that_is_not_done() -> None:
    kept: dict[str, Incoming] = {}

    async def keep(batch: Sequence[Incoming]) -> None:
        kept.update({incoming.message.id: incoming for incoming in batch})

    bus, handler = MemoryBus(), Handler(keep)
    async with running(Consumer(make_context(bus), GROUP, [ACTIONS], handler, manual=True, poll_s=0.01)):
        await publish(bus, "a", "b", "c", "d")
        await until(lambda: len(kept) == 4)
        for name in ("a", "b", "d"):
            kept[name].done()
    assert await left_over(bus) == ["c", "d"]


async def test_a_retry_omits_messages_that_are_done() -> None:
    async def half(batch: Sequence[Incoming]) -> None:
        batch[0].done()
        if len(batch) > 1:
            raise Hiccup

    bus, clock, handler = MemoryBus(), ManualClock(), Handler(half)
    await publish(bus, "a", "b")
    async with running(Consumer(make_context(bus, clock), GROUP, [ACTIONS], handler, manual=True, poll_s=0.01)):
        await until(lambda: len(handler.batches) == 1)
        await clock.advance(0.1)
        await until(lambda: len(handler.batches) == 2)
    assert handler.batches == [["a", "b"], ["b"]]
    assert await left_over(bus) == []


KEYS = [f"M{number}" for number in range(8)]


async def test_partitions_are_committed_before_they_are_released() -> None:
    bus, handler = MemoryBus(partitions=2), Handler()
    async with running(Consumer(make_context(bus), GROUP, [ACTIONS], handler, poll_s=0.01)):
        for key in KEYS:
            await publish(bus, key, key=key)
        await until(lambda: len(handler.ids) == len(KEYS))
        heir = await bus.consumer(GROUP, [ACTIONS])
        assert await heir.poll(100, 0) == [], "all of it was committed in the revocation"
        await heir.close()


async def test_a_batch_in_the_handler_goes_to_the_new_owner() -> None:
    gate = asyncio.Event()

    async def wait(batch: Sequence[Incoming]) -> None:
        await gate.wait()

    bus, handler = MemoryBus(partitions=2), Handler(wait)
    for key in KEYS:
        await publish(bus, key, key=key)
    async with running(Consumer(make_context(bus), GROUP, [ACTIONS], handler, poll_s=0.01)):
        await until(lambda: len(handler.ids) == len(KEYS))
        heir = await bus.consumer(GROUP, [ACTIONS])
        again = {record.key for record in await heir.poll(100, 0)}
        assert again
        assert again < set(KEYS)
        gate.set()
    records = await heir.poll(100, 0)
    assert {record.key for record in records} <= again, "what the frame kept is committed, what it lost is not"


async def test_a_returning_partition_is_committed_from_its_new_position() -> None:
    bus, handler = MemoryBus(partitions=2), Handler()
    async with running(Consumer(make_context(bus), GROUP, [ACTIONS], handler, poll_s=0.01)):
        for key in KEYS:
            await publish(bus, key, key=key)
        await until(lambda: len(handler.ids) == len(KEYS))
        guest = await bus.consumer(GROUP, [ACTIONS])
        for key in KEYS:
            await publish(bus, key, key=key)
        await until(lambda: len(handler.ids) > len(KEYS))
        await guest.close()
        await until(lambda: len(handler.ids) == 2 * len(KEYS))
    assert await left_over(bus) == []


async def test_the_owner_is_notified_before_the_commit_of_a_rebalance() -> None:
    kept: list[Incoming] = []
    calls: list[str] = []

    async def keep(batch: Sequence[Incoming]) -> None:
        kept.extend(batch)

    class Drains:
        async def assigned(self, partitions: frozenset[Partition]) -> None:
            calls.append(f"assigned {len(partitions)}")

        async def revoked(self, partitions: frozenset[Partition]) -> None:
            calls.append(f"revoked {len(partitions)}")
            for incoming in kept:
                incoming.done()

    bus = MemoryBus(partitions=2)
    frame = Consumer(make_context(bus), GROUP, [ACTIONS], Handler(keep), manual=True, rebalance=Drains(), poll_s=0.01)
    async with running(frame):
        for key in KEYS:
            await publish(bus, key, key=key)
        await until(lambda: len(kept) == len(KEYS))
        heir = await bus.consumer(GROUP, [ACTIONS])
        assert await heir.poll(100, 0) == []
        await heir.close()
    assert calls == ["assigned 2", "revoked 1", "assigned 1"]


async def test_missed_records_are_reported() -> None:
    bus, missed = MemoryBus(partitions=1, observer_log=3), []
    reader = await bus.consumer(GROUP, [ACTIONS], observer=True)
    await publish(bus, *(f"a{number}" for number in range(10)))
    await reader.close()
    frame = Consumer(
        make_context(bus), GROUP, [ACTIONS], handler := Handler(), observer=True, missed=missed.append, poll_s=0.01
    )
    async with running(frame):
        await until(lambda: len(handler.ids) == 3)
    assert missed == [7]


async def test_a_frame_is_ready_while_it_is_a_member() -> None:
    bus = MemoryBus()
    frame = Consumer(make_context(bus), GROUP, [ACTIONS], Handler(), poll_s=0.01)
    assert "has not joined" in (frame.not_ready() or "")
    async with running(frame):
        await until(lambda: frame.not_ready() is None)
    assert "has left" in (frame.not_ready() or "")


async def test_a_cancelled_frame_commits_what_was_done_and_leaves_its_group() -> None:
    bus, handler = MemoryBus(), Handler()
    task = asyncio.create_task(Consumer(make_context(bus), GROUP, [ACTIONS], handler, poll_s=0.01).run(asyncio.Event()))
    await publish(bus, "a")
    await until(lambda: handler.ids == ["a"])
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await left_over(bus) == []
