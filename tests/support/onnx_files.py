"""Small ONNX files for tests: right ones, and ones that are wrong in one stated way."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, parser

from truebook.decision.strategy import Output
from truebook.features.layout import layout
from truebook.models.metadata import ModelMetadata

M1 = layout("m1")


def metadata(**changed: Any) -> ModelMetadata:
    values: dict[str, Any] = {
        "name": "test", "layout": "m1", "layout_hash": M1.hash, "output": Output.ACTION_LOGITS, "sizes_centi": (500,),
    }  # fmt: skip
    return ModelMetadata(**(values | changed))


def onnx_bytes(
    properties: dict[str, str] | None = None,
    *,
    inputs: int = len(M1),
    outputs: int = 5,
    kind: int = TensorProto.FLOAT,
    batch: int | str = "batch",
    twice: bool = False,
    bias: float = 0.0,
    weight: float = 1.0,
) -> bytes:
    """One MatMul of equal weights plus a bias. ``twice`` adds a second output; ``kind`` changes the element type."""
    dtype = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64}[kind]
    weights = np.full((inputs, outputs), weight, dtype)
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["sum"]),
        helper.make_node("Add", ["sum", "bias"], ["scores"]),
    ]
    made = [helper.make_tensor_value_info("scores", kind, [batch, outputs])]
    if twice:
        made.append(helper.make_tensor_value_info("sum", kind, [batch, outputs]))
    graph = helper.make_graph(
        nodes, "test", [helper.make_tensor_value_info("features", kind, [batch, inputs])], made,
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.full(outputs, bias, dtype), "bias")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    helper.set_model_props(model, metadata().to_properties() if properties is None else properties)
    content: bytes = model.SerializeToString()
    return content


def parsed_model(graph: str, properties: dict[str, str] | None = None) -> Any:
    """Read a model with five scores from the text of a graph; its input is ``features``, its output ``scores``."""
    text = f"""<ir_version: 8, opset_import: ["": 17]>
        test (float[batch, {len(M1)}] features) => (float[batch, 5] scores) {graph}"""
    model = parser.parse_model(text)
    helper.set_model_props(model, metadata().to_properties() if properties is None else properties)
    return model
