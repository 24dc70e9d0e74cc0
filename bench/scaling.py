"""The cost of one update with ten and with ten thousand markets, and the cost of an idle market.

The cost of an update is that of the path from the socket to observation's book, without timed work: observations are
throttled, and no book is republished. The timed work is the second row: it grows with the number of markets, and is
measured per market and second.
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
MAX_RATIO = 1.2
QUIET_MARKETS = 1_000
QUIET_S = 10.0


async def updates() -> tuple[dict[int, float], float]:
    """Return the CPU seconds per update by number of markets, and the largest ratio to the smallest size.

    All sizes run side by side and alternate, so that other load affects them alike.
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
    """Return CPU seconds per second of an idle market, confirmed, published and observed by timers only."""
    async with running(QUIET_MARKETS) as pipeline:
        started_s, until = time.thread_time(), time.monotonic() + QUIET_S
        while time.monotonic() < until:
            pipeline.connection.deliver(*pipeline.frames(1))
            await asyncio.sleep(0.1)
        return (time.thread_time() - started_s) / QUIET_S / QUIET_MARKETS


def bench() -> list[Row]:
    costs, ratio = asyncio.run(updates())
    text = ", ".join(f"{markets:,}: {micros(cost)}" for markets, cost in costs.items())
    return [
        Row(
            path=f"cost per update, {SIZES[0]} → {SIZES[-1]:,} markets", ours=text, baseline=f"{SIZES[0]} markets",
            ratio=f"{ratio:.2f} × at worst", target=f"≤ {MAX_RATIO} ×", reached=ratio <= MAX_RATIO,
        ),
        Row(
            path=f"a quiet market, of {QUIET_MARKETS:,}", ours=f"{micros(asyncio.run(quiet_s()))} CPU a second",
            baseline="–", ratio="–", target="–", reached=None,
        ),
    ]  # fmt: skip
