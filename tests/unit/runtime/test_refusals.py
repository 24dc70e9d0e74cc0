"""Counted refusals: one message per market and window, nothing lost to a failing bus."""

from __future__ import annotations

import pytest

from support.services import make_context
from truebook.bus.port import BusError
from truebook.clock import ManualClock
from truebook.messages.codec import decode
from truebook.messages.reasons import Reason
from truebook.messages.refusals import RefusalsCounted
from truebook.messages.topics import REFUSALS, Topic
from truebook.runtime.refusals import RefusalCounter


class FailingBus:
    """Refuses the first batch."""

    def __init__(self) -> None:
        self.failures = 1
        self.published: list[RefusalsCounted] = []

    async def publish_many(self, topic: Topic, batch: list[tuple[str, bytes]]) -> None:
        if self.failures:
            self.failures -= 1
            raise BusError("no broker")
        for key, raw in batch:
            message = decode(topic, raw)
            assert isinstance(message, RefusalsCounted)
            assert (topic, key) == (REFUSALS, message.ticker)
            self.published.append(message)


async def test_counts_are_published_per_market_and_kept_on_failure() -> None:
    bus, clock = FailingBus(), ManualClock()
    started_us = clock.now_us()
    counter = RefusalCounter(make_context("observation", clock=clock, bus=bus))
    counter.count("T-1", Reason.STALE_BOOK)
    with pytest.raises(BusError):
        await counter.publish()
    counter.count("T-1", Reason.STALE_BOOK, 2)
    counter.count("T-2", Reason.NEAR_CLOSE)
    clock.set(started_us + 1_000_000)
    await counter.publish()
    await counter.publish()
    assert [(message.ticker, message.counts) for message in bus.published] == [
        ("T-1", {Reason.STALE_BOOK: 3}),
        ("T-2", {Reason.NEAR_CLOSE: 1}),
    ]
    assert {(each.service, each.since_us, each.until_us) for each in bus.published} == {
        ("observation", started_us, started_us + 1_000_000)
    }
