"""The pace of long lists: inside half of the lowest tier's budget, and after others have used it up."""

from __future__ import annotations

import pytest

from truebook.kalshi.port import RateLimited
from truebook.kalshi.rest.pace import ATTEMPTS, ReadPace
from truebook.runtime.virtual_loop import VirtualClock, run_virtual


def test_a_burst_is_followed_by_ten_reads_a_second() -> None:
    async def paced() -> list[float]:
        clock = VirtualClock(0)
        pace = ReadPace(clock)

        async def read() -> float:
            return clock.now_us() / 1e6

        return [await pace.read(read) for _ in range(80)]

    times = run_virtual(paced())
    assert times[29] == 0
    assert times[-1] == pytest.approx(5, abs=0.2)


def test_a_used_up_budget_is_waited_for_and_then_reported() -> None:
    async def refused(times: int) -> tuple[int, float]:
        clock = VirtualClock(0)
        calls = 0

        async def read() -> int:
            nonlocal calls
            calls += 1
            if calls <= times:
                raise RateLimited(429, "too_many_requests")
            return calls

        return await ReadPace(clock).read(read), clock.now_us() / 1e6

    calls, passed_s = run_virtual(refused(2))
    assert calls == 3
    assert passed_s == pytest.approx(0.2, abs=0.1)
    with pytest.raises(RateLimited):
        run_virtual(refused(ATTEMPTS))
