"""Signals as parts of an observation: missing, expired, with a wrong unit or key, and changed."""

from __future__ import annotations

import msgspec
import pytest

from support.metrics import counted
from support.observation_harness import ObservationHarness
from truebook.bus.memory.bus import MemoryBus
from truebook.bus.partitioner import partition_of
from truebook.bus.port import Record
from truebook.features.feature import signal
from truebook.features.layout import Layout
from truebook.messages.codec import decode, encode
from truebook.messages.reasons import Reason
from truebook.messages.signals import record_key
from truebook.messages.topics import SIGNALS
from truebook.runtime.frames import Incoming


@pytest.fixture
def signalled() -> Layout:
    return Layout("with-edge", (signal("edge", low=-1, high=1),))


async def test_a_missing_or_expired_signal_refuses_the_observation(signalled: Layout) -> None:
    harness = await ObservationHarness(of=signalled).start()
    assert harness.refused(Reason.SIGNAL_MISSING) == 1
    harness.pass_ms(250)
    await harness.handle(harness.signal(0.25, valid_s=1.0))
    assert [each.features for each in await harness.seen()] == [(0.25,)]
    harness.pass_ms(1_000)
    await harness.handle(harness.delta(3_100))
    assert (len(await harness.seen()), harness.refused(Reason.SIGNAL_EXPIRED)) == (1, 1)


async def test_a_signal_in_nanoseconds_is_refused_and_keeps_nothing_out(signalled: Layout) -> None:
    harness = await ObservationHarness(of=signalled).start()
    right = harness.signal(0.25, valid_s=60.0)
    wrong = {name: getattr(right, name) * 1_000 for name in ("as_of_us", "valid_until_us")}
    harness.pass_ms(250)
    await harness.handle(msgspec.structs.replace(right, value=0.75, **wrong), right)
    assert [each.features for each in await harness.seen()] == [(0.25,)]
    assert counted(harness.context.metrics, "dead_letters") == 1


async def test_all_signals_of_a_market_survive_compaction(signalled: Layout) -> None:
    harness = await ObservationHarness(of=signalled).start()
    first, second = (harness.signal(0.25, valid_s=60.0, name=name) for name in ("edge", "other"))
    bus = MemoryBus()
    for each in (first, second):
        await bus.publish(SIGNALS, record_key(each.ticker, each.name), encode(each))
    records = await (await bus.consumer("later", [SIGNALS])).poll(10, 0)
    assert [decode(SIGNALS, record.value) for record in records] == [first, second]
    assert {record.partition for record in records} == {partition_of(first.ticker, bus.partitions)}


async def test_a_signal_under_the_key_of_others_becomes_a_dead_letter(signalled: Layout) -> None:
    harness = await ObservationHarness(of=signalled).start()
    edge = harness.signal(0.25, valid_s=60.0)
    harness.pass_ms(250)
    await harness.observer.handle([Incoming(Record("signals", 0, 0, edge.ticker, b""), edge, lambda: None)])
    assert await harness.seen() == []
    assert counted(harness.context.metrics, "dead_letters") == 1


async def test_another_value_of_a_signal_is_another_observation(signalled: Layout) -> None:
    harness = await ObservationHarness(of=signalled).start()
    for value in (0.25, 0.5, 0.5):
        harness.pass_ms(250)
        await harness.handle(harness.signal(value, valid_s=60.0))
    seen = await harness.seen()
    assert len({each.id for each in seen}) == 2
    assert len({each.signals_digest for each in seen}) == 2
