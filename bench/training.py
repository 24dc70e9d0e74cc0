"""Steps a second of the training environments on one core, without the policy's own time.

Made markets, of four events a step, or the markets of a recording: ``TRUEBOOK_BENCH_RECORDING=FOLDER``, of which each
step replays all events between two observations.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import msgspec

from bench.backtest import RECORDING
from bench.measure import Row
from truebook.backtest.engine.settings import EngineSettings
from truebook.decision.strategy import Output, Strategy
from truebook.gym.environment import TradingEnv
from truebook.gym.made_market import MadeMarkets
from truebook.gym.tapes import RecordedTapes, TapeSource
from truebook.runtime.settings import load
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.settings import EmbeddedSettings

TARGET: Final = 20_000
STEPS: Final = 4_000
STRATEGY: Final = Strategy(output=Output.ACTION_LOGITS, sizes_centi=(500,))
HOLD, TRADE = (0,), (1, 3)
"""Actions that are repeated: none, or an order at each step."""


def bench() -> list[Row]:
    recording = os.environ.get(RECORDING)
    folder = Path(recording or "made")
    settings = engine_settings(load(EmbeddedSettings), folder)
    tapes: TapeSource = RecordedTapes(folder, each=True) if recording else MadeMarkets()
    what = "recorded" if recording else "made"
    rows = []
    for throttle_us in (settings.observation.throttle_us, 0):
        rules = msgspec.structs.replace(settings.observation, throttle_us=throttle_us)
        changed = msgspec.structs.replace(settings, observation=rules)
        for name, actions in (("no action", HOLD), ("an order at each step", TRADE)):
            steps_s, events = _measure(changed, tapes, actions)
            path = f"environment step, {what} market, throttle {throttle_us // 1000} ms, {name} ({events:.0f} events)"
            rows.append(
                Row(
                    path=path, ours=f"{steps_s:,.0f} steps/s", baseline="–", ratio="–", target=f"≥ {TARGET:,} steps/s",
                    reached=steps_s >= TARGET,
                )
            )  # fmt: skip
    return rows


def _measure(settings: EngineSettings, tapes: TapeSource, actions: tuple[int, ...]) -> tuple[float, float]:
    """Return steps a second of CPU time, the beginnings of episodes included, and recorded events per step."""
    env = TradingEnv(tapes, settings, STRATEGY)
    env.reset(seed=0)
    steps = events = 0
    begun_s = time.thread_time()
    while steps < STEPS:
        env.reset(seed=1)
        is_over = False
        while not is_over and steps < STEPS:
            _, _, is_terminated, is_truncated, _ = env.step(actions[steps % len(actions)])
            is_over = is_terminated or is_truncated
            steps += 1
        assert env.episode is not None
        events += env.episode.engine.events
    return steps / (time.thread_time() - begun_s), events / steps
