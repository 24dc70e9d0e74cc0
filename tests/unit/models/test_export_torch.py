"""PyTorch modules and Stable-Baselines3 policies become one checked file each. Needs the extra ``train``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.fitted import ACTIONS, found_by, made_rows, target
from truebook.decision.strategy import Output, Strategy
from truebook.models.errors import MissingLibrary, ModelRefused, NotConvertible
from truebook.models.export import from_stable_baselines3, from_torch

pytestmark = pytest.mark.long
ROWS = made_rows()
C52_ROWS = made_rows("c52")
TWO_SIZES = Strategy(output=Output.ACTION_LOGITS, sizes_centi=(500, 1_000))


@pytest.fixture
def torch() -> Any:
    pytest.importorskip("onnxscript", reason="onnxscript is missing: install truebook[train]")
    module = pytest.importorskip("torch", reason="PyTorch is missing: install truebook[train]")
    module.manual_seed(0)
    return module


@pytest.fixture
def baselines(torch: Any) -> Any:
    return pytest.importorskip("stable_baselines3", reason="Stable-Baselines3 is missing: install truebook[train]")


def network(torch: Any, outputs: int, inputs: int = 24) -> Any:
    """Return a network that computes something else while it trains: normalised over the batch, with dropout."""
    nn = torch.nn
    layers = [nn.Linear(inputs, 16), nn.Tanh(), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.Linear(16, outputs)]
    made = nn.Sequential(*layers)
    made(torch.randn(64, inputs))  # moves the statistics of the normalisation
    return made


def test_a_network_is_written_in_inference_mode(torch: Any, tmp_path: Path) -> None:
    module = torch.nn.Sequential(network(torch, 1), torch.nn.Sigmoid())
    exported = from_torch(module, target(tmp_path, samples=ROWS))
    assert module.training
    assert exported.max_difference < 1e-5
    expected = module.eval()(torch.tensor(ROWS, dtype=torch.float32)).detach().numpy()
    assert np.abs(found_by(exported.path)(ROWS) - expected).max() < 1e-5


def test_the_weights_are_in_the_file(torch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch itself writes even 400 weights into a second file."""
    monkeypatch.chdir(tmp_path)
    module = network(torch, 5).eval()
    torch.onnx.export(module, (torch.zeros(2, 24),), "plain.onnx", verbose=False)
    assert {path.name for path in tmp_path.iterdir()} == {"plain.onnx", "plain.onnx.data"}
    from_torch(module, target(tmp_path, ACTIONS))
    assert {path.name for path in tmp_path.iterdir()} == {"plain.onnx", "plain.onnx.data", "made.onnx"}


def test_scores_of_the_larger_layout_are_written(torch: Any, tmp_path: Path) -> None:
    module = network(torch, 9, inputs=52)
    found = found_by(from_torch(module, target(tmp_path, TWO_SIZES, "c52")).path)(C52_ROWS)
    expected = module.eval()(torch.tensor(C52_ROWS, dtype=torch.float32)).detach().numpy()
    assert np.abs(found - expected).max() < 1e-5


def test_a_network_of_some_features_reads_them_by_name(torch: Any, tmp_path: Path) -> None:
    module = network(torch, 5, inputs=2)
    exported = from_torch(module, target(tmp_path, ACTIONS, columns=["momentum", "mid"]))
    expected = module.eval()(torch.tensor(ROWS[:, [9, 0]], dtype=torch.float32)).detach().numpy()
    assert np.abs(found_by(exported.path)(ROWS) - expected).max() < 1e-5


def module_of(torch: Any, function: Callable[[Any], Any], outputs: int = 5) -> Any:
    """Return a module that applies a function to the output of one layer."""

    class Made(torch.nn.Module):  # type: ignore[misc]  # the library is optional
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(24, outputs)

        def forward(self, rows: Any) -> Any:
            return function(self.layer(rows))

    return Made()


def test_logits_in_place_of_a_probability_are_refused(torch: Any, tmp_path: Path) -> None:
    with pytest.raises(NotConvertible, match=r"outside 0..1: end it with torch.nn.Sigmoid"):
        from_torch(module_of(torch, lambda scores: scores * 100, outputs=1), target(tmp_path))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda scores: (scores, scores), r"returns tuple, expected one tensor \[3, 5\]: return only the policy"),
        (lambda scores: scores[:, :2], r"returns shape \[3, 2\] for 3 rows, action_logits needs \[3, 5\]"),
        (lambda scores: scores.nope(), None),
    ],
)
def test_wrong_outputs_are_refused(torch: Any, function: Any, message: str | None, tmp_path: Path) -> None:
    with pytest.raises(NotConvertible if message else AttributeError, match=message):
        from_torch(module_of(torch, function), target(tmp_path, ACTIONS))
    assert not list(tmp_path.iterdir())


def test_rows_that_depend_on_each_other_are_refused(torch: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="depends on the other rows"):
        from_torch(module_of(torch, lambda scores: scores - scores.mean(0)), target(tmp_path, ACTIONS))


def test_random_scores_are_refused(torch: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="output is random"):
        from_torch(module_of(torch, lambda scores: scores + torch.randn_like(scores)), target(tmp_path, ACTIONS))


def test_a_branch_on_values_is_refused(torch: Any, tmp_path: Path) -> None:
    with pytest.raises(NotConvertible, match=r"can't export this module"):
        from_torch(module_of(torch, lambda scores: scores if scores.sum() > 0 else -scores), target(tmp_path, ACTIONS))


def test_what_is_no_module_is_refused(torch: Any, tmp_path: Path) -> None:
    with pytest.raises(NotConvertible, match=r"object is no torch.nn.Module"):
        from_torch(object(), target(tmp_path))


def environment(actions: int) -> Any:
    import gymnasium

    class Made(gymnasium.Env):  # type: ignore[misc]  # the library is optional
        observation_space = gymnasium.spaces.Box(-5, 5, (24,), np.float32)
        action_space = gymnasium.spaces.Discrete(actions)

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            super().reset(seed=seed)
            self.steps = 0
            return self._observation(), {}

        def step(self, action: int) -> Any:
            self.steps += 1
            return self._observation(), float(action == 1), self.steps > 20, False, {}

        def _observation(self) -> Any:
            return self.np_random.normal(0.3, 0.2, 24).astype(np.float32)

    return Made()


@pytest.mark.parametrize("algorithm", ["PPO", "A2C", "DQN"])
@pytest.mark.parametrize("is_normalized", [False, True])
def test_a_policy_decides_as_its_algorithm(baselines: Any, algorithm: str, is_normalized: bool, tmp_path: Path) -> None:
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    vector = DummyVecEnv([lambda: environment(5)])
    vector.seed(0)
    options = {"DQN": {"learning_starts": 50}, "PPO": {"n_steps": 64}, "A2C": {}}[algorithm]
    vector = VecNormalize(vector, clip_obs=2.0) if is_normalized else vector
    trained = getattr(baselines, algorithm)("MlpPolicy", vector, seed=0, device="cpu", **options).learn(256)
    exported = from_stable_baselines3(trained, target(tmp_path, ACTIONS, samples=ROWS))
    rows = ROWS.astype(np.float32)
    observed = vector.normalize_obs(rows) if is_normalized else rows
    chosen = trained.predict(observed, deterministic=True)[0]
    assert (found_by(exported.path)(ROWS).argmax(axis=1) == chosen).mean() > 0.99
    assert "Stable-Baselines3" in exported.model.metadata.trained


def test_policies_of_other_spaces_are_refused(baselines: Any, tmp_path: Path) -> None:
    trained = baselines.A2C("MlpPolicy", environment(3), device="cpu")
    with pytest.raises(NotConvertible, match=r"actions are Discrete\(3\), 1 sizes need Discrete\(5\)"):
        from_stable_baselines3(trained, target(tmp_path, ACTIONS))
    with pytest.raises(NotConvertible, match="a policy has actions: state the output action_logits"):
        from_stable_baselines3(trained, target(tmp_path))
    with pytest.raises(NotConvertible, match=r"the policy observes Box.*, the model 52 features"):
        from_stable_baselines3(trained, target(tmp_path, ACTIONS, "c52"))
    with pytest.raises(NotConvertible, match="object is no algorithm of Stable-Baselines3"):
        from_stable_baselines3(object(), target(tmp_path, ACTIONS))


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingLibrary, match=r"torch is needed .*install truebook\[train\]"):
        from_torch(object(), target(tmp_path))
