"""Ingest → in-process bus → observation: how many deltas a second one core takes, and what waits meanwhile."""

from __future__ import annotations

import asyncio
import resource
import statistics

from bench.measure import Row, micros
from bench.pipeline import Taken, running

MARKETS = 300
DELTAS = 40_000
REPEATS = 7
LEAST_PER_S = 20_000


async def floods() -> tuple[list[Taken], int, float]:
    """Repeated floods; the observations made, and how many megabytes the process grew from the second to the last."""
    async with running(MARKETS) as pipeline:
        taken, before = [], pipeline.count("observation", "observations")
        await pipeline.flood(DELTAS)
        grown = _megabytes()
        taken = [await pipeline.flood(DELTAS) for _ in range(REPEATS)]
        pipeline.must_be_whole()
        return taken, pipeline.count("observation", "observations") - before, _megabytes() - grown


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def bench() -> list[Row]:
    taken, observations, grown = asyncio.run(floods())
    cpu_s = statistics.median(each.cpu_s for each in taken) / DELTAS
    wall_s = statistics.median(each.wall_s for each in taken) / DELTAS
    held = max(each.most_held for each in taken)
    return [
        Row(
            path=f"ingest → in-process bus → observation, {MARKETS} markets",
            ours=f"{1 / cpu_s:,.0f} deltas/s of one core",
            floor="–", ratio=f"{micros(cpu_s)} CPU, {micros(wall_s)} wall a delta; {observations:,} observations",
            target=f"≥ {LEAST_PER_S:,} deltas/s", reached=1 / cpu_s >= LEAST_PER_S,
        ),
        Row(
            path=f"memory of the same, {REPEATS} × {DELTAS:,} deltas", ours=f"at most {held:,} records in the bus",
            floor="–", ratio=f"+{grown:.1f} MB after the first {DELTAS:,}", target="bounded", reached=grown < 20,
        ),
    ]  # fmt: skip
