"""Attempts and pauses, shared by all frames.

This is the only place that sorts errors: those with ``retry`` are returned to be retried, all others are raised and end
the service with their traceback.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from truebook.runtime.context import Context


async def attempt(action: Callable[[], Awaitable[None]]) -> Exception | None:
    """Await ``action``; return an error that may be retried, raise any other."""
    try:
        await action()
    except Exception as error:
        if not getattr(error, "retry", False):
            raise
        return error
    return None


async def pause(stop: asyncio.Event, context: Context, seconds: float) -> None:
    """Sleep on the context's clock, but wake at once when ``stop`` is set. Leaves no task behind if cancelled.

    An error of the clock is raised: it must not count as a completed sleep.
    """
    async with stopping(stop) as stopped:
        await pause_until(stopped, context, seconds)


@asynccontextmanager
async def stopping(stop: asyncio.Event) -> AsyncIterator[asyncio.Task[Any]]:
    """Yield a task that ends when ``stop`` is set: one for many pauses."""
    stopped = asyncio.ensure_future(stop.wait())
    try:
        yield stopped
    finally:
        stopped.cancel()
        await asyncio.gather(stopped, return_exceptions=True)


async def pause_until(stopped: asyncio.Task[Any], context: Context, seconds: float) -> None:
    """Sleep as ``pause`` does, with the task of ``stopping``."""
    sleeper = asyncio.ensure_future(context.clock.sleep(seconds))
    try:
        await asyncio.wait((sleeper, stopped), return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not sleeper.done():
            sleeper.cancel()
            await asyncio.gather(sleeper, return_exceptions=True)
    if not sleeper.cancelled():
        sleeper.result()
