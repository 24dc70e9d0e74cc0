"""Virtual time: an event loop whose time does not advance while callbacks are ready, and then jumps to the next timer.

It is deterministic: without a selector, sockets or threads, the order of calls alone decides what runs. Time is a
whole number of microseconds. Equal timers fire in the order of their creation, as do ready callbacks; tasks hash by a
counter, so that sets of tasks iterate alike in every process. If nothing can ever happen again, ``Deadlock`` is raised.
Only signals are external: they end a run and do not change its history.

Within one instant, ``turn`` orders what would otherwise depend on the number of steps of each task: a task that awaits
its turn continues once nothing is ready, and those with a lower rank have had theirs.

Code on this loop must not wait for anything outside of the process; execution itself takes no virtual time.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar, TypeVarTuple

from truebook.clock import MICROS

LAST: Final = 100
"""The rank of periodic work."""
Args = TypeVarTuple("Args")
Result = TypeVar("Result")


class Deadlock(RuntimeError):
    """Nothing is ready and no timer is set: the loop would wait for ever."""


class CountedTask(asyncio.Task[Any]):
    """A task whose hash does not depend on its address."""

    def __init__(self, coro: Any, number: int, **kwargs: Any) -> None:
        self._number = number
        super().__init__(coro, **kwargs)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.BaseEventLoop):
    """The loop of the module's docstring; ``time`` is in virtual seconds since its start."""

    # An attribute of ``BaseEventLoop``, declared for the type checker.
    _ready: Any

    def __init__(self) -> None:
        super().__init__()
        self._virtual_us = 0
        self._timers: list[tuple[int, int, asyncio.TimerHandle]] = []
        self._turns: list[tuple[int, int, asyncio.Future[None]]] = []
        self._timer_numbers = itertools.count()
        self._task_numbers = itertools.count()
        self._handlers: dict[int, asyncio.Handle] = {}
        self._before: dict[int, Any] = {}
        self._arrived: list[int] = []
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        return self._virtual_us / MICROS

    def call_at(
        self, when: float, callback: Callable[[*Args], object], *args: *Args, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (round(when * MICROS), next(self._timer_numbers), handle))
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Args], object],
        *args: *Args,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        when_s = (self._virtual_us + round(delay * MICROS)) / MICROS
        return self.call_at(when_s, callback, *args, context=context)

    async def turn(self, rank: int) -> None:
        """Return once nothing is ready in this instant; equal ranks in the order of their calls."""
        taken = self.create_future()
        heapq.heappush(self._turns, (rank, next(self._timer_numbers), taken))
        await taken

    def add_signal_handler(self, sig: int, callback: Callable[[*Args], object], *args: *Args) -> None:
        """Call ``callback`` soon after the signal; the previous handler is restored when the loop closes."""
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
        if not self._ready and not self._give_turn():
            if not timers:
                raise Deadlock("nothing is ready and no timer is set")
            self._virtual_us = max(self._virtual_us, timers[0][0])
        while timers and timers[0][0] <= self._virtual_us:
            handle = heapq.heappop(timers)[2]
            if not handle.cancelled():
                self._ready.append(handle)
        for _ in range(len(self._ready)):
            ready = self._ready.popleft()
            if not ready.cancelled():
                ready._run()

    def _give_turn(self) -> bool:
        """Let the next waiting task continue, but not before the timers of this instant; return whether one does."""
        if self._timers and self._timers[0][0] <= self._virtual_us:
            return False
        while self._turns:
            taken = heapq.heappop(self._turns)[2]
            if not taken.done():
                taken.set_result(None)
                return True
        return False

    def _write_to_self(self) -> None:
        """Do nothing: no other thread may wake this loop; ``call_soon_threadsafe`` is safe from its own thread."""

    def _process_events(self, event_list: Any) -> None:
        """Do nothing: there is no selector."""


class VirtualClock:
    """The virtual loop's time as a ``Clock`` that starts at ``start_us``.

    With ``lead_us`` it starts that much earlier and stops just before ``start_us`` until ``start`` is called, which
    jumps there.
    """

    def __init__(self, start_us: int, *, lead_us: int = 0) -> None:
        self._start_us = start_us
        self._lead_us = lead_us
        self._origin_us = self.monotonic_us()

    def start(self) -> None:
        """Jump to ``start_us``, if it is not reached yet."""
        if self._lead_us:
            self._lead_us = 0
            self._origin_us = self.monotonic_us()

    async def pass_lead(self) -> None:
        """Wait until the lead is over, so that periodic work has the same phase whatever the start took."""
        left_us = self._lead_us - (self.monotonic_us() - self._origin_us)
        await asyncio.sleep(max(0, left_us) / MICROS)

    def now_us(self) -> int:
        passed_us = self.monotonic_us() - self._origin_us - self._lead_us
        return self._start_us + (min(passed_us, -1) if self._lead_us else passed_us)

    def monotonic_us(self) -> int:
        return round(asyncio.get_running_loop().time() * MICROS)

    async def sleep(self, seconds: float) -> None:
        """Wait; periodic work then continues last in its instant, after all that the exchange sends in it."""
        await asyncio.sleep(seconds)
        loop = asyncio.get_running_loop()
        if seconds > 0 and isinstance(loop, VirtualLoop):
            await loop.turn(LAST)


def run_virtual(main: Coroutine[Any, Any, Result]) -> Result:
    """Run ``main`` on a new virtual loop, as ``asyncio.run`` does on a real one."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
