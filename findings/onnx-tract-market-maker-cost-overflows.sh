#!/usr/bin/env bash
# tract: ReduceLogSumExp and Softplus overflow at scores that Softmax handles
#
# Guess: The cost function of a market maker (LMSR), ReduceLogSumExp of the shares divided by b, is as stable as
# Softmax: 120 for the scores 120 and 80. Softplus of 120 is 120.
# Seen: tract returns inf for both, from a score of 89 on (the largest exponential of float32), and -inf for scores
# of -120. Softmax and LogSoftmax of the same scores are right. ONNX Runtime and the reference implementation give
# 120.
# Why it matters: The price of a trade is the difference of two costs. With 120 shares at b=1 it is inf - inf, NaN,
# while the prices from Softmax still look right. Small test trades never show it.
# Packages: tract==0.23.9, onnx==1.23.2, onnxruntime==1.32.0, numpy==2.4.6; recorded with Python 3.11
# Run: bash findings/onnx-tract-market-maker-cost-overflows.sh
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
ReduceLogSumExp of [12.0, 8.0]: reference 12.02 | onnxruntime 12.02 | tract 12.02
ReduceLogSumExp of [88.0, 80.0]: reference 88.00 | onnxruntime 88.00 | tract 88.00
ReduceLogSumExp of [89.0, 80.0]: reference 89.00 | onnxruntime 89.00 | tract inf
ReduceLogSumExp of [120.0, 80.0]: reference 120.00 | onnxruntime 120.00 | tract inf
ReduceLogSumExp of [-120.0, -121.0]: reference -119.69 | onnxruntime -119.69 | tract -inf
Softplus of [12.0, 88.0]: reference 12.00 88.00 | onnxruntime 12.00 88.00 | tract 12.00 88.00
Softplus of [89.0, 120.0]: reference 89.00 120.00 | onnxruntime 89.00 120.00 | tract inf inf
LogSoftmax of [120.0, 80.0]: reference 0.00 -40.00 | onnxruntime 0.00 -40.00 | tract 0.00 -40.00
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
import numpy as np
import onnx
import onnxruntime
import tract
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator


def text(values):
    return " ".join(f"{value:.2f}" for value in np.ravel(values))


def show(kind, scores, shape, **options):
    row = np.array([scores], np.float32)
    graph = helper.make_graph(
        [helper.make_node(kind, ["x"], ["y"], **options)],
        "cost",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, row.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, "cost.onnx")
    reference = ReferenceEvaluator(model).run(None, {"x": row})[0]
    runtime = onnxruntime.InferenceSession("cost.onnx").run(None, {"x": row})[0]
    observed = tract.onnx().load("cost.onnx").into_model().into_runnable().run([row])[0].to_numpy()
    print(f"{kind} of {scores}: reference {text(reference)} | onnxruntime {text(runtime)} | tract {text(observed)}")


for scores in ([12.0, 8.0], [88.0, 80.0], [89.0, 80.0], [120.0, 80.0], [-120.0, -121.0]):
    show("ReduceLogSumExp", scores, [1, 1], axes=[1])
for scores in ([12.0, 88.0], [89.0, 120.0]):
    show("Softplus", scores, [1, 2])
show("LogSoftmax", [120.0, 80.0], [1, 2], axis=1)
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
