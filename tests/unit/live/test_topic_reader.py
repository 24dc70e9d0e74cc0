"""The reader of the topics, without a broker."""

from __future__ import annotations

import asyncio
from typing import cast

import msgspec

from support.samples import NOW_US, TICKER, action, decisions_counted, samples
from truebook.clock import MICROS, ExchangeClock, ManualClock
from truebook.kalshi.port import RestClient, Unreachable
from truebook.runtime.settings import TruebookSettings, load
from truebook_services.operator.live_kafka import CLOCK_EVERY_S, TopicReader

AHEAD_US = 90 * MICROS


class LateExchange:
    """Does not respond to its first requests."""

    def __init__(self, clock: ManualClock, failures: int) -> None:
        self._clock = clock
        self._failures = failures

    async def exchange_time_us(self) -> int:
        if self._failures:
            self._failures -= 1
            raise Unreachable("no response")
        return self._clock.now_us() + AHEAD_US


async def test_earlier_decisions_are_shown_and_not_counted() -> None:
    """Published and counted ones alike; refusals of that time are neither."""
    settings = load(TruebookSettings, kafka_servers="127.0.0.1:1")
    reader = TopicReader(settings, ExchangeClock(ManualClock(NOW_US)))
    refused = msgspec.structs.replace(samples()["refusals.refusals_counted"], produced_us=NOW_US - 4)
    earlier = decisions_counted(until_us=NOW_US - 3, produced_us=NOW_US - 2)
    await reader.take([action(produced_us=NOW_US - 3), earlier, refused])
    statistics = reader.statistics
    market = statistics.evidence.market(TICKER)
    assert statistics.live is not None and statistics.live.newest_decision == earlier
    assert market is not None and (market.counted, market.refused) == (earlier.counts, {})
    assert (statistics.counts["actions"], statistics.counts["decisions"]) == (0, 0)
    await reader.take([decisions_counted(until_us=NOW_US, produced_us=NOW_US + 1)])
    assert (statistics.counts["actions"], statistics.counts["decisions"]) == (0, 4)


async def test_the_clock_follows_an_exchange_that_was_away() -> None:
    machine = ManualClock(NOW_US)
    clock = ExchangeClock(machine)
    settings = load(TruebookSettings, kafka_servers="127.0.0.1:1")
    reader = TopicReader(settings, clock, cast("RestClient", LateExchange(machine, failures=2)))
    (frame,) = [each for each in reader.service.frames if each.name == "exchange clock"]
    running = asyncio.ensure_future(frame.run(asyncio.Event()))
    offsets: list[int] = []
    for _ in range(3):
        await machine.advance(CLOCK_EVERY_S)
        offsets.append(clock.offset_us)
        assert frame.not_ready() is None, "messages are received all the same"
    running.cancel()
    assert offsets == [0, AHEAD_US, AHEAD_US]
