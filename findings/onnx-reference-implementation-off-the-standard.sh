#!/usr/bin/env bash
# onnx: the reference implementation itself ignores four definitions of the standard
#
# Guess: ReferenceEvaluator gives the outputs that the standard defines, for each operator set that it accepts; a
# difference to ONNX Runtime is a fault of the runtime.
# Seen: LpNormalization with p=1 divides by the plain sum, not by the sum of absolute values: (-1, 3) becomes
# (-0.5, 1.5). BatchNormalization of operator set 9 uses a variance that is mixed with that of the row. Softmax of
# operator set 11 is taken over one axis, not over all that follow it. LSTM ignores activations and clip. ONNX Runtime
# follows the text of the standard in all four.
# Why it matters: The check "my conversion agrees with the reference implementation" fails for right models of the age
# of operator set 13 and less, and it passes for a runtime with the same omissions. Weights that should sum to one in
# absolute value give a stake of twice the size.
# Packages: onnx==1.23.2, onnxruntime==1.32.0, numpy==2.4.6; recorded with Python 3.11
# Run: bash findings/onnx-reference-implementation-off-the-standard.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  onnx==1.23.2 \
  onnxruntime==1.32.0 \
  numpy==2.4.6
cd "$work"
cat > expected.txt <<'EXPECTED'
LpNormalization p=1: by hand -0.250 0.750 | reference -0.500 1.500 | onnxruntime -0.250 0.750
LpNormalization p=2: by hand -0.316 0.949 | reference -0.316 0.949 | onnxruntime -0.316 0.949
BatchNormalization, operator set 9: by hand -2.236 2.384 | reference -2.065 2.250 | onnxruntime -2.236 2.384
BatchNormalization, operator set 13: by hand -2.236 2.384 | reference -2.065 2.250 | onnxruntime -2.236 2.384
BatchNormalization, operator set 15: by hand -2.236 2.384 | reference -2.236 2.384 | onnxruntime -2.236 2.384
Softmax axis=1, operator set 11: by hand 0.032 0.087 0.237 0.644 | reference 0.119 0.119 0.881 0.881 | onnxruntime 0.032 0.087 0.237 0.644
Softmax axis=1, operator set 13: by hand 0.119 0.119 0.881 0.881 | reference 0.119 0.119 0.881 0.881 | onnxruntime 0.119 0.119 0.881 0.881
LSTM: by hand 0.370 | reference 0.370 | onnxruntime 0.370
LSTM with Relu: by hand 0.534 | reference 0.370 | onnxruntime 0.534
LSTM with clip=0.5: by hand 0.174 | reference 0.370 | onnxruntime 0.174
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator


def text(values):
    return " ".join(f"{value:.3f}" for value in np.ravel(values))


def show(label, by_hand, opset, kind, x, shape, weights=(), **options):
    x = np.array(x, np.float32)
    weights = {f"w{i}": np.array(value, np.float32) for i, value in enumerate(weights)}
    graph = helper.make_graph(
        [helper.make_node(kind, ["x", *weights], ["y"], **options)],
        "policy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model)
    reference = ReferenceEvaluator(model).run(None, {"x": x})[0]
    runtime = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]
    print(f"{label}: by hand {text(by_hand)} | reference {text(reference)} | onnxruntime {text(runtime)}")


row = np.array([-1.0, 3.0])
for p in (1, 2):
    norm = (np.abs(row) ** p).sum() ** (1 / p)
    show(f"LpNormalization p={p}", row / norm, 13, "LpNormalization", [row], [1, 2], axis=1, p=p)

mean, variance = np.array([0.0, 0.5]), np.array([0.1, 1.0])
for opset in (9, 13, 15):
    by_hand = (row - mean) / np.sqrt(variance + 0.1)
    show(f"BatchNormalization, operator set {opset}", by_hand, opset, "BatchNormalization", [row], [1, 2],
         [np.ones(2), np.zeros(2), mean, variance], epsilon=0.1)

scores = np.arange(4.0)
for opset in (11, 13):
    powers = np.exp(scores)
    by_hand = powers / powers.sum() if opset == 11 else (powers.reshape(2, 2) / powers.reshape(2, 2).sum(axis=0))
    show(f"Softmax axis=1, operator set {opset}", by_hand, opset, "Softmax", scores.reshape(1, 2, 2), [1, 2, 2], axis=1)


def lstm(clip, squash):
    gate = lambda value: 1 / (1 + np.exp(-np.clip(value, -clip, clip)))
    cell = gate(0.5 * 2) * squash(np.clip(0.5 * 2, -clip, clip))
    return [gate(0.5 * 2) * squash(cell)]


LSTM = ([np.full((1, 4, 1), 0.5), np.zeros((1, 4, 1))],)
for label, by_hand, options in (
    ("LSTM", lstm(np.inf, np.tanh), {}),
    ("LSTM with Relu", lstm(np.inf, lambda value: max(value, 0)), {"activations": ["Sigmoid", "Relu", "Relu"]}),
    ("LSTM with clip=0.5", lstm(0.5, np.tanh), {"clip": 0.5}),
):
    show(label, by_hand, 14, "LSTM", [[[2.0]]], [1, 1, 1, 1], *LSTM, hidden_size=1, **options)
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
