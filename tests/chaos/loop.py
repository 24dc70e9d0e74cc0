"""The product's virtual loop, with tasks that belong to simulated processes and a guard against endless loops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from chaos.processes import adopt, drop_abandoned, wrap
from truebook.runtime.virtual_loop import CountedTask, VirtualLoop

MAX_PASSES = 100_000
"""More passes of the loop than this without advancing time are an endless loop."""


class LoopNeverWaits(RuntimeError):
    """A task runs again and again without ever waiting."""


class ChaosLoop(VirtualLoop):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self._passes = 0
        self._passed_at_s = -1.0

    def _make_task(self, loop: asyncio.AbstractEventLoop, coro: Any, **kwargs: Any) -> CountedTask:
        task = super()._make_task(loop, wrap(coro), **kwargs)
        adopt(task)
        return task

    def _run_once(self) -> None:
        super()._run_once()
        self._passes += 1
        if self.time() != self._passed_at_s:
            self._passes, self._passed_at_s = 0, self.time()
        elif self._passes > MAX_PASSES:
            raise LoopNeverWaits(f"{MAX_PASSES} passes of the loop at {self.time():.6f} s")


def run_to_end(main: Coroutine[Any, Any, Any], on_error: Callable[[BaseException], None]) -> Any:
    """Run ``main`` and drop every task that remains when it returns; errors outside of tasks go to ``on_error``."""
    loop = ChaosLoop()
    asyncio.set_event_loop(loop)
    loop.set_exception_handler(lambda _, error: on_error(error.get("exception") or RuntimeError(error["message"])))
    try:
        return loop.run_until_complete(main)
    finally:
        loop.set_exception_handler(lambda *_: None)
        asyncio.set_event_loop(None)
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False
        loop.close()
        drop_abandoned()
