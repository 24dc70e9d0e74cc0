#!/usr/bin/env bash
# tract: a missing feature gives the probability 0 instead of NaN
#
# Guess: A policy of two layers with a logistic output returns NaN for a row with a missing price (NaN), as ONNX
# Runtime does, so that a check of the output finds it.
# Seen: On a processor of the x86-64 family tract returns 0 for each hidden activation but Tanh and Sigmoid, and 0.43
# or 0.55 for those. The logistic function and the activations turn NaN into numbers, as do Max, Min and Clip.
# Why it matters: A book without bids has no price. ONNX Runtime stops the order by NaN, tract reports that YES is
# impossible, which is the strongest signal to buy NO.
# Packages: tract==0.23.9, onnx==1.23.2, onnxruntime==1.32.0, numpy==2.4.6; recorded with Python 3.11
# Run: bash findings/onnx-tract-missing-price-is-certain-no.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  tract==0.23.9 \
  onnx==1.23.2 \
  onnxruntime==1.32.0 \
  numpy==2.4.6
cd "$work"
cat > expected.txt <<'EXPECTED'
Relu, bid 0.40: onnxruntime 0.634 | tract 0.634
Relu, no bid: onnxruntime nan | tract 0.000
LeakyRelu, bid 0.40: onnxruntime 0.634 | tract 0.634
LeakyRelu, no bid: onnxruntime nan | tract 0.000
Elu, bid 0.40: onnxruntime 0.634 | tract 0.634
Elu, no bid: onnxruntime nan | tract 0.000
Tanh, bid 0.40: onnxruntime 0.620 | tract 0.620
Tanh, no bid: onnxruntime nan | tract 0.426
Sigmoid, bid 0.40: onnxruntime 0.630 | tract 0.630
Sigmoid, no bid: onnxruntime nan | tract 0.550
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
import numpy as np
import onnx
import onnxruntime
import tract
from onnx import TensorProto, helper, numpy_helper

WEIGHTS = {
    "w1": np.array([[1.0, -1.0, 0.5], [0.3, 0.8, -0.2]], np.float32),
    "b1": np.array([0.1, 0.2, 0.3], np.float32),
    "w2": np.array([[1.0], [0.5], [-1.0]], np.float32),
    "b2": np.array([0.2], np.float32),
}


def build(activation):
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["hidden"]),
        helper.make_node(activation, ["hidden"], ["active"]),
        helper.make_node("Gemm", ["active", "w2", "b2"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["probability"]),
    ]
    graph = helper.make_graph(
        nodes,
        "policy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [1, 1])],
        [numpy_helper.from_array(value, name) for name, value in WEIGHTS.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, "policy.onnx")


for activation in ("Relu", "LeakyRelu", "Elu", "Tanh", "Sigmoid"):
    build(activation)
    session = onnxruntime.InferenceSession("policy.onnx")
    runnable = tract.onnx().load("policy.onnx").into_model().into_runnable()
    for label, bid in (("bid 0.40", 0.40), ("no bid", np.nan)):
        row = np.array([[bid, 0.5]], np.float32)
        reference = session.run(None, {"x": row})[0].item()
        observed = runnable.run([row])[0].to_numpy().item()
        print(f"{activation}, {label}: onnxruntime {reference:.3f} | tract {observed:.3f}")
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
