"""Simulated processes that die as by kill −9: no ``finally``, no ``except``, no last word.

Each simulated process is a context variable that its tasks inherit. Its coroutines run inside a thin shell; a killed
process's shells raise without entering the inner frame, which is kept aside until the run ends, so that no ``finally``
of it ever runs.

Ports are a process's only way to the world, and they ask ``at_port`` before and after what they do: who is dead waits
there for ever. They count, so that "kill at the k-th use of a port of service X" is one number of a seed (a count of
the loop's own steps would differ between versions of Python).
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import warnings
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from typing import Any

_current: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)
_graveyard: list[Any] = []
_PRUNE_FROM = 256


class Process:
    """One life of one simulated process; ``at_death`` frees what others hold for it (sockets, memberships)."""

    def __init__(self, name: str, at_death: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self.dead = False
        self.stalled = False
        self.uses = 0
        """Of its ports, so far."""
        self.kill_at_use: int | None = None
        self._at_death = at_death
        self._tasks: list[asyncio.Task[Any]] = []
        self._prune_at = _PRUNE_FROM
        self._held_up: list[asyncio.Future[None]] = []

    def spawn(self, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task that belongs to this process, and all that it starts."""
        return self.run(asyncio.get_running_loop().create_task, coro)

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function as this process."""
        context = contextvars.copy_context()
        context.run(_current.set, self)
        return context.run(function, *args)

    def kill(self) -> None:
        """Die now: nothing of this process runs any more."""
        if self.dead:
            return
        self.dead = True
        self._at_death()
        for task in self._tasks:
            task.cancel()

    def stall(self) -> None:
        """Stand still, as a machine without a processor does: the world goes on, this process notices nothing."""
        self.stalled = True

    def resume(self) -> None:
        """Go on exactly where it stood."""
        self.stalled = False
        waiting, self._held_up = self._held_up, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def hold_up(self) -> asyncio.Future[None]:
        """Answer what a step has to wait for while the process stands still."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._held_up.append(future)
        return future

    def at_port(self) -> bool:
        """Count a use of a port, and die of it if that is planned; true: the caller is dead and must wait for ever."""
        self.uses += 1
        if self.kill_at_use is not None and self.uses >= self.kill_at_use:
            self.kill()
        return self.dead

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Remember a task, so that it ends with this process."""
        self._tasks.append(task)
        if len(self._tasks) >= self._prune_at:
            self._tasks = [one for one in self._tasks if not one.done()]
            self._prune_at = max(_PRUNE_FROM, 2 * len(self._tasks))


class Shell(Coroutine[Any, Any, Any]):
    """Stands between a task and its coroutine."""

    def __init__(self, inner: Coroutine[Any, Any, Any], process: Process) -> None:
        self._inner = inner
        self._process = process
        self._error: tuple[Any, ...] | None = None

    def send(self, value: Any) -> Any:
        process = self._process
        if process.stalled and not process.dead:
            return self._wait()
        if process.dead:
            self._bury()
        if self._error is not None:
            error, self._error = self._error, None
            return self._inner.throw(*error)
        return self._inner.send(value)

    def throw(self, *error: Any) -> Any:
        if self._process.dead:
            self._bury()
        if self._process.stalled:
            self._error = error
            return self._wait()
        return self._inner.throw(*error)

    def close(self) -> None:
        if self._process.dead:
            _graveyard.append(self._inner)
        else:
            self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()

    def _wait(self) -> asyncio.Future[None]:
        """Let the task wait: it takes a future from its coroutine as ``await`` hands it over."""
        future = self._process.hold_up()
        future._asyncio_future_blocking = True
        return future

    def _bury(self) -> None:
        _graveyard.append(self._inner)
        raise asyncio.CancelledError


def current() -> Process | None:
    """The process whose code runs now; null for what never dies (exchange, broker, ledger server, harness)."""
    return _current.get()


def outside(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function as a part of the world that never dies, whoever calls."""
    context = contextvars.copy_context()
    context.run(_current.set, None)
    return context.run(function, *args)


def spawn_outside(coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start a task that outlives the process which asks for it: what a server does about a request."""
    return outside(asyncio.get_running_loop().create_task, coro)


async def never() -> None:
    """Wait for ever: what a port gives to the dead."""
    await asyncio.get_running_loop().create_future()


def wrap(coro: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
    """Put a task's coroutine into the shell of the process that starts it."""
    process = _current.get()
    return coro if process is None else Shell(coro, process)


def adopt(task: asyncio.Task[Any]) -> None:
    """Remember a task, so that it ends with its process."""
    process = _current.get()
    if process is not None:
        process.adopt(task)


def empty_graveyard() -> None:
    """Let the frames of the dead go, after the run."""
    _graveyard.clear()


@contextmanager
def without_last_words() -> Iterator[None]:
    """Throw frames away silently: what a ``finally`` of the dead or of an abandoned run says is nobody's business.

    The collector waits until the end: a frame of the dead must not be closed in the middle of a run.
    """
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    gc.freeze()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # coroutines that nobody awaits any more
            yield
            gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()
        sys.unraisablehook = hook
