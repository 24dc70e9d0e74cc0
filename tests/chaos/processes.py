"""Simulated processes that die as by kill −9: no ``finally`` and no ``except`` runs.

Each simulated process is a context variable that its tasks inherit. Its coroutines run inside a thin shell. The shells
of a killed process raise without entering the inner frame, which is kept until the run ends, so that none of its
``finally`` blocks runs.

Ports are a process's only access to its environment. They call ``at_port`` before and after each operation: a dead
process waits there for ever. They count, so that "kill at the k-th use of a port of service X" is one number of a seed
(a count of the loop's own steps would differ between versions of Python).
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
_abandoned: list[Any] = []
_PRUNE_FROM = 256


class Process:
    """One simulated process; ``at_death`` releases what others hold for it (sockets, memberships)."""

    def __init__(self, name: str, at_death: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self.dead = False
        self.stalled = False
        self.uses = 0
        """Uses of its ports so far."""
        self.kill_at_use: int | None = None
        self._at_death = at_death
        self._tasks: list[asyncio.Task[Any]] = []
        self._prune_at = _PRUNE_FROM
        self._waiting: list[asyncio.Future[None]] = []

    def spawn(self, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task that belongs to this process, as do all tasks that it starts."""
        return self.run(asyncio.get_running_loop().create_task, coro)

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function as this process."""
        context = contextvars.copy_context()
        context.run(_current.set, self)
        return context.run(function, *args)

    def kill(self) -> None:
        """Die now: no code of this process runs any more."""
        if self.dead:
            return
        self.dead = True
        self._at_death()
        for task in self._tasks:
            task.cancel()

    def stall(self) -> None:
        """Stop running, as a process without CPU does: everything else continues, this process notices nothing."""
        self.stalled = True

    def resume(self) -> None:
        """Continue exactly where it stopped."""
        self.stalled = False
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def wait_for_resume(self) -> asyncio.Future[None]:
        """Return the future that a step awaits while the process is stalled."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future

    def at_port(self) -> bool:
        """Count a use of a port and die if planned. True: the caller is dead and must wait for ever."""
        self.uses += 1
        if self.kill_at_use is not None and self.uses >= self.kill_at_use:
            self.kill()
        return self.dead

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Register a task, so that it ends with this process."""
        self._tasks.append(task)
        if len(self._tasks) >= self._prune_at:
            self._tasks = [one for one in self._tasks if not one.done()]
            self._prune_at = max(_PRUNE_FROM, 2 * len(self._tasks))


class Shell(Coroutine[Any, Any, Any]):
    """Wraps a task's coroutine, to stall or abandon it."""

    def __init__(self, inner: Coroutine[Any, Any, Any], process: Process) -> None:
        self._inner = inner
        self._process = process
        self._error: tuple[Any, ...] | None = None

    def send(self, value: Any) -> Any:
        process = self._process
        if process.stalled and not process.dead:
            return self._wait()
        if process.dead:
            self._abandon()
        if self._error is not None:
            error, self._error = self._error, None
            return self._inner.throw(*error)
        return self._inner.send(value)

    def throw(self, *error: Any) -> Any:
        if self._process.dead:
            self._abandon()
        if self._process.stalled:
            self._error = error
            return self._wait()
        return self._inner.throw(*error)

    def close(self) -> None:
        if self._process.dead:
            _abandoned.append(self._inner)
        else:
            self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()

    def _wait(self) -> asyncio.Future[None]:
        """Make the task wait: yield a future as ``await`` does."""
        future = self._process.wait_for_resume()
        future._asyncio_future_blocking = True
        return future

    def _abandon(self) -> None:
        _abandoned.append(self._inner)
        raise asyncio.CancelledError


def current() -> Process | None:
    """Return the process whose code runs now; None for what never dies (exchange, broker, ledger server, harness)."""
    return _current.get()


def outside(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function outside of every process, whoever calls."""
    context = contextvars.copy_context()
    context.run(_current.set, None)
    return context.run(function, *args)


def spawn_outside(coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start a task that outlives its caller: a server's work on a request."""
    return outside(asyncio.get_running_loop().create_task, coro)


async def never() -> None:
    """Wait for ever, as a dead process does at a port."""
    await asyncio.get_running_loop().create_future()


def wrap(coro: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
    """Wrap a task's coroutine in a shell of the process that starts it."""
    process = _current.get()
    return coro if process is None else Shell(coro, process)


def adopt(task: asyncio.Task[Any]) -> None:
    """Register a task, so that it ends with its process."""
    process = _current.get()
    if process is not None:
        process.adopt(task)


def drop_abandoned() -> None:
    """Release the frames of dead processes, after the run."""
    _abandoned.clear()


@contextmanager
def silence_abandoned_frames() -> Iterator[None]:
    """Silence warnings and errors of abandoned frames.

    The garbage collector is off until the end: a frame of a dead process must not be closed during a run.
    """
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    gc.freeze()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # coroutines that are never awaited
            yield
            gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()
        sys.unraisablehook = hook
