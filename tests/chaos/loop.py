"""The product's virtual loop, with tasks that belong to simulated processes, and a guard against standing still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from chaos.processes import adopt, empty_graveyard, wrap
from truebook.runtime.virtual_loop import CountedTask, VirtualLoop

MOST_TURNS = 100_000
"""So many turns without time moving on are a loop that never ends."""


class StandingStill(RuntimeError):
    """Something runs again and again without ever waiting for anything."""


class ChaosLoop(VirtualLoop):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self._turns = 0
        self._turned_at_s = -1.0

    def _make_task(self, loop: asyncio.AbstractEventLoop, coro: Any, **kwargs: Any) -> CountedTask:
        task = super()._make_task(loop, wrap(coro), **kwargs)
        adopt(task)
        return task

    def _run_once(self) -> None:
        super()._run_once()
        self._turns += 1
        if self._virtual_s != self._turned_at_s:
            self._turns, self._turned_at_s = 0, self._virtual_s
        elif self._turns > MOST_TURNS:
            raise StandingStill(f"{MOST_TURNS} turns of the loop at {self._virtual_s:.6f} s")


def run_to_end(main: Coroutine[Any, Any, Any], on_error: Callable[[BaseException], None]) -> Any:
    """Run ``main`` and drop whatever still stands when it returns; errors that no task holds go to ``on_error``."""
    loop = ChaosLoop()
    asyncio.set_event_loop(loop)
    loop.set_exception_handler(lambda _, told: on_error(told.get("exception") or RuntimeError(told["message"])))
    try:
        return loop.run_until_complete(main)
    finally:
        loop.set_exception_handler(lambda *_: None)
        asyncio.set_event_loop(None)
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False
        loop.close()
        empty_graveyard()
