"""The harness itself: processes die as by kill −9, stand still as without a processor, and the rest goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from chaos.loop import StandingStill, run_to_end
from chaos.processes import Process, current, never, spawn_outside, without_last_words


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    errors: list[BaseException] = []
    with without_last_words():
        answer = run_to_end(main(), errors.append)
    assert errors == []
    return answer


def test_a_killed_process_runs_no_finally_and_no_except() -> None:
    said: list[str] = []

    async def service() -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            said.append("except")
            raise
        finally:
            said.append("finally")

    async def main() -> None:
        process = Process("service")
        task = process.spawn(service())
        await asyncio.sleep(1)
        process.kill()
        await asyncio.wait((task,))
        assert said == []

    run(main)
    assert said in ([], ["finally"])  # what the interpreter does with the frame after the run reaches nobody


def test_death_takes_all_tasks_of_the_process_and_none_of_others() -> None:
    steps: list[str] = []

    async def ticks(name: str) -> None:
        while True:
            await asyncio.sleep(1)
            steps.append(name)

    async def service() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(ticks("child"))
            spawn_outside(ticks("server"))
            await ticks("parent")

    async def main() -> None:
        process = Process("service")
        process.spawn(service())
        await asyncio.sleep(2.5)
        process.kill()
        await asyncio.sleep(2)

    run(main)
    assert steps.count("child") == steps.count("parent") == 2
    assert steps.count("server") == 4


def test_a_process_that_dies_in_the_middle_of_a_step_reaches_no_port_any_more() -> None:
    sent: list[str] = []

    async def port(text: str) -> None:
        process = current()
        assert process is not None
        if process.at_port():
            await never()
        sent.append(text)

    async def service() -> None:
        process = current()
        assert process is not None
        await port("before")
        process.kill()
        await port("after")

    async def main() -> None:
        Process("service").spawn(service())
        await asyncio.sleep(1)

    run(main)
    assert sent == ["before"]


def test_the_kth_use_of_a_port_can_be_the_last() -> None:
    used: list[int] = []

    async def service(process: Process) -> None:
        for number in range(10):
            if process.at_port():
                await never()
            used.append(number)
            await asyncio.sleep(0)

    async def main() -> None:
        process = Process("service")
        process.kill_at_use = 4
        process.spawn(service(process))
        await asyncio.sleep(1)

    run(main)
    assert used == [0, 1, 2]


def test_a_stalled_process_goes_on_where_it_stood_and_learns_of_time_outs_only_then() -> None:
    told: list[tuple[str, float]] = []

    async def service() -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(2):
                await asyncio.sleep(100)
        except TimeoutError:
            told.append(("timed out", loop.time()))
        await asyncio.sleep(1)
        told.append(("done", loop.time()))

    async def main() -> None:
        process = Process("service")
        process.spawn(service())
        await asyncio.sleep(1)
        process.stall()
        await asyncio.sleep(4)
        process.resume()
        await asyncio.sleep(5)

    run(main)
    assert told == [("timed out", 5.0), ("done", 6.0)]


def test_a_loop_that_runs_without_ever_waiting_is_an_error() -> None:
    async def main() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(StandingStill):
        run(main)
