#!/usr/bin/env bash
# tract: the options of a recurrent layer are dropped, also the direction of time
#
# Guess: A recurrent model with direction="reverse", with Relu as activation or with clip gives the outputs of ONNX
# Runtime, or is refused.
# Seen: RNN, GRU and LSTM with default options agree. With direction="reverse" tract runs the layer forwards, with
# other activations it uses the default ones, and clip has no effect: the outputs are those of the layer without the
# option. No error or warning. linear_before_reset of GRU is respected.
# Why it matters: A policy over the last prices that was trained on reversed time, so that the newest price weighs
# most, is run on the wrong end of the window. The outputs look plausible, and all shapes are right.
# Packages: tract==0.23.9, onnx==1.23.2, onnxruntime==1.32.0, numpy==2.4.6; recorded with Python 3.11
# Run: bash findings/onnx-tract-recurrent-options-dropped.sh
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
RNN no option: onnxruntime 0.100 0.263 0.561 | tract 0.100 0.263 0.561 | agree
RNN direction=reverse: onnxruntime 0.398 0.458 0.422 | tract 0.100 0.263 0.561 | option dropped
RNN activations=['Relu']: onnxruntime 0.100 0.270 0.639 | tract 0.100 0.263 0.561 | option dropped
RNN clip=0.5: onnxruntime 0.100 0.263 0.462 | tract 0.100 0.263 0.561 | option dropped
GRU no option: onnxruntime 0.253 0.433 0.547 | tract 0.253 0.433 0.547 | agree
GRU direction=reverse: onnxruntime 0.544 0.434 0.255 | tract 0.253 0.433 0.547 | option dropped
GRU activations=['Sigmoid', 'Relu']: onnxruntime 0.332 0.661 1.050 | tract 0.253 0.433 0.547 | option dropped
GRU clip=0.5: onnxruntime 0.174 0.283 0.351 | tract 0.253 0.433 0.547 | option dropped
GRU linear_before_reset=1: onnxruntime 0.239 0.421 0.538 | tract 0.239 0.421 0.538 | agree
LSTM no option: onnxruntime 0.108 0.301 0.596 | tract 0.108 0.301 0.596 | agree
LSTM direction=reverse: onnxruntime 0.467 0.468 0.371 | tract 0.108 0.301 0.596 | option dropped
LSTM activations=['Sigmoid', 'Relu', 'Relu']: onnxruntime 0.115 0.396 1.480 | tract 0.108 0.301 0.596 | option dropped
LSTM clip=0.5: onnxruntime 0.108 0.227 0.301 | tract 0.108 0.301 0.596 | option dropped
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
import numpy as np
import onnx
import onnxruntime
import tract
from onnx import TensorProto, helper, numpy_helper

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
PRICES = np.array([0.2, 0.4, 0.9], np.float32).reshape(3, 1, 1)


def outputs(kind, **options):
    gates = GATES[kind]
    weights = {
        "w": np.linspace(0.5, 2.0, gates, dtype=np.float32).reshape(1, gates, 1),
        "r": np.full((1, gates, 1), 0.7, np.float32),
    }
    if kind == "GRU":
        weights["b"] = np.full((1, 6), 0.3, np.float32)
    node = helper.make_node(kind, ["x", *weights], ["y"], hidden_size=1, **options)
    graph = helper.make_graph(
        [node],
        "policy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 1, 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, 1, 1, 1])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, "policy.onnx")
    reference = onnxruntime.InferenceSession("policy.onnx").run(None, {"x": PRICES})[0]
    observed = tract.onnx().load("policy.onnx").into_model().into_runnable().run([PRICES])[0].to_numpy()
    return reference.ravel(), observed.ravel()


def text(values):
    return " ".join(f"{value:.3f}" for value in values)


for kind, activations in (("RNN", ["Relu"]), ("GRU", ["Sigmoid", "Relu"]), ("LSTM", ["Sigmoid", "Relu", "Relu"])):
    plain = outputs(kind)[1]
    cases = [{}, {"direction": "reverse"}, {"activations": activations}, {"clip": 0.5}]
    if kind == "GRU":
        cases.append({"linear_before_reset": 1})
    for options in cases:
        reference, observed = outputs(kind, **options)
        label = ", ".join(f"{name}={value}" for name, value in options.items()) or "no option"
        verdict = "agree" if np.allclose(reference, observed, atol=1e-4) else "option dropped"
        if verdict != "agree" and not np.array_equal(observed, plain):
            verdict = "differ"
        print(f"{kind} {label}: onnxruntime {text(reference)} | tract {text(observed)} | {verdict}")
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
