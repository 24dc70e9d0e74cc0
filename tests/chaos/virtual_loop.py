"""An event loop without a selector: time jumps to the next timer when nothing is ready. One thread, one history.

Equal timers fire in the order of their creation, ready callbacks in theirs; tasks hash by a counter, so that sets of
tasks iterate alike in every process. A loop in which nothing can ever happen again raises ``Deadlock``.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

from chaos.processes import adopt, wrap


class Deadlock(RuntimeError):
    """Nothing is ready and no timer is set: the system would wait for ever."""


class CountedTask(asyncio.Task):  # type: ignore[type-arg]
    """A task whose place in a set does not depend on its address."""

    _numbers = itertools.count()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._number = next(self._numbers)
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.BaseEventLoop):
    """See the module; ``time`` is seconds since the loop's start."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._order = itertools.count()
        self.set_task_factory(self._make_task)  # type: ignore[arg-type]

    def time(self) -> float:
        return self._now

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._order), handle))
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def _make_task(self, loop: VirtualLoop, coro: Coroutine[Any, Any, Any], **kwargs: Any) -> CountedTask:
        task = CountedTask(wrap(coro), loop=loop, **kwargs)
        adopt(task)
        return task

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers stay in the heap and are skipped."""

    def _run_once(self) -> None:
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        if not self._ready:  # type: ignore[attr-defined]
            if not self._timers:
                raise Deadlock("nothing is ready and no timer is set")
            self._now = max(self._now, self._timers[0][0])
        while self._timers and self._timers[0][0] <= self._now:
            handle = heapq.heappop(self._timers)[2]
            if not handle.cancelled():
                self._ready.append(handle)  # type: ignore[attr-defined]
        for _ in range(len(self._ready)):  # type: ignore[attr-defined]
            handle = self._ready.popleft()  # type: ignore[attr-defined]
            if not handle.cancelled():
                handle._run()

    def _write_to_self(self) -> None:
        """No other thread may wake this loop; ``call_soon_threadsafe`` from its own thread is harmless."""

    def _process_events(self, event_list: Any) -> None:
        """There is no selector."""


def run_virtual(main: Coroutine[Any, Any, Any]) -> Any:
    """Run ``main`` to its end on a new virtual loop."""
    CountedTask._numbers = itertools.count()
    loop = VirtualLoop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
