"""Complete a converted graph: the whole layout as its input, one output with the model's meaning, and no dead nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from truebook.models.conversion.parts import ExportTarget, imported
from truebook.models.conversion.selection import NEVER_CHOSEN, Selection

FEATURES: Final = "features"
SELECTED: Final = "selected_features"
"""Input of a converted graph that reads a part of the layout."""
OPSETS: Final = {"": 17, "ai.onnx.ml": 3}
IR_VERSION: Final = 8
"""Old enough for every ONNX Runtime that truebook supports."""


def input_name(places: Sequence[int], target: ExportTarget) -> str:
    """Return the name that a converter must give the graph's input."""
    return FEATURES if list(places) == list(range(len(target.layout))) else SELECTED


def completed(model: Any, raw: str, places: Sequence[int], selection: Selection, target: ExportTarget) -> Any:
    """Return ``model`` with the layout as its input and the selection of its tensor ``raw`` as its only output.

    The other outputs, such as labels, are removed, with the nodes that only they need.
    """
    onnx = imported("onnx", "models")
    helper, of_array = onnx.helper, onnx.numpy_helper.from_array
    kind, graph = onnx.TensorProto.FLOAT, model.graph
    output = target.strategy.output.value
    before, constants = [], []
    if input_name(places, target) == SELECTED:
        constants.append(of_array(np.array(places, np.int64), "feature_places"))
        before = [helper.make_node("Gather", [FEATURES, "feature_places"], [SELECTED], axis=1)]
    weights = np.zeros((selection.width, len(selection.columns)), np.float32)
    bias = np.zeros(len(selection.columns), np.float32)
    for place, column in enumerate(selection.columns):
        if column is None:
            bias[place] = NEVER_CHOSEN
        else:
            weights[column, place] = 1.0
    constants += [of_array(weights, "chosen_columns"), of_array(bias, "constant_scores")]
    after = [helper.make_node("Gemm", [raw, "chosen_columns", "constant_scores"], ["chosen"])]
    if selection.is_probability:
        constants += [of_array(np.float32(0), "lowest"), of_array(np.float32(1), "highest")]
        # Clip takes its bounds as inputs from opset 11 only; converters state opsets from 8.
        after.append(helper.make_node("Max", ["chosen", "lowest"], ["not_below"]))
        after.append(helper.make_node("Min", ["not_below", "highest"], [output]))
    else:
        after.append(helper.make_node("Identity", ["chosen"], [output]))
    nodes = _needed([*before, *graph.node, *after], output)
    made = helper.make_graph(
        nodes, target.name or target.path.stem,
        [helper.make_tensor_value_info(FEATURES, kind, ["batch", len(target.layout)])],
        [helper.make_tensor_value_info(output, kind, ["batch", len(selection.columns)])],
        [*graph.initializer, *constants],
    )  # fmt: skip
    # Not all converters state the default domain.
    opsets = {"": OPSETS[""]} | {each.domain: each.version for each in model.opset_import}
    result = helper.make_model(
        made, opset_imports=[helper.make_opsetid(*each) for each in opsets.items()], functions=list(model.functions)
    )
    result.ir_version = max(IR_VERSION, model.ir_version if OPSETS[""] < opsets[""] else 0)
    return result


def _needed(nodes: list[Any], output: str) -> list[Any]:
    """Return the nodes that lead to ``output``, in their order; a subgraph's inputs count as its node's."""
    wanted, kept = {output}, []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(_reads(node))
    return kept[::-1]


def _reads(node: Any) -> set[str]:
    names = set(node.input)
    for attribute in node.attribute:
        for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
            for inner in graph.node:
                names |= _reads(inner)
    return names
