"""Ingest → in-process bus → observation: deltas per second on one core, and the records that wait meanwhile."""

from __future__ import annotations

import asyncio
import statistics

from bench.measure import Row, micros, peak_mb
from bench.pipeline import Taken, running

MARKETS = 300
DELTAS = 40_000
REPEATS = 7
MIN_PER_S = 20_000


async def floods() -> tuple[list[Taken], int, float]:
    """Flood repeatedly; return the costs, the observations, and the growth in megabytes from the second to the last."""
    async with running(MARKETS) as pipeline:
        taken, before = [], pipeline.count("observation", "observations")
        await pipeline.flood(DELTAS)
        grown = peak_mb()
        taken = [await pipeline.flood(DELTAS) for _ in range(REPEATS)]
        pipeline.must_be_whole()
        return taken, pipeline.count("observation", "observations") - before, peak_mb() - grown


def bench() -> list[Row]:
    taken, observations, grown = asyncio.run(floods())
    cpu_s = statistics.median(each.cpu_s for each in taken) / DELTAS
    wall_s = statistics.median(each.wall_s for each in taken) / DELTAS
    held = max(each.max_held for each in taken)
    return [
        Row(
            path=f"ingest → in-process bus → observation, {MARKETS} markets",
            ours=f"{1 / cpu_s:,.0f} deltas/s of one core",
            baseline="–", ratio=f"{micros(cpu_s)} CPU, {micros(wall_s)} wall a delta; {observations:,} observations",
            target=f"≥ {MIN_PER_S:,} deltas/s", reached=1 / cpu_s >= MIN_PER_S,
        ),
        Row(
            path=f"memory of the same, {REPEATS} × {DELTAS:,} deltas", ours=f"at most {held:,} records in the bus",
            baseline="–", ratio=f"+{grown:.1f} MB after the first {DELTAS:,}", target="bounded", reached=grown < 20,
        ),
    ]  # fmt: skip
