"""The harness: processes die as by kill −9 or stall as without CPU, and everything else continues."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from chaos.fleet import FORCED
from chaos.loop import LoopNeverWaits, run_to_end
from chaos.processes import Process, current, never, silence_abandoned_frames, spawn_outside
from chaos.verdict import NEVER_LOGGED

ROOT = Path(__file__).parents[2]


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    errors: list[BaseException] = []
    with silence_abandoned_frames():
        result = run_to_end(main(), errors.append)
    assert errors == []
    return result


def test_a_killed_process_runs_no_finally_and_no_except() -> None:
    ran: list[str] = []

    async def service() -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            ran.append("except")
            raise
        finally:
            ran.append("finally")

    async def main() -> None:
        process = Process("service")
        task = process.spawn(service())
        await asyncio.sleep(1)
        process.kill()
        await asyncio.wait((task,))
        assert ran == []

    run(main)
    assert ran in ([], ["finally"])  # the interpreter may close the frame after the run


def test_a_kill_ends_all_tasks_of_the_process_only() -> None:
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


def test_a_process_killed_within_a_step_uses_no_port_again() -> None:
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


def test_a_kill_can_be_planned_at_a_port_use() -> None:
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


def test_a_stalled_process_resumes_and_then_sees_timeouts() -> None:
    events: list[tuple[str, float]] = []

    async def service() -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(2):
                await asyncio.sleep(100)
        except TimeoutError:
            events.append(("timed out", loop.time()))
        await asyncio.sleep(1)
        events.append(("done", loop.time()))

    async def main() -> None:
        process = Process("service")
        process.spawn(service())
        await asyncio.sleep(1)
        process.stall()
        await asyncio.sleep(4)
        process.resume()
        await asyncio.sleep(5)

    run(main)
    assert events == [("timed out", 5.0), ("done", 6.0)]


def test_a_loop_that_never_waits_is_an_error() -> None:
    async def main() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(LoopNeverWaits):
        run(main)


def test_log_lines_that_the_runs_look_for_exist() -> None:
    sources = [path.read_text(encoding="utf-8") for path in ROOT.glob("*/truebook*/**/*.py")]
    events = [event.removeprefix("ERROR ").removeprefix("log:") for event in (*NEVER_LOGGED, FORCED)]
    assert [event for event in events if not any(f'"{event}"' in text for text in sources)] == []
