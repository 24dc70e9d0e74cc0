"""The clocks: system, exchange, scaled and manual."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.clock import ExchangeClock, ManualClock, ScaledClock, SystemClock

START_US = 1_700_000_000_000_000


def test_the_system_clock_never_steps_back() -> None:
    clock = SystemClock()
    readings = [clock.now_us() for _ in range(1_000)]
    assert readings == sorted(readings)


async def test_a_manual_clock_wakes_sleepers_by_deadline() -> None:
    clock, woken = ManualClock(START_US), []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, clock.now_us() - START_US))

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3, 1, 2, 9)]
    await asyncio.sleep(0)
    await clock.advance(5)
    assert woken == [(1, 1_000_000), (2, 2_000_000), (3, 3_000_000)]
    assert clock.now_us() == START_US + 5_000_000
    await clock.advance(4)
    assert woken[-1] == (9, 9_000_000)
    await asyncio.gather(*tasks)


async def test_a_task_that_sleeps_again_wakes_again() -> None:
    clock, ticks = ManualClock(START_US), []

    async def ticking() -> None:
        while True:
            await clock.sleep(1)
            ticks.append(clock.now_us() - START_US)

    task = asyncio.create_task(ticking())
    await asyncio.sleep(0)
    await clock.advance(3)
    task.cancel()
    assert ticks == [1_000_000, 2_000_000, 3_000_000]


async def test_a_cancelled_sleeper_of_a_manual_clock_is_ignored() -> None:
    clock = ManualClock(START_US)
    task = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    task.cancel()
    await clock.advance(2)
    assert task.cancelled()


@pytest.mark.parametrize("seconds", [0, -1])
async def test_a_sleep_of_zero_or_less_returns_at_once(seconds: float) -> None:
    async with asyncio.timeout(60):
        await ManualClock().sleep(seconds)


@given(st.lists(st.integers(-5_000_000, 5_000_000), max_size=20))
def test_exchange_time_never_steps_back(offsets: list[int]) -> None:
    base = ManualClock(START_US)
    clock = ExchangeClock(base)
    last = clock.now_us()
    for offset in offsets:
        clock.observe(base.now_us() + offset)
        assert clock.now_us() >= last
        last = clock.now_us()


def test_a_measured_offset_is_applied() -> None:
    clock = ExchangeClock(ManualClock(START_US))
    clock.observe(START_US + 250_000)
    assert clock.now_us() == START_US + 250_000
    assert clock.offset_us == 250_000


def test_a_jump_is_a_later_measurement_beyond_a_second() -> None:
    clock = ExchangeClock(ManualClock(START_US))
    assert not clock.observe(START_US + 60_000_000)
    assert not clock.observe(START_US + 61_000_000)
    assert clock.observe(START_US + 62_000_001)
    assert clock.observe(START_US)


def test_a_jump_is_applied_once_confirmed() -> None:
    clock = ExchangeClock(ManualClock(START_US))
    clock.observe(START_US)
    assert clock.observe(START_US + 3_600_000_000)
    assert clock.now_us() == START_US, "a single wrong measurement would put this clock an hour ahead for an hour"
    assert not clock.observe(START_US)
    assert clock.observe(START_US + 3_600_000_000)
    assert clock.observe(START_US + 3_600_300_000)
    assert clock.now_us() == START_US + 3_600_300_000
    assert not clock.observe(START_US + 3_600_300_000)


def test_a_clock_ahead_of_the_exchange_reports_it() -> None:
    base = ManualClock(START_US)
    clock = ExchangeClock(base)
    clock.observe(START_US + 60_000_000)
    clock.now_us()
    assert clock.observe(START_US) and clock.observe(START_US)
    assert clock.now_us() == START_US + 60_000_000
    assert clock.observe(START_US), "the offset is right, but time does not step back"
    base.set(START_US + 59_500_000)
    assert not clock.observe(START_US + 59_500_000)


async def test_a_scaled_clock_runs_at_its_speed() -> None:
    clock = ScaledClock(START_US, 1_000)
    before_us, before_now_us = clock.monotonic_us(), clock.now_us()
    await clock.sleep(10)
    took_us = clock.monotonic_us() - before_us
    assert took_us >= 10_000
    assert clock.now_us() - before_now_us >= 10_000_000


def test_a_clock_with_a_lead_stops_before_its_start() -> None:
    clock = ScaledClock(START_US, 1_000_000, lead_us=10_000_000)
    assert START_US - 10_000_000 <= clock.now_us() < START_US
    while clock.now_us() < START_US - 1:
        pass
    assert clock.now_us() == clock.now_us() == START_US - 1
    clock.start()
    assert clock.now_us() >= START_US


def test_a_started_clock_jumps_to_its_start() -> None:
    clock = ScaledClock(START_US, 1, lead_us=3_600_000_000)
    clock.start()
    assert START_US <= clock.now_us() < START_US + 10_000_000


@pytest.mark.parametrize("speed", [0, -1])
def test_a_speed_of_zero_or_less_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        ScaledClock(START_US, speed)
