"""Injected time. Only this module reads the machine's clock.

Times are UTC microseconds since 1970 (``*_us``); durations are seconds (``*_s``). A service gets one ``Clock``: live,
the machine's clock with an offset to the exchange's time (``ExchangeClock``); in a replay, a ``ScaledClock`` that
starts at the recording's time and may run faster; in tests, a ``ManualClock``.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from typing import Protocol

MICROS: int = 1_000_000
_STEADY: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""A monotonic clock that includes the machine's sleep, where the system has one."""


class Clock(Protocol):
    """The clock of a service."""

    def now_us(self) -> int:
        """Return the estimated exchange time, UTC in microseconds; never steps back."""

    def monotonic_us(self) -> int:
        """Return real monotonic time in microseconds: for latencies and liveness only."""

    async def sleep(self, seconds: float) -> None:
        """Wait for a duration of *this clock's* time."""


class SystemClock:
    """The machine's clock. ``now_us`` is anchored once and then follows monotonic time, so that it cannot jump.

    It starts at ``not_before_us`` if the machine's time is earlier: a simulated exchange continues its own time.
    """

    def __init__(self, not_before_us: int = 0) -> None:
        self._anchor_us = max(time.time_ns() // 1000, not_before_us) - time.clock_gettime_ns(_STEADY) // 1000

    def now_us(self) -> int:
        return self._anchor_us + time.clock_gettime_ns(_STEADY) // 1000

    def monotonic_us(self) -> int:
        return time.monotonic_ns() // 1000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ExchangeClock:
    """A clock with a measured offset to the exchange's time.

    ``observe`` takes one measurement and returns whether it differs by more than a second from the current offset; the
    caller then places a trading hold, since deadlines cannot be checked with an uncertain clock. Such a measurement is
    applied once the next one confirms it: time never steps back, so a single wrong one would persist.
    """

    JUMP_US = 1_000_000

    def __init__(self, base: Clock, offset_us: int = 0) -> None:
        self._base = base
        self.offset_us = offset_us
        self._unconfirmed_us: int | None = None
        self._last_us = 0
        self._measured = False

    def now_us(self) -> int:
        self._last_us = max(self._last_us, self._base.now_us() + self.offset_us)
        return self._last_us

    def monotonic_us(self) -> int:
        return self._base.monotonic_us()

    async def sleep(self, seconds: float) -> None:
        await self._base.sleep(seconds)

    def observe(self, exchange_us: int) -> bool:
        """Apply a measurement of the exchange's time.

        Returns whether it differs by more than a second from the offset, or from ``now_us``, which never steps back.
        """
        offset_us = exchange_us - self._base.now_us()
        jumped = self._measured and abs(offset_us - self.offset_us) > self.JUMP_US
        if jumped and (self._unconfirmed_us is None or abs(offset_us - self._unconfirmed_us) > self.JUMP_US):
            self._unconfirmed_us = offset_us
            return True
        self.offset_us, self._measured, self._unconfirmed_us = offset_us, True, None
        return jumped or self.now_us() - exchange_us > self.JUMP_US


class ScaledClock:
    """A clock that starts at ``start_us`` and runs ``speed`` times as fast as the machine's: for replays.

    With ``lead_us`` it starts that much earlier and stops just before ``start_us`` until ``start`` is called. A replay
    starts once its readers are ready, while rate limits and pauses need time to pass before.
    """

    def __init__(self, start_us: int, speed: float, *, lead_us: int = 0) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be above 0, got {speed}")
        self._start_us = start_us
        self._lead_us = lead_us
        self._speed = speed
        self._origin_us = time.monotonic_ns() // 1000

    def start(self) -> None:
        """Jump to ``start_us`` if it was not reached yet."""
        if self._lead_us:
            self._lead_us = 0
            self._origin_us = time.monotonic_ns() // 1000

    def now_us(self) -> int:
        elapsed_us = int((time.monotonic_ns() // 1000 - self._origin_us) * self._speed) - self._lead_us
        return self._start_us + (min(elapsed_us, -1) if self._lead_us else elapsed_us)

    def monotonic_us(self) -> int:
        return time.monotonic_ns() // 1000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)


class ManualClock:
    """A clock that only a test advances; sleepers wake in the order of their deadlines."""

    def __init__(self, now_us: int = 1_700_000_000_000_000) -> None:
        self._now_us = now_us
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now_us(self) -> int:
        return self._now_us

    def monotonic_us(self) -> int:
        return self._now_us

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_us + int(seconds * MICROS), next(self._order), wake))
        await wake

    def set(self, now_us: int) -> None:
        """Set the time without waking sleepers: for code that only reads the clock."""
        self._now_us = now_us

    async def advance(self, seconds: float) -> None:
        """Let running tasks go to sleep, then advance and wake each sleeper at its own time."""
        await self._settle()
        target = self._now_us + int(seconds * MICROS)
        while self._sleepers and self._sleepers[0][0] <= target:
            due_us, _, wake = heapq.heappop(self._sleepers)
            self._now_us = max(self._now_us, due_us)
            if not wake.done():
                wake.set_result(None)
            await self._settle()
        self._now_us = target
        await self._settle()

    @staticmethod
    async def _settle() -> None:
        for _ in range(20):
            await asyncio.sleep(0)
