"""The signals that stop a process."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest

from truebook.runtime.loop import stop_on_signal


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_each_signal_stops_the_process_in_order(number: signal.Signals) -> None:
    stop = stop_on_signal()
    signal.raise_signal(number)
    async with asyncio.timeout(60):
        await stop.wait()


async def test_an_ignored_hangup_stays_ignored() -> None:
    """A process that was started by ``nohup`` outlives its terminal."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop = stop_on_signal()
    signal.raise_signal(signal.SIGHUP)
    await asyncio.sleep(0)
    assert not stop.is_set()
