"""Make an ONNX model whose fair price is the microprice, load it with all checks, and decide on one market."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

from truebook.decision.decide import decide
from truebook.decision.strategy import Output, PriceRule
from truebook.features.layout import layout
from truebook.messages.envelope import Source
from truebook.messages.market_metadata import LINEAR_CENT, FeeType
from truebook.messages.observations import Observation
from truebook.models.metadata import ModelMetadata
from truebook.models.session import load_model
from truebook.money import format_price, format_size

M1 = layout("m1")
NOW_US = 1_764_000_000_000_000


def write_model(path: Path) -> None:
    weights = np.zeros((len(M1), 1), np.float32)
    weights[M1.names.index("mid")] = 1.0
    weights[M1.names.index("micro_minus_mid")] = 1 / 20  # the feature is dollars × 20
    metadata = ModelMetadata(
        name="micro", layout=M1.name, layout_hash=M1.hash, output=Output.YES_PROBABILITY,
        price_rule=PriceRule.JOIN, sizes_centi=(500,), min_edge_cc=20,
    )  # fmt: skip
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["features", "weights"], ["fair"]),
            helper.make_node("Clip", ["fair", "low", "high"], ["probability"]),
        ],
        "micro",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", len(M1)])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["batch", 1])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.float32(0.01), "low"),
            numpy_helper.from_array(np.float32(0.99), "high"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    helper.set_model_props(model, metadata.to_properties())
    save(model, path)


def observation() -> Observation:
    """A market at 44/48 cents with more size on the bid, so that the microprice is above the mid."""
    features = dict.fromkeys(M1.names, 0.0) | {"mid": 0.46, "micro_minus_mid": 0.2}
    return Observation(
        id="example", cause_id="", account="example", strategy="example", ticker="RAIN", source=Source.SIMULATED,
        exchange_us=NOW_US, produced_us=NOW_US, event="RAIN", layout=M1.name,
        layout_hash=M1.hash, features=tuple(features.values()), book_epoch=1, book_version=1, confirmed_us=NOW_US,
        frame_us=NOW_US, ledger_seq=1, signals_digest="", best_bid_cc=4_400, best_bid_centi=30_000, best_ask_cc=4_800,
        best_ask_centi=10_000, position_centi=0, cash_micros=1_000_000_000, exclusive=False, price_ranges=LINEAR_CENT,
        fee_type=FeeType.QUADRATIC, taker_rate_ppm=70_000, maker_rate_ppm=0, close_us=NOW_US + 3_600_000_000,
    )  # fmt: skip


def main(folder: Path) -> None:
    path = folder / "micro.onnx"
    write_model(path)
    model = load_model(path)
    seen = observation()
    row = model.run(np.array([seen.features], np.float32))[0]
    print(f"fair price {row[0]:.3f}")
    decision = decide(seen, row, model.metadata)
    for target in decision.targets:
        print(f"{target.book_side} {format_size(target.size_centi)} at {format_price(target.price_cc)}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
