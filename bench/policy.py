"""Three hundred observations through a network of 52-64-64-5 to decisions, against its bare session."""

from __future__ import annotations

import itertools
import random

import msgspec
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from bench.measure import Row, cpu_pair, micros
from bench.samples import NOW_US, SEED
from truebook.decision.strategy import Output, PriceRule, Strategy
from truebook.features.layout import Layout, layout
from truebook.messages.codec import encode
from truebook.messages.envelope import Source
from truebook.messages.market_metadata import LINEAR_CENT, FeeType
from truebook.messages.observations import Observation
from truebook.models.batch import decide_all
from truebook.models.metadata import ModelMetadata
from truebook.models.session import parse_model

MARKETS = 300
HIDDEN = 64
TERMS = Strategy(output=Output.ACTION_LOGITS, price_rule=PriceRule.CROSS, sizes_centi=(500,))


def network(of: Layout) -> bytes:
    """Build a seeded network with two hidden layers and five scores, as an ONNX file."""
    draw = np.random.default_rng(SEED)
    widths = (len(of), HIDDEN, HIDDEN, 5)
    constants, nodes, last = [], [], "features"
    for layer, (width, height) in enumerate(itertools.pairwise(widths)):
        weights = draw.normal(0, 1 / width**0.5, (width, height)).astype(np.float32)
        constants.append(numpy_helper.from_array(weights, f"w{layer}"))
        constants.append(numpy_helper.from_array(np.zeros(height, np.float32), f"b{layer}"))
        nodes.append(helper.make_node("Gemm", [last, f"w{layer}", f"b{layer}"], [f"z{layer}"]))
        last = f"z{layer}"
        if height == HIDDEN:
            nodes.append(helper.make_node("Relu", [last], [f"a{layer}"]))
            last = f"a{layer}"
    shape = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])
             for name, width in (("features", len(of)), (last, 5))}  # fmt: skip
    graph = helper.make_graph(nodes, "network", [shape["features"]], [shape[last]], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    metadata = ModelMetadata(
        name="network", layout=of.name, layout_hash=of.hash, **msgspec.structs.asdict(TERMS)
    )  # fmt: skip
    helper.set_model_props(model, metadata.to_properties())
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def observations(of: Layout) -> list[Observation]:
    """Build observations of books at many prices, as policy decodes them: no object belongs to two of them."""
    draw = random.Random(SEED)
    bids_cc = [100 * draw.randrange(2, 95) for _ in range(MARKETS)]
    made = [
        Observation(
            id=f"o-{index}", cause_id="", account="sim-main", strategy="main", ticker=f"T-{index}",
            source=Source.SIMULATED, exchange_us=NOW_US, produced_us=NOW_US, layout=of.name, layout_hash=of.hash,
            features=tuple(round(draw.uniform(-1, 1), 6) for _ in range(len(of))), book_epoch=1, book_version=1,
            confirmed_us=NOW_US, frame_us=0, ledger_seq=1, signals_digest="", best_bid_cc=bids_cc[index],
            best_bid_centi=3_000, best_ask_cc=bids_cc[index] + 400, best_ask_centi=1_000, position_centi=0,
            cash_micros=1_000_000_000, event="E", exclusive=False, price_ranges=LINEAR_CENT,
            fee_type=FeeType.QUADRATIC, taker_rate_ppm=70_000, maker_rate_ppm=0, close_us=NOW_US + 3_600_000_000,
        )
        for index in range(MARKETS)
    ]  # fmt: skip
    return [msgspec.json.decode(encode(each), type=Observation) for each in made]


def bench() -> list[Row]:
    c52 = layout("c52")
    content = network(c52)
    model, seen = parse_model(content, "bench", stem="bench"), observations(c52)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    batch = np.array([each.features for each in seen], np.float32)
    feed = {session.get_inputs()[0].name: batch}

    def model_alone() -> None:
        for _ in range(5):
            model.run(batch)

    def bare() -> None:
        for _ in range(5):
            session.run(None, feed)

    def decided() -> None:
        for _ in range(5):
            decide_all(model, seen)

    alone = cpu_pair(model_alone, bare, 5, 25)
    whole = cpu_pair(decided, bare, 5, 25)
    return [
        Row(
            path=f"policy, {MARKETS} markets (52-64-64-5): the model's checked run", ours=micros(alone.ours_s),
            baseline=f"{micros(alone.baseline_s)} (bare batched session)", ratio=f"{alone.ratio:.2f} ×",
            target="≤ 1.5 ×", reached=alone.ratio <= 1.5,
        ),
        Row(
            path=f"policy, {MARKETS} markets: observations to decisions", ours=micros(whole.ours_s),
            baseline=f"{micros(whole.baseline_s)} (bare batched session)", ratio=f"{whole.ratio:.2f} ×",
            target="≤ 3 ×", reached=whole.ratio <= 3,
        ),
    ]  # fmt: skip
