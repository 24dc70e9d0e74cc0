"""Counted decisions: one message per market, model and window, nothing lost to a failing bus."""

from __future__ import annotations

import pytest

from support.failing_bus import FailingBus
from support.observations import observation
from support.services import make_context
from truebook.bus.port import BusError
from truebook.clock import ManualClock
from truebook.decision.decide import Decision
from truebook.messages.reasons import Reason
from truebook.messages.refusals import DecisionsCounted
from truebook.runtime.decision_counts import DecisionCounter

IDLE = Decision(reason=Reason.NO_ACTION)
EMPTY = Decision(reason=Reason.ONE_SIDED_BOOK)


async def test_counts_are_per_market_and_model_and_kept_on_failure() -> None:
    bus, clock = FailingBus(DecisionsCounted), ManualClock()
    now_us = clock.now_us()
    counter = DecisionCounter(make_context("policy", clock=clock, bus=bus))
    first, second = observation(id="a", ticker="T-1"), observation(id="b", ticker="T-2")
    counter.count([(first, IDLE), (second, Decision())], "maker", "aa", now_us)
    with pytest.raises(BusError):
        await counter.publish()
    counter.count([(observation(id="c", ticker="T-1"), EMPTY)], "maker", "aa", now_us + 10)
    counter.count([(observation(id="d", ticker="T-1"), IDLE)], "small", "bb", now_us + 20)
    clock.set(now_us + 1_000_000)
    await counter.publish()
    await counter.publish()
    assert [
        (each.ticker, each.model, each.model_sha256, each.cause_id, each.since_us - now_us, each.until_us - now_us)
        for each in bus.published
    ] == [
        ("T-1", "maker", "aa", "c", 0, 10), ("T-2", "maker", "aa", "b", 0, 0), ("T-1", "small", "bb", "d", 20, 20),
    ]  # fmt: skip
    assert [(each.counts, each.reason) for each in bus.published] == [
        ({Reason.NO_ACTION: 1, Reason.ONE_SIDED_BOOK: 1}, Reason.ONE_SIDED_BOOK),
        ({Reason.NO_ACTION: 1}, Reason.NO_ACTION),
        ({Reason.NO_ACTION: 1}, Reason.NO_ACTION),
    ]
    assert {each.produced_us for each in bus.published} == {now_us + 1_000_000}
    assert len({each.id for each in bus.published}) == 3
