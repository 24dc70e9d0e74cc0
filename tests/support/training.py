"""Episodes in training environments, and policies that need no training."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from truebook.backtest.engine.settings import EngineSettings
from truebook.decision.strategy import Output, PriceRule, Strategy
from truebook.gym.environment import TradingEnv
from truebook.runtime.settings import load
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.settings import EmbeddedSettings

Policy = Callable[[np.ndarray, int], Any]
"""(observation, number of the step) → action."""


@cache
def training_settings() -> EngineSettings:
    """The settings of a backtest by default."""
    return engine_settings(load(EmbeddedSettings), Path("made"))


def actions(rule: PriceRule = PriceRule.CROSS) -> Strategy:
    """Five actions of five contracts."""
    return Strategy(output=Output.ACTION_LOGITS, sizes_centi=(500,), price_rule=rule)


def run_episode(env: TradingEnv, policy: Policy, **reset: Any) -> tuple[float, list[dict[str, Any]], bool]:
    """Return the sum of the rewards, the infos, and whether the episode was terminated."""
    row, info = env.reset(**reset)
    total, infos = 0.0, [info]
    for number in range(1_000_000):
        row, reward, is_terminated, is_truncated, info = env.step(policy(row, number))
        total += reward
        infos.append(info)
        if is_terminated or is_truncated:
            return total, infos, is_terminated
    raise AssertionError("an episode ends")
