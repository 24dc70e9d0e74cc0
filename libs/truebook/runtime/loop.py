"""The event loop of every long-running process: uvloop's (docs/decisions/0008)."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

Result = TypeVar("Result")


def run_until_done(main: Coroutine[Any, Any, Result]) -> Result:
    """Run ``main`` as ``asyncio.run`` does, on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def stop_on_signal() -> asyncio.Event:
    """Return an event that SIGINT, SIGTERM and SIGHUP (a closed terminal) set; call it on the running loop.

    SIGHUP stays ignored where the process was started so, as by ``nohup``.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
