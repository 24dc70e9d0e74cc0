"""Train a small policy in the environment, write it as a model file, and backtest the file on other markets.

The policy has one weight for each action, on one feature, and is found by the cross-entropy method: draw weights, keep
those that earn most, draw again around them. The markets are made, with an edge that the sizes in the book reveal; for
recorded ones use ``gymnasium.make("truebook/Market-v0", data=PATH, settings=..., strategy=...)``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from truebook.backtest.run import Request, run_backtest
from truebook.decision.strategy import Output, Strategy
from truebook.features.layout import layout
from truebook.gym.environment import TradingEnv
from truebook.gym.made_market import MadeMarkets, record
from truebook.models.export import export_model
from truebook.models.metadata import ModelMetadata
from truebook.models.session import Model
from truebook.runtime.settings import load
from truebook.simulation.recorded.queue import QueueModel
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.settings import EmbeddedSettings

M1 = layout("m1")
COLUMN = M1.names.index("imbalance_1")
STRATEGY = Strategy(output=Output.ACTION_LOGITS, sizes_centi=(500,), max_position_centi=5_000)
MARKETS = MadeMarkets(steps=30, edge=0.9)
GENERATIONS, POPULATION, KEPT, EPISODES = 4, 14, 3, 4


def weights_of(flat: np.ndarray) -> np.ndarray:
    """Return weights [features, actions]."""
    weights = np.zeros((len(M1), STRATEGY.outputs), np.float32)
    weights[COLUMN] = flat
    return weights


def profit(env: TradingEnv, weights: np.ndarray, seeds: range) -> float:
    """Return the mean marked profit before the outcome, in dollars: the outcome adds luck, and no edge."""
    total = 0.0
    for seed in seeds:
        row, _ = env.reset(seed=seed)
        is_over = False
        while not is_over:
            action = int((row @ weights).argmax())
            row, reward, is_terminated, is_truncated, _ = env.step(action)
            is_over = is_terminated or is_truncated
            total += 0.0 if is_over else reward
    return total / len(seeds)


def train(env: TradingEnv) -> np.ndarray:
    draw = np.random.default_rng(1)
    mean, spread = np.zeros(STRATEGY.outputs), np.ones(STRATEGY.outputs)
    for generation in range(GENERATIONS):
        drawn = mean + spread * draw.standard_normal((POPULATION, len(mean)))
        seeds = range(generation * EPISODES, (generation + 1) * EPISODES)
        earned = [profit(env, weights_of(flat), seeds) for flat in drawn]
        best = drawn[np.argsort(earned)[-KEPT:]]
        mean, spread = best.mean(axis=0), best.std(axis=0) + 0.1
        print(f"generation {generation}: mean marked profit ${np.mean(earned):.2f}, best ${max(earned):.2f}")
    return weights_of(mean)


def write(weights: np.ndarray, path: Path) -> Model:
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["features", "weights"], ["scores"])],
        "policy",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", len(M1)])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", STRATEGY.outputs])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    terms = {field: getattr(STRATEGY, field) for field in Strategy.__struct_fields__}
    metadata = ModelMetadata(name="policy", layout=M1.name, layout_hash=M1.hash, trained="made markets", **terms)
    return export_model(model, metadata, path, lambda rows: rows @ weights)


def main(folder: Path) -> None:
    recording = folder / "recording"
    settings = engine_settings(load(EmbeddedSettings), recording)
    weights = train(TradingEnv(MARKETS, settings, STRATEGY))
    model = write(weights, folder / "policy.onnx")

    record(MARKETS, recording, markets=30, seed=100)  # others than in training
    request = Request(path=recording, settings=settings, queues=(QueueModel.REALISTIC,))
    one = run_backtest(request, model).passes[0]
    earned = (one.account.equity_micros or 0) - one.account.deposits_micros
    print(f"backtest of the file on {len(one.markets)} other markets: {len(one.fills)} fills")
    print(f"after fees of ${one.account.fees_micros / 1e6:.2f} its profit is ${earned / 1e6:.2f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
