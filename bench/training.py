"""Steps a second of the training environments on one core, without the policy's own time.

Markets of a recording, of which each step replays all events between two observations (``TRUEBOOK_BENCH_RECORDING``),
or those that ``MadeMarkets`` records. One episode comes first, so that its market has a track.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from bench.backtest import RECORDING
from bench.measure import Row
from truebook.backtest.engine.settings import EngineSettings
from truebook.capture.market_metadata import capture_metadata
from truebook.decision.strategy import Output, Strategy
from truebook.gym.environment import MarketEnv
from truebook.gym.made_market import MadeMarkets, record
from truebook.gym.tapes import RecordedTapes
from truebook.gym.vector import MarketVectorEnv
from truebook.runtime.settings import load
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.settings import EmbeddedSettings

TARGET: Final = 20_000
VECTOR_TARGET: Final = 3.0
STEPS: Final = 1_920
ENVIRONMENTS: Final = 64
TURNS: Final = 3
STRATEGY: Final = Strategy(output=Output.ACTION_LOGITS, sizes_centi=(500,))
Actions = Callable[[int, int], np.ndarray]
"""(number of the step, number of environments) → actions."""
POLICIES: Final[dict[str, Actions]] = {
    "no action": lambda step, count: np.zeros(count, np.int64),
    "an order in twenty steps": lambda step, count: ((step + np.arange(count)) % 20 == 0).astype(np.int64),
    "random actions": lambda step, count: np.random.default_rng(step).integers(5, size=count),
    "an order at each step": lambda step, count: np.full(count, (1, 3)[step % 2]),
}


class Measured(NamedTuple):
    """Steps a second of CPU time, the beginnings of episodes included."""

    without_track: float
    single: float
    vector: float


def bench() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        recording = os.environ.get(RECORDING)
        path = Path(recording) if recording else Path(folder) / "made"
        if not recording:
            record(MadeMarkets(steps=600), path, markets=1, seed=1)
        first = min(one.ticker for one in capture_metadata(path))
        tapes, untracked = (RecordedTapes(path, each=True, tickers=[first]) for _ in range(2))
        settings = engine_settings(load(EmbeddedSettings), path)
        what = "recorded market, 250 ms" if recording else "made market, a step a second"
        return [
            row
            for name in POLICIES
            for row in _rows(what, name, _measure((tapes, untracked), settings, POLICIES[name]))
        ]


def _rows(what: str, name: str, found: Measured) -> list[Row]:
    ratio = found.vector / found.single
    return [
        Row(
            path=f"environment step, {what}, {name}", ours=f"{found.single:,.0f} steps/s",
            baseline=f"{found.without_track:,.0f} steps/s (without a track)",
            ratio=f"{found.single / found.without_track:.1f} × as fast", target=f"≥ {TARGET:,} steps/s",
            reached=found.single >= TARGET,
        ),
        Row(
            path=f"the same, {name}, vector of {ENVIRONMENTS}", ours=f"{found.vector:,.0f} steps/s",
            baseline=f"{found.single:,.0f} steps/s (one environment)", ratio=f"{ratio:.1f} × as fast",
            target=f"≥ {VECTOR_TARGET:.0f} ×", reached=ratio >= VECTOR_TARGET,
        ),
    ]  # fmt: skip


def _measure(
    both: tuple[RecordedTapes, RecordedTapes], settings: EngineSettings, actions: Actions
) -> Measured:  # fmt: skip
    """Measure the three in turn, with the data twice, since environments share tracks; return the medians."""
    tapes, untracked = both
    turns = [
        (
            _single(untracked, settings, actions, track_from=10**9), _single(tapes, settings, actions, track_from=1),
            _vector(tapes, settings, actions),
        )
        for _ in range(TURNS)
    ]  # fmt: skip
    return Measured(*(float(np.median(column)) for column in zip(*turns, strict=True)))


def _single(tapes: RecordedTapes, settings: EngineSettings, actions: Actions, *, track_from: int) -> float:
    env = MarketEnv(tapes, settings, STRATEGY, track_from=track_from)
    env.reset(seed=0)
    ids = [int(actions(step, 1)[0]) for step in range(STEPS)]
    begun_s, is_over = time.thread_time(), True
    for action in ids:
        if is_over:
            env.reset(seed=1)
        is_over = any(env.step(action)[2:4])
    return STEPS / (time.thread_time() - begun_s)


def _vector(tapes: RecordedTapes, settings: EngineSettings, actions: Actions) -> float:
    env: Any = MarketVectorEnv(ENVIRONMENTS, tapes, settings, STRATEGY)
    env.reset(seed=1)
    ids = [actions(step, ENVIRONMENTS) for step in range(STEPS // ENVIRONMENTS)]
    begun_s = time.thread_time()
    for each in ids:
        env.step(each)
    return len(ids) * ENVIRONMENTS / (time.thread_time() - begun_s)
