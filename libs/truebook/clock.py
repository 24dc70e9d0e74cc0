"""Injected time. Nothing in Truebook reads the machine's clock except ``SystemClock``.

Times are UTC microseconds since 1970 (``*_us``); durations are seconds (``*_s``). A service gets one ``Clock``: live
that is the machine's, corrected to the exchange's time (``ExchangeClock``); a replayed capture runs on a
``ScaledClock`` that starts at the capture's time and may run faster; tests advance a ``ManualClock`` by hand.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from typing import Protocol

MICROS: int = 1_000_000


class Clock(Protocol):
    """Time as the system's parts see it."""

    def now_us(self) -> int:
        """The exchange's UTC time in microseconds, as well as it is known here; never steps back."""

    def monotonic_us(self) -> int:
        """Microseconds of real, local, steady time: for latencies and liveness only."""

    async def sleep(self, seconds: float) -> None:
        """Wait for that much of *this clock's* time."""


if hasattr(time, "CLOCK_BOOTTIME"):

    def _steady_us() -> int:
        """Microseconds since the machine started, its sleep included."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
else:

    def _steady_us() -> int:
        """Microseconds since some beginning; here a machine's sleep does not count."""
        return time.monotonic_ns() // 1000


class SystemClock:
    """The machine's clock. ``now_us`` is anchored once and then follows the steady time, so that it cannot jump."""

    def __init__(self) -> None:
        self._anchor_us = time.time_ns() // 1000 - _steady_us()

    def now_us(self) -> int:
        return self._anchor_us + _steady_us()

    def monotonic_us(self) -> int:
        return time.monotonic_ns() // 1000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ExchangeClock:
    """A clock moved to the exchange's time by a measured offset.

    ``observe`` takes one measurement; ``jumped`` tells whether it moved by more than a second from the one in force,
    which the caller answers with a hold (a decision's deadline must not be judged by a clock in doubt). Such a one is
    taken over when the next one says the same: since time never steps back, a single wrong answer would stay for long.
    """

    JUMP_US = 1_000_000

    def __init__(self, base: Clock, offset_us: int = 0) -> None:
        self._base = base
        self.offset_us = offset_us
        self._doubted_us: int | None = None
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
        """Take the exchange's time as of now; answer whether it is over a second from what was known, or told until now
        because time never steps back.
        """
        offset_us = exchange_us - self._base.now_us()
        jumped = self._measured and abs(offset_us - self.offset_us) > self.JUMP_US
        if jumped and (self._doubted_us is None or abs(offset_us - self._doubted_us) > self.JUMP_US):
            self._doubted_us = offset_us
            return True
        self.offset_us, self._measured, self._doubted_us = offset_us, True, None
        return jumped or self.now_us() - exchange_us > self.JUMP_US


class ScaledClock:
    """A clock that comes to ``start_us`` and runs ``speed`` times as fast as the machine's: for captures.

    With ``lead_us`` it begins that much earlier and waits just before ``start_us`` until ``start``, which goes straight
    there: a recording begins once its readers are there, and until then time (rate limits, pauses) passes as ever.
    """

    def __init__(self, start_us: int, speed: float, *, lead_us: int = 0) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be above 0, got {speed}")
        self._start_us = start_us
        self._lead_us = lead_us
        self._speed = speed
        self._origin_us = time.monotonic_ns() // 1000

    def start(self) -> None:
        """Go to ``start_us``, if it is not reached yet."""
        if self._lead_us:
            self._lead_us = 0
            self._origin_us = time.monotonic_ns() // 1000

    def now_us(self) -> int:
        passed_us = int((time.monotonic_ns() // 1000 - self._origin_us) * self._speed) - self._lead_us
        return self._start_us + (min(passed_us, -1) if self._lead_us else passed_us)

    def monotonic_us(self) -> int:
        return time.monotonic_ns() // 1000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)


class ManualClock:
    """A clock that stands still until a test advances it; sleepers wake in the order of their deadlines."""

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
        """Move time to ``now_us`` without waking anyone: for code that only reads the clock."""
        self._now_us = now_us

    async def advance(self, seconds: float) -> None:
        """Move time forward, waking each sleeper at its own time and letting it run; first let who runs go to sleep."""
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
