"""What one update costs with ten markets and with ten thousand, and what a market costs that does nothing.

The cost of an update is that of the path from the socket to observation's book, without what happens by the clock:
observations are throttled away, and no book is published again by itself. What happens by the clock is the second
row: it grows with the markets, and is measured a market and second.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import AsyncExitStack

from bench.measure import Row, micros
from bench.pipeline import NEVER_S, running

SIZES = (10, 100, 1_000, 10_000)
DELTAS = 10_000
REPEATS = 11
MOST = 1.2
QUIET_MARKETS = 1_000
QUIET_S = 10.0


async def updates() -> tuple[dict[int, float], float]:
    """CPU seconds per update by number of markets, and how many times as much the dearest takes as the fewest.

    All stand side by side and take turns, so that whatever else the machine does meets them alike.
    """
    async with AsyncExitStack() as stack:
        pipelines = [
            await stack.enter_async_context(
                running(markets, throttle_ms=int(NEVER_S * 1000), snapshot_every_s=NEVER_S)
            )
            for markets in SIZES
        ]  # fmt: skip
        for pipeline in pipelines:
            await pipeline.flood(DELTAS)
        taken = [[(await pipeline.flood(DELTAS)).cpu_s for pipeline in pipelines] for _ in range(REPEATS)]
        for pipeline in pipelines:
            pipeline.must_be_whole()
        costs = {
            markets: statistics.median(turn[place] for turn in taken) / DELTAS for place, markets in enumerate(SIZES)
        }
        ratios = [statistics.median(turn[place] / turn[0] for turn in taken) for place in range(len(SIZES))]
        return costs, max(ratios)


async def quiet_s() -> float:
    """CPU seconds a second that a market costs whose book is confirmed, published and observed by the clock alone."""
    async with running(QUIET_MARKETS) as pipeline:
        started_s, until = time.thread_time(), time.monotonic() + QUIET_S
        while time.monotonic() < until:
            for frame in pipeline.frames(1):
                pipeline.feed.now.inbox.put_nowait(frame)
            await asyncio.sleep(0.1)
        return (time.thread_time() - started_s) / QUIET_S / QUIET_MARKETS


def bench() -> list[Row]:
    costs, ratio = asyncio.run(updates())
    told = ", ".join(f"{markets:,}: {micros(cost)}" for markets, cost in costs.items())
    return [
        Row(
            path=f"cost per update, {SIZES[0]} → {SIZES[-1]:,} markets", ours=told, floor=f"{SIZES[0]} markets",
            ratio=f"{ratio:.2f} × at worst", target=f"≤ {MOST} ×", reached=ratio <= MOST,
        ),
        Row(
            path=f"a quiet market, of {QUIET_MARKETS:,}", ours=f"{micros(asyncio.run(quiet_s()))} CPU a second",
            floor="–", ratio="–", target="–", reached=None,
        ),
    ]  # fmt: skip
