"""The virtual loop: time moves only when nothing is left to do, and every order of things is decided by the calls."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from truebook.runtime.virtual_loop import Deadlock, VirtualClock, run_virtual

START_US = 1_700_000_000_000_000


def test_an_hour_of_sleep_takes_no_real_time() -> None:
    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        for _ in range(1_000):
            await asyncio.sleep(0)
        before = loop.time()
        await asyncio.sleep(3_600)
        return before, loop.time()

    assert run_virtual(main()) == (0.0, 3_600.0)


def test_equal_timers_fire_in_the_order_of_their_creation() -> None:
    async def main() -> list[int]:
        fired: list[int] = []
        loop = asyncio.get_running_loop()
        for number in range(50):
            loop.call_later(1.0, fired.append, number)
        await asyncio.sleep(1.0)
        return fired

    assert run_virtual(main()) == list(range(50))


def test_a_cancelled_timer_neither_fires_nor_moves_time() -> None:
    async def main() -> float:
        asyncio.get_running_loop().call_later(1.0, pytest.fail, "a cancelled timer fired").cancel()
        await asyncio.sleep(5.0)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 5.0


def test_timeouts_end_at_their_virtual_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 2.5


def test_sets_of_tasks_iterate_in_order_of_creation() -> None:
    async def main() -> list[str]:
        tasks = {asyncio.create_task(asyncio.sleep(0), name=str(number)) for number in range(8)}
        await asyncio.wait(tasks)
        return [task.get_name() for task in tasks]

    assert run_virtual(main()) == [str(number) for number in range(8)]


def test_a_loop_in_which_nothing_can_happen_raises_deadlock() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        run_virtual(main())


def test_a_signal_is_handled_and_its_previous_handler_restored() -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def main() -> None:
        received = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, received.set)
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(3_600):
            await received.wait()

    run_virtual(main())
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_clock_waits_before_its_start_until_it_is_started() -> None:
    async def main() -> list[int]:
        clock = VirtualClock(START_US, lead_us=2_000_000)
        times = [clock.now_us()]
        for _ in range(2):
            await clock.sleep(1.5)
            times.append(clock.now_us())
        clock.start()
        times.append(clock.now_us())
        await clock.sleep(0.25)
        return [*times, clock.now_us()]

    assert [at_us - START_US for at_us in run_virtual(main())] == [-2_000_000, -500_000, -1, 0, 250_000]
