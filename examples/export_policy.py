"""Train a Stable-Baselines3 policy in a small seeded environment and write it as a model file of actions."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from truebook.decision.strategy import Output, Strategy
from truebook.features.layout import layout
from truebook.models.export import ExportTarget, from_stable_baselines3

M1 = layout("m1")


class Pressure(gymnasium.Env):
    """Rewards buying YES while bids are larger, and NO while asks are."""

    observation_space = gymnasium.spaces.Box(-1, 1, (len(M1),), np.float32)
    action_space = gymnasium.spaces.Discrete(5)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps_left = 50
        return self.observe(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.steps_left -= 1
        reward = {1: 1.0, 3: -1.0}.get(int(action), 0.0) * float(self.row[M1.names.index("imbalance_1")])
        return self.observe(), reward, self.steps_left == 0, False, {}

    def observe(self) -> np.ndarray:
        self.row = self.np_random.uniform(-1, 1, len(M1)).astype(np.float32)
        return self.row


def main(folder: Path) -> None:
    environment = VecNormalize(DummyVecEnv([Pressure]))
    algorithm = PPO("MlpPolicy", environment, n_steps=256, seed=0, device="cpu").learn(2_048)

    strategy = Strategy(output=Output.ACTION_LOGITS, sizes_centi=(500,), max_position_centi=5_000)
    target = ExportTarget(path=folder / "policy.onnx", layout=M1, strategy=strategy)
    exported = from_stable_baselines3(algorithm, target)

    print(f"compared {exported.compared_rows} rows; largest difference {exported.max_difference:.7f}")
    print(f"trained by {exported.model.metadata.trained}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
