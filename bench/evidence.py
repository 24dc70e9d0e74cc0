"""The cost of the evidence for ``truebook why``: the pipeline with its observer, with and without the recorder."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from bench.measure import Row, micros, pair_of
from bench.pipeline import Pipeline, running
from truebook.evidence.recorder import Recorder
from truebook.messages.envelope import Message
from truebook.messages.orderbook import BookMessage
from truebook.messages.reasons import Reason
from truebook.models.registry import ModelRegistry
from truebook.runtime.frames import Service
from truebook_services.operator.statistics import Statistics
from truebook_services.policy.service import build as build_policy
from truebook_services.policy.settings import PolicySettings

MARKETS = 300
DELTAS = 10_000
REPEATS = 15
MAX_RATIO = 1.05


class NoRecorder(Recorder):
    """Records nothing."""

    def record_book(self, update: BookMessage, stale: Reason | None) -> None:
        pass

    def record(self, message: Message) -> None:
        pass


def watched(recorder: Recorder) -> Any:
    """Add the policy and the run's statistics with that recorder to the pipeline."""

    def services(pipeline: Pipeline) -> tuple[Service, ...]:
        statistics = Statistics()
        statistics.evidence = recorder
        context = pipeline.context("statistics")
        registry = ModelRegistry(Path("no-such-folder"))
        policy = build_policy(pipeline.context("policy"), PolicySettings(model="maker"), registry=registry)
        return Service(context, [statistics.consumer(context)]), policy

    return services


async def turns() -> list[tuple[float, float]]:
    async with AsyncExitStack() as stack:
        with_it = await stack.enter_async_context(running(MARKETS, extra=watched(Recorder())))
        without = await stack.enter_async_context(running(MARKETS, extra=watched(NoRecorder())))
        for pipeline in (with_it, without):
            await pipeline.flood(DELTAS)
        return [
            ((await with_it.flood(DELTAS)).cpu_s / DELTAS, (await without.flood(DELTAS)).cpu_s / DELTAS)
            for _ in range(REPEATS)
        ]


def bench() -> list[Row]:
    pair = pair_of(asyncio.run(turns()))
    return [Row(
        path=f"the path with evidence for `truebook why`, {MARKETS} markets", ours=f"{micros(pair.ours_s)} a delta",
        baseline=f"{micros(pair.baseline_s)} (nothing kept)", ratio=f"{pair.ratio:.3f} ×", target=f"≤ {MAX_RATIO} ×",
        reached=pair.ratio <= MAX_RATIO,
    )]  # fmt: skip
