"""Virtual time: an event loop whose time stands still while anything is left to do, and then jumps to the next timer.

Nothing on it depends on the machine: there is no selector, no socket and no thread, so what runs is decided by the
order of calls alone. Equal timers fire in the order of their creation, ready callbacks in theirs; tasks hash by a
counter, so that sets of tasks iterate alike in every process. Where nothing can ever happen again, ``Deadlock`` is
raised instead of waiting for ever. Only signals come from outside: they end a run, they do not change its history.

What runs here must not wait for anything outside the process; what it does takes no time.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple

from truebook.clock import MICROS

Args = TypeVarTuple("Args")
Result = TypeVar("Result")


class Deadlock(RuntimeError):
    """Nothing is ready and no timer is set: the system would wait for ever."""


class CountedTask(asyncio.Task[Any]):
    """A task whose place in a set does not depend on its address."""

    def __init__(self, coro: Any, number: int, **kwargs: Any) -> None:
        self._number = number
        super().__init__(coro, **kwargs)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.BaseEventLoop):
    """See the module; ``time`` is virtual seconds since the loop's start."""

    # What ``BaseEventLoop`` keeps for its subclasses, named here for the type checker.
    _ready: Any

    def __init__(self) -> None:
        super().__init__()
        self._virtual_s = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timer_numbers = itertools.count()
        self._task_numbers = itertools.count()
        self._handlers: dict[int, asyncio.Handle] = {}
        self._before: dict[int, Any] = {}
        self._arrived: list[int] = []
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        return self._virtual_s

    def call_at(
        self, when: float, callback: Callable[[*Args], object], *args: *Args, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._timer_numbers), handle))
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Args], object],
        *args: *Args,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._virtual_s + delay, callback, *args, context=context)

    def add_signal_handler(self, sig: int, callback: Callable[[*Args], object], *args: *Args) -> None:
        """Call back soon after the signal; the handler of before is put back when the loop closes."""
        self._handlers[sig] = asyncio.Handle(callback, args, self)
        before = signal.signal(sig, lambda number, _: self._arrived.append(number))
        self._before.setdefault(sig, before)

    def remove_signal_handler(self, sig: int) -> bool:
        if self._handlers.pop(sig, None) is None:
            return False
        signal.signal(sig, self._before.pop(sig))
        return True

    def close(self) -> None:
        for sig in list(self._handlers):
            self.remove_signal_handler(sig)
        self._timers.clear()
        super().close()

    def _make_task(self, loop: asyncio.AbstractEventLoop, coro: Any, **kwargs: Any) -> CountedTask:
        return CountedTask(coro, next(self._task_numbers), loop=loop, **kwargs)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers stay in the heap and are skipped."""

    def _run_once(self) -> None:
        while self._arrived:
            self._ready.append(self._handlers[self._arrived.pop()])
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not self._ready:
            if not timers:
                raise Deadlock("nothing is ready and no timer is set")
            self._virtual_s = max(self._virtual_s, timers[0][0])
        while timers and timers[0][0] <= self._virtual_s:
            handle = heapq.heappop(timers)[2]
            if not handle.cancelled():
                self._ready.append(handle)
        for _ in range(len(self._ready)):
            ready = self._ready.popleft()
            if not ready.cancelled():
                ready._run()

    def _write_to_self(self) -> None:
        """No other thread may wake this loop; ``call_soon_threadsafe`` from its own thread is harmless."""

    def _process_events(self, event_list: Any) -> None:
        """There is no selector."""


class VirtualClock:
    """The virtual loop's time as a ``Clock``; it comes to ``start_us`` as ``ScaledClock`` does, real time included.

    With ``lead_us`` it begins that much earlier and waits just before ``start_us`` until ``start``, which goes
    straight there.
    """

    def __init__(self, start_us: int, *, lead_us: int = 0) -> None:
        self._start_us = start_us
        self._lead_us = lead_us
        self._origin_us = self.monotonic_us()

    def start(self) -> None:
        """Go to ``start_us``, if it is not reached yet."""
        if self._lead_us:
            self._lead_us = 0
            self._origin_us = self.monotonic_us()

    def now_us(self) -> int:
        passed_us = self.monotonic_us() - self._origin_us - self._lead_us
        return self._start_us + (min(passed_us, -1) if self._lead_us else passed_us)

    def monotonic_us(self) -> int:
        return round(asyncio.get_running_loop().time() * MICROS)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run_virtual(main: Coroutine[Any, Any, Result]) -> Result:
    """Run ``main`` to its end on a virtual loop of its own, as ``asyncio.run`` does on a real one."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
