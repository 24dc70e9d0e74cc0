"""Trying and waiting: the two things that every frame does between its start and its stop.

This is the one place that sorts errors: those that say ``retry`` are given back to be tried again, all others go on
up and end the service with their traceback.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from truebook.runtime.context import Context


async def attempt(action: Callable[[], Awaitable[None]]) -> Exception | None:
    """Await ``action``; answer its error where a later attempt may succeed, raise any other."""
    try:
        await action()
    except Exception as error:
        if not getattr(error, "retry", False):
            raise
        return error
    return None


async def pause(stop: asyncio.Event, context: Context, seconds: float) -> None:
    """Sleep on the context's clock, but wake at once when ``stop`` is set. Leaves no task behind, also when cancelled.

    A clock that fails raises here: it must not look like one that has slept.
    """
    sleeper = asyncio.ensure_future(context.clock.sleep(seconds))
    stopper = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((sleeper, stopper), return_when=asyncio.FIRST_COMPLETED)
        if sleeper.done():
            sleeper.result()
    finally:
        sleeper.cancel()
        stopper.cancel()
        await asyncio.gather(sleeper, stopper, return_exceptions=True)
