"""The three frames in which all of Truebook's services run, and the service that holds them together.

``Consumer``  decode → handle → (publish) → commit          ``Feed``  a socket that is opened again and again
``Periodic``  an action every so often

No service writes a loop of its own. A frame ends when ``stop`` is set; errors that say ``retry`` are counted, logged
and tried again, every other exception ends the service with its traceback: a supervisor restarts it from its commits.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from truebook.runtime.attempt import attempt, pause, pause_until, stopping
from truebook.runtime.consumer import Consumer, Incoming
from truebook.runtime.context import Context

STOP_WITHIN_S = 5.0


class Frame(Protocol):
    """Something that runs until ``stop`` is set and then returns within ``STOP_WITHIN_S``."""

    name: str

    async def run(self, stop: asyncio.Event) -> None: ...

    def not_ready(self) -> str | None:
        """Why this frame can't work now, or null: for ``/readyz``."""
        ...


class FrameEnded(RuntimeError):
    """A frame returned although nobody had told it to stop: a service that goes on without it would be half dead."""


class Periodic:
    """Runs ``action`` at once and then every ``every_s`` of the context's clock, each time with a little jitter."""

    def __init__(
        self, context: Context, name: str, every_s: float, action: Callable[[], Awaitable[None]], *, jitter: float = 0.0
    ) -> None:
        self.name = name
        self._context = context
        self._every_s = every_s
        self._action = action
        self._jitter = jitter
        self._random = random.Random(name)
        self._failing: str | None = None

    def not_ready(self) -> str | None:
        return self._failing

    async def run(self, stop: asyncio.Event) -> None:
        async with stopping(stop) as stopped:
            while not stop.is_set():
                error = await attempt(self._action)
                self._failing = None if error is None else f"{self.name}: {error}"
                if error is not None:
                    self._context.metrics.failed(self.name, type(error).__name__)
                    self._context.log.warning("retrying", part=self.name, error=str(error))
                seconds = self._every_s * (1 + self._jitter * self._random.random())
                await pause_until(stopped, self._context, seconds)


class Feed:
    """Keeps a session with a socket alive: ``session`` runs until the connection ends, then is started anew.

    The session gets ``stop`` and returns when it is set; it calls ``self.healthy()`` once data flow, which resets
    the back-off. Errors with ``retry`` lead to another attempt after a jittered, growing delay.
    """

    def __init__(
        self,
        context: Context,
        name: str,
        session: Callable[[asyncio.Event, Feed], Awaitable[None]],
        *,
        first_delay_s: float = 0.1,
        most_delay_s: float = 10.0,
    ) -> None:
        self.name = name
        self._context = context
        self._session = session
        self._first_delay_s = first_delay_s
        self._most_delay_s = most_delay_s
        self._delay_s = first_delay_s
        self._random = random.Random(name)
        self._down: str | None = "not connected yet"

    def healthy(self) -> None:
        """Tell that the connection delivers: it is ready, and the next failure starts the back-off anew."""
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
            self._context.log.warning("reconnecting", part=self.name, reason=self._down, delay_s=self._delay_s)
            await pause(stop, self._context, self._delay_s * (0.5 + self._random.random() / 2))
            self._delay_s = min(self._delay_s * 2, self._most_delay_s)


class Service:
    """Frames under one task group; ``run`` returns after a graceful stop and raises what made a frame fail.

    When a frame fails, the others are cancelled at once: their commits are what they had done. When ``stop`` is set,
    all have ``stop_within_s`` to drain, commit and flush; who is late is cancelled.
    """

    def __init__(self, context: Context, frames: Sequence[Frame], *, stop_within_s: float = STOP_WITHIN_S) -> None:
        self.context = context
        self.name = context.service
        self.frames = tuple(frames)
        self._stop_within_s = stop_within_s

    def not_ready(self) -> list[str]:
        """Every reason why this service can't do its work now; empty is ready."""
        return [reason for frame in self.frames if (reason := frame.not_ready()) is not None]

    async def run(self, stop: asyncio.Event) -> None:
        """Run all frames until ``stop``; a single failure is raised as itself, several as their group."""
        try:
            await self._run(stop)
        except BaseExceptionGroup as failures:
            if len(failures.exceptions) == 1:
                raise failures.exceptions[0] from None
            raise

    async def _run(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._keep(frame, stop), name=f"{self.name}:{frame.name}") for frame in self.frames
            ]
            await stop.wait()
            if not tasks:
                return
            _, late = await asyncio.wait(tasks, timeout=self._stop_within_s)
            for task in late:
                self.context.log.warning("stopped by force", part=task.get_name())
                task.cancel()

    @staticmethod
    async def _keep(frame: Frame, stop: asyncio.Event) -> None:
        await frame.run(stop)
        if not stop.is_set():
            raise FrameEnded(f"{frame.name} ended by itself")


__all__ = ["Consumer", "Feed", "Frame", "FrameEnded", "Incoming", "Periodic", "Service", "pause"]
