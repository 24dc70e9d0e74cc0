"""Counted refusals: one message per market and window, nothing lost to a failing bus."""

from __future__ import annotations

import pytest

from support.failing_bus import FailingBus
from support.services import make_context
from truebook.bus.port import BusError
from truebook.clock import ManualClock
from truebook.messages.reasons import Reason
from truebook.messages.refusals import RefusalsCounted
from truebook.runtime.refusals import RefusalCounter


async def test_counts_are_published_per_market_and_kept_on_failure() -> None:
    bus, clock = FailingBus(RefusalsCounted), ManualClock()
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
