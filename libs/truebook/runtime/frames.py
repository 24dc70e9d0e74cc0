"""The three frames in which all services run, and the ``Service`` that runs several of them.

``Consumer``  decode → handle → (publish) → commit          ``Feed``  a connection that is reopened when it ends
``Periodic``  an action at an interval

No service has its own loop. A frame returns when ``stop`` is set. Errors with ``retry`` are counted, logged and
retried; every other exception ends the service with its traceback, and a supervisor restarts it from its commits.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from truebook.models.history import ModelVersion
from truebook.runtime.consumer import Consumer, Incoming
from truebook.runtime.context import Context
from truebook.runtime.retry import attempt, pause, pause_until, stopping

STOP_WITHIN_S = 5.0
LAST_STOP_WITHIN_S = 1.0


class Frame(Protocol):
    """Runs until ``stop`` is set, then returns within ``STOP_WITHIN_S``."""

    name: str

    async def run(self, stop: asyncio.Event) -> None: ...

    def not_ready(self) -> str | None:
        """Return why this frame can't work now, or None: for ``/readyz``."""
        ...


class FrameExited(RuntimeError):
    """A frame returned although ``stop`` is not set: the service must not continue without it."""


class Periodic:
    """Runs ``action`` at once and then every ``every_s`` of the context's clock, plus ``jitter`` (a share of it).

    With ``at_stop`` it also runs once after the stop.
    """

    def __init__(
        self, context: Context, name: str, every_s: float, action: Callable[[], Awaitable[None]], *,
        jitter: float = 0.0, at_stop: bool = False,
    ) -> None:  # fmt: skip
        self.name = name
        self._context = context
        self._every_s = every_s
        self._action = action
        self._jitter = jitter
        self._at_stop = at_stop
        self._random = random.Random(name)
        self._failing: str | None = None

    def not_ready(self) -> str | None:
        return self._failing

    async def run(self, stop: asyncio.Event) -> None:
        async with stopping(stop) as stopped:
            while not stop.is_set():
                await self._act()
                seconds = self._every_s * (1 + self._jitter * self._random.random())
                await pause_until(stopped, self._context, seconds)
        if self._at_stop:
            await self._act()

    async def _act(self) -> None:
        error = await attempt(self._action)
        self._failing = None if error is None else f"{self.name}: {error}"
        if error is not None:
            self._context.metrics.failed(self.name, type(error).__name__)
            self._context.log.warning("periodic action failed", component=self.name, error=str(error))


class Feed:
    """Runs ``session`` until its connection ends, then restarts it.

    The session gets ``stop`` and returns when it is set. It calls ``mark_healthy`` once data is received, which resets
    the backoff. Errors with ``retry`` lead to another attempt after a jittered, growing delay.
    """

    def __init__(
        self,
        context: Context,
        name: str,
        session: Callable[[asyncio.Event, Feed], Awaitable[None]],
        *,
        first_delay_s: float = 0.1,
        max_delay_s: float = 10.0,
    ) -> None:
        self.name = name
        self._context = context
        self._session = session
        self._first_delay_s = first_delay_s
        self._max_delay_s = max_delay_s
        self._delay_s = first_delay_s
        self._random = random.Random(name)
        self._down: str | None = "not connected yet"

    def mark_healthy(self) -> None:
        """Report that the connection delivers: the frame is ready, and the backoff restarts."""
        self._down = None
        self._delay_s = self._first_delay_s

    def not_ready(self) -> str | None:
        return None if self._down is None else f"{self.name}: {self._down}"

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            error = await attempt(partial(self._session, stop, self))
            if stop.is_set():
                return
            self._down = "the session ended" if error is None else str(error) or type(error).__name__
            self._context.metrics.failed(self.name, "reconnect")
            self._context.log.warning("reconnecting", component=self.name, reason=self._down, delay_s=self._delay_s)
            await pause(stop, self._context, self._delay_s * (0.5 + self._random.random() / 2))
            self._delay_s = min(self._delay_s * 2, self._max_delay_s)


class Service:
    """Frames in one task group; ``run`` returns after a graceful stop and raises the failure of a frame.

    When a frame fails, the others are cancelled at once and resume from their commits later. When ``stop`` is set, all
    have ``stop_within_s`` to drain, commit and flush; late ones are cancelled. Then the ``last`` frames are stopped,
    which publish what the others have left.
    """

    def __init__(
        self, context: Context, frames: Sequence[Frame], *, last: Sequence[Frame] = (),
        stop_within_s: float = STOP_WITHIN_S, model: Callable[[], ModelVersion] | None = None,
    ) -> None:  # fmt: skip
        self.context = context
        self.model = model
        """Returns the model in use; None for a service that uses none."""
        self.name = context.service
        self.frames = (*frames, *last)
        self._first, self._last = tuple(frames), tuple(last)
        self._stop_within_s = stop_within_s

    def not_ready(self) -> list[str]:
        """Return every reason why this service can't work now; empty if ready."""
        return [reason for frame in self.frames if (reason := frame.not_ready()) is not None]

    async def run(self, stop: asyncio.Event) -> None:
        """Run all frames until ``stop``; a single failure is raised itself, several as their group."""
        try:
            await self._run(stop)
        except BaseExceptionGroup as failures:
            if len(failures.exceptions) == 1:
                raise failures.exceptions[0] from None
            raise

    async def _run(self, stop: asyncio.Event) -> None:
        stop_last = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            first = [self._start(group, frame, stop) for frame in self._first]
            last = [self._start(group, frame, stop_last) for frame in self._last]
            await stop.wait()
            await self._end(first, self._stop_within_s)
            stop_last.set()
            await self._end(last, LAST_STOP_WITHIN_S)

    def _start(self, group: asyncio.TaskGroup, frame: Frame, stop: asyncio.Event) -> asyncio.Task[None]:
        return group.create_task(self._keep(frame, stop), name=f"{self.name}:{frame.name}")

    async def _end(self, tasks: Sequence[asyncio.Task[None]], within_s: float) -> None:
        """Wait for tasks that are stopping, and cancel the late ones."""
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=within_s)
        for task in late:
            self.context.log.warning("frame cancelled: did not stop in time", component=task.get_name())
            task.cancel()

    @staticmethod
    async def _keep(frame: Frame, stop: asyncio.Event) -> None:
        await frame.run(stop)
        if not stop.is_set():
            raise FrameExited(f"{frame.name} exited unexpectedly")


__all__ = ["Consumer", "Feed", "Frame", "FrameExited", "Incoming", "Periodic", "Service", "pause"]
