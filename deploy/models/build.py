"""Write the bundled models, deterministically: `make models`, or `python deploy/models/build.py [FOLDER]`.

All read layout m1. Their parameters are in the tables below; a test compares the bundled files with what this script
writes. The trained model beside them, ``gold15m``, is written by ``train.py``.

* ``maker``: a market maker's fair price, `yes_probability`. Decisions quote both sides around it, one tick better than
  the best, in one size, because a size that follows cash would cancel good orders; where the book is imbalanced enough
  to pay the taker's fee, they take. It returns a probability and no action ids, because an id concerns one side: a
  two-sided quote would need two observations, and the second side would be stale.
* ``small``: a network of 24-32-32-5, `action_logits`, that takes. Its hidden layers are drawn from a seed; its output
  layer is fitted by least squares to the scores of the heuristic below. It is an example of a network, with
  normalisation inside the graph, not a source of profit.
* ``hold`` and ``random`` are baselines: any model that deserves to run beats both. ``hold`` never trades. ``random``
  takes at the best price by an integer hash of its features, which is the same in any batch and on any machine.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from truebook.decision.strategy import Output, PriceRule, Strategy
from truebook.features.layout import Layout, layout
from truebook.models.export import Predict, describe_model
from truebook.models.metadata import ModelMetadata

Array = npt.NDArray[np.float64]

OPSET: Final = 17
IR_VERSION: Final = 8
"""Old enough for every ONNX Runtime that truebook supports."""

MAKER_WEIGHTS: Final = {
    "mid": 1.0,
    "micro_minus_mid": 0.5 / 20,  # the feature is dollars × 20: half of the way from mid to microprice
    "momentum": 0.1 / 10,  # the feature is dollars × 10: a tenth of the recent move continues
    "position": -0.04,  # shift against inventory: 1 cent at 10 contracts, 2 cents at 100
}
MAKER_PRESSURE: Final = 0.1
"""Dollars added by the cube of the best sizes' imbalance: negligible until one side is several times the other, then
enough to take before the thin side is gone."""
MAKER_BOUNDS: Final = (0.005, 0.995)
MAKER_TERMS: Final = Strategy(
    output=Output.YES_PROBABILITY,
    price_rule=PriceRule.IMPROVE,
    sizes_centi=(1_000,),
    min_edge_cc=10,
    take_edge_cc=50,
    cash_share_ppm=50_000,
    max_position_centi=10_000,
)

SMALL_SEED: Final = 20_241_209
SMALL_HIDDEN: Final = 32
SMALL_SAMPLES: Final = 4_000
SMALL_DECIMALS: Final = 3
"""Weights are rounded, so that differences in the last bits between machines write the same file."""
SMALL_TERMS: Final = Strategy(
    output=Output.ACTION_LOGITS,
    price_rule=PriceRule.CROSS,
    sizes_centi=(500,),
    cash_share_ppm=50_000,
    max_position_centi=5_000,
)

HOLD_TERMS: Final = Strategy(output=Output.ACTION_LOGITS, sizes_centi=(500,))
RANDOM_SCALE: Final = 1e6
"""Features have six decimals."""
RANDOM_PRIME: Final = 65_521
RANDOM_HOLD_SCORE: Final = 0.995
"""The other four scores are evenly spread over 0..1, so that one is higher in 2 of 100 observations."""
RANDOM_FACTORS: Final = (40_503, 24_251, 57_679, 11_587)


def build_hold() -> Any:
    """Build the baseline that never trades: scores 1, 0, 0, 0, 0."""
    m1 = layout("m1")
    weights, scores = np.zeros((len(m1), 5)), np.array([1.0, 0.0, 0.0, 0.0, 0.0])
    nodes = [helper.make_node("Gemm", ["features", "weights", "scores"], ["action_logits"])]
    constants = {"weights": weights, "scores": scores}
    return _model(nodes, constants, _baseline("hold", HOLD_TERMS), lambda rows: rows @ weights + scores)


def build_random() -> Any:
    """Build the random baseline: HOLD's score is constant, the others' are a hash of the features."""
    m1 = layout("m1")
    factors = np.arange(len(m1), dtype=np.int64) * 7_919 + 104_729
    spread, shift = np.array(RANDOM_FACTORS, np.int64), np.arange(1, 5, dtype=np.int64) * 15_013
    nodes = [
        helper.make_node("Mul", ["features", "scale"], ["scaled"]),
        helper.make_node("Floor", ["scaled"], ["floored"]),
        helper.make_node("Cast", ["floored"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Mul", ["whole", "factors"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "axis"], ["sum"], keepdims=1),
        helper.make_node("Mod", ["sum", "prime"], ["key"]),
        helper.make_node("Mul", ["key", "key"], ["square"]),
        helper.make_node("Mod", ["square", "prime"], ["mixed"]),
        helper.make_node("Mul", ["mixed", "spread"], ["scrambled"]),
        helper.make_node("Add", ["scrambled", "shift"], ["shifted"]),
        helper.make_node("Mod", ["shifted", "prime"], ["drawn"]),
        helper.make_node("Cast", ["drawn"], ["draws"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["draws", "range"], ["others"]),
        helper.make_node("Gather", ["others", "first"], ["one"], axis=1),
        helper.make_node("Mul", ["one", "zero"], ["none"]),
        helper.make_node("Add", ["none", "hold"], ["held"]),
        helper.make_node("Concat", ["held", "others"], ["action_logits"], axis=1),
    ]
    constants = {
        "scale": np.array(RANDOM_SCALE), "factors": factors, "axis": np.array([1], np.int64),
        "prime": np.array(RANDOM_PRIME, np.int64), "spread": spread, "shift": shift,
        "range": np.array(float(RANDOM_PRIME)), "first": np.array([0], np.int64), "zero": np.array(0.0),
        "hold": np.array(RANDOM_HOLD_SCORE),
    }  # fmt: skip

    def predict(rows: Array) -> Array:
        whole = np.floor(rows.astype(np.float32) * np.float32(RANDOM_SCALE)).astype(np.int64)
        key = (whole * factors).sum(axis=1, keepdims=True) % RANDOM_PRIME
        drawn = (key * key % RANDOM_PRIME * spread + shift) % RANDOM_PRIME
        return np.hstack([np.full((len(rows), 1), RANDOM_HOLD_SCORE), drawn / RANDOM_PRIME])

    return _model(nodes, constants, _baseline("random", SMALL_TERMS), predict)


def _baseline(name: str, terms: Strategy) -> ModelMetadata:
    m1 = layout("m1")
    return ModelMetadata(
        name=name, layout=m1.name, layout_hash=m1.hash, trained="not trained: a baseline, see deploy/models/build.py",
        **msgspec.structs.asdict(terms),
    )  # fmt: skip


def build_maker() -> Any:
    """Build the market maker's graph: fair = clip(features · weights + pressure × imbalance³)."""
    m1 = layout("m1")
    weights = np.zeros((len(m1), 1))
    for name, weight in MAKER_WEIGHTS.items():
        weights[m1.names.index(name), 0] = weight
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["leaned"]),
        helper.make_node("Gather", ["features", "imbalance_at"], ["imbalance"], axis=1),
        helper.make_node("Mul", ["imbalance", "imbalance"], ["squared"]),
        helper.make_node("Mul", ["squared", "imbalance"], ["cubed"]),
        helper.make_node("Mul", ["cubed", "pressure"], ["pressed"]),
        helper.make_node("Add", ["leaned", "pressed"], ["raw"]),
        helper.make_node("Clip", ["raw", "low", "high"], ["yes_probability"]),
    ]
    constants = {
        "weights": weights, "pressure": np.array(MAKER_PRESSURE),
        "low": np.array(MAKER_BOUNDS[0]), "high": np.array(MAKER_BOUNDS[1]),
        "imbalance_at": np.array([m1.names.index("imbalance_1")], np.int64),
    }  # fmt: skip
    metadata = ModelMetadata(
        name="maker",
        layout=m1.name,
        layout_hash=m1.hash,
        trained="not trained: a heuristic, see deploy/models/build.py",
        **msgspec.structs.asdict(MAKER_TERMS),
    )

    def predict(rows: Array) -> Array:
        imbalance = rows[:, [m1.names.index("imbalance_1")]]
        return np.clip(rows @ weights + MAKER_PRESSURE * imbalance**3, *MAKER_BOUNDS)

    return _model(nodes, constants, metadata, predict)


def build_small() -> Any:
    """Build the small network: (features − mean) / scale, two tanh layers, five scores."""
    m1 = layout("m1")
    draw = random.Random(SMALL_SEED)
    samples = _samples(m1, draw)
    mean = np.round(samples.mean(axis=0), SMALL_DECIMALS)
    scale = np.round(np.maximum(samples.std(axis=0), 0.05), SMALL_DECIMALS)
    first, first_bias = _drawn_layer(draw, len(m1), SMALL_HIDDEN)
    sharp = m1.names.index("position")
    first[sharp, len(m1) :] = 6.0  # the units beyond one per feature separate long, short and flat
    second, second_bias = _drawn_layer(draw, SMALL_HIDDEN, SMALL_HIDDEN)

    def hidden_layers(rows: Array) -> Array:
        return np.tanh(np.tanh((rows - mean) / scale @ first + first_bias) @ second + second_bias)

    hidden = hidden_layers(samples)
    design = np.hstack([hidden, np.ones((len(hidden), 1))])
    ridge = design.T @ design + 0.1 * np.eye(design.shape[1])
    fitted = np.round(np.linalg.solve(ridge, design.T @ _teacher(samples, m1)), SMALL_DECIMALS)
    nodes = [
        helper.make_node("Sub", ["features", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["normal"]),
        helper.make_node("Gemm", ["normal", "first", "first_bias"], ["sum_1"]),
        helper.make_node("Tanh", ["sum_1"], ["hidden_1"]),
        helper.make_node("Gemm", ["hidden_1", "second", "second_bias"], ["sum_2"]),
        helper.make_node("Tanh", ["sum_2"], ["hidden_2"]),
        helper.make_node("Gemm", ["hidden_2", "last", "last_bias"], ["action_logits"]),
    ]
    constants = {
        "mean": mean, "scale": scale, "first": first, "first_bias": first_bias, "second": second,
        "second_bias": second_bias, "last": fitted[:-1], "last_bias": fitted[-1],
    }  # fmt: skip
    metadata = ModelMetadata(
        name="small",
        layout=m1.name,
        layout_hash=m1.hash,
        trained="least squares on the scores of a heuristic, see deploy/models/build.py",
        **msgspec.structs.asdict(SMALL_TERMS),
    )
    return _model(nodes, constants, metadata, lambda rows: hidden_layers(rows) @ fitted[:-1] + fitted[-1])


def _teacher(samples: Array, m1: Layout) -> Array:
    """Score HOLD, BUY_YES, SELL_YES, BUY_NO, SELL_NO: follow pressure when it pays the spread, else close."""
    at = {name: samples[:, index] for index, name in enumerate(m1.names)}
    pressure = 0.8 * at["imbalance_1"] + 0.6 * at["imbalance_3"] + 1.5 * at["micro_minus_mid"] + at["momentum"]
    cost = 0.8 + 1.5 * at["spread"]
    long, short = np.maximum(at["position"], 0), np.maximum(-at["position"], 0)
    close = 1.5 * at["unrealised"] - 0.3
    scores = [
        np.zeros(len(samples)),
        pressure - cost - 2.0 * long + short,
        3.0 * long - 0.5 + close * (long > 0) - pressure - 2.0 * (long == 0),
        -pressure - cost - 2.0 * short + long,
        3.0 * short - 0.5 + close * (short > 0) + pressure - 2.0 * (short == 0),
    ]
    return np.stack(scores, axis=1)


def _samples(m1: Layout, draw: random.Random) -> Array:
    """Draw plausible feature vectors: each within its range, a third of them without a position."""
    rows = [[draw.uniform(each.low, each.high) for each in m1.features] for _ in range(SMALL_SAMPLES)]
    samples = np.array(rows)
    held = [m1.names.index(name) for name in ("position", "exposure", "unrealised")]
    samples[: SMALL_SAMPLES // 3, held] = 0.0
    samples[:, held[0]] *= 0.6
    for name, factor in (("spread", 0.4), ("micro_minus_mid", 0.4), ("momentum", 0.4), ("last_move", 0.3)):
        samples[:, m1.names.index(name)] *= factor
    return samples


def _drawn_layer(draw: random.Random, inputs: int, outputs: int) -> tuple[Array, Array]:
    """Draw weights and biases of an untrained layer: each unit passes on its own input, mixed with others."""
    weights = [[draw.gauss(0.0, 0.08) + 0.5 * (row == column) for column in range(outputs)] for row in range(inputs)]
    biases = [draw.gauss(0.0, 0.4) for _ in range(outputs)]
    return np.round(np.array(weights), SMALL_DECIMALS), np.round(np.array(biases), SMALL_DECIMALS)


def _model(nodes: list[Any], constants: dict[str, Any], metadata: ModelMetadata, predict: Predict) -> Any:
    """Build and check a model of one input and one output, with its metadata and check rows."""
    m1 = layout("m1")
    given = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", len(m1)])
    made = helper.make_tensor_value_info(metadata.output.value, TensorProto.FLOAT, ["batch", metadata.outputs])
    tensors = [
        numpy_helper.from_array(value if value.dtype == np.int64 else np.asarray(value, np.float32), name)
        for name, value in constants.items()
    ]
    graph = helper.make_graph(nodes, metadata.name, [given], [made], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="truebook")
    model.ir_version = IR_VERSION
    describe_model(model, metadata, predict)
    onnx.checker.check_model(model, full_check=True)
    return model


def main(folder: Path) -> None:
    """Write the models into ``folder``."""
    for model in (build_maker(), build_small(), build_hold(), build_random()):
        path = folder / f"{model.graph.name}.onnx"
        path.write_bytes(model.SerializeToString(deterministic=True))
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    bundled = Path(__file__).parents[2] / "libs" / "truebook" / "models" / "bundled"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else bundled)
