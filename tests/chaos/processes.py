"""Simulated processes that die as by kill −9: no ``finally``, no ``except``, no last word.

Each simulated process is a context variable that its tasks inherit. Its coroutines run inside a thin shell; a killed
process's shells raise without entering the inner frame, which is kept aside until the run ends, so that no ``finally``
of it ever runs. The shell counts steps: "kill at the k-th step of service X" is one number of a seed.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Generator
from typing import Any

_current: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)
_graveyard: list[Any] = []


class Process:
    """One life of one simulated process."""

    def __init__(self, name: str, at_death: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self.dead = False
        self.steps = 0
        self.kill_at_step: int | None = None
        self._at_death = at_death
        self._tasks: list[asyncio.Task[Any]] = []

    def spawn(self, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task that belongs to this process, and all that it starts."""
        context = contextvars.copy_context()
        context.run(_current.set, self)
        return context.run(asyncio.get_running_loop().create_task, coro)

    def kill(self) -> None:
        """Die now: nothing of this process runs any more."""
        if self.dead:
            return
        self.dead = True
        self._at_death()
        for task in self._tasks:
            task.cancel()

    def step(self) -> None:
        self.steps += 1
        if self.kill_at_step is not None and self.steps >= self.kill_at_step:
            self.kill()


class Shell(Coroutine[Any, Any, Any]):
    """Stands between a task and its coroutine."""

    def __init__(self, inner: Coroutine[Any, Any, Any], process: Process) -> None:
        self._inner = inner
        self._process = process

    def send(self, value: Any) -> Any:
        self._process.step()
        if self._process.dead:
            self._bury()
        return self._inner.send(value)

    def throw(self, *error: Any) -> Any:
        if self._process.dead:
            self._bury()
        return self._inner.throw(*error)

    def close(self) -> None:
        if self._process.dead:
            _graveyard.append(self._inner)
        else:
            self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()

    def _bury(self) -> None:
        _graveyard.append(self._inner)
        raise asyncio.CancelledError


def wrap(coro: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
    """Put a task's coroutine into the shell of the process that starts it."""
    process = _current.get()
    return coro if process is None else Shell(coro, process)


def adopt(task: asyncio.Task[Any]) -> None:
    """Remember a task, so that it ends with its process."""
    process = _current.get()
    if process is not None:
        process._tasks.append(task)


def alive() -> bool:
    """Whether the process that asks still lives: ports of the dead are fenced by it."""
    process = _current.get()
    return process is None or not process.dead


def empty_graveyard() -> None:
    """Let the frames of the dead go, after the run."""
    _graveyard.clear()
