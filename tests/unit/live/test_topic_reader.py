"""The reader of the topics, without a broker."""

from __future__ import annotations

import asyncio
from typing import cast

from support.samples import NOW_US
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
