#!/usr/bin/env bash
# catboost: its own ONNX export leaves the link function of some losses out
#
# Guess: save_model(format="onnx") gives a model with the outputs of predict() or predict_proba() for each loss that
# it exports.
# Seen: Logloss and RMSE agree. With loss Poisson the ONNX model returns the logarithm of the rate; with
# MultiClassOneVsAll it returns the softmax of the scores instead of one logistic function per class, so the
# probabilities sum to 1 where those of CatBoost do not.
# Why it matters: A rate of 1.6 goals becomes 0.5. Markets of one event that can all be won (top 4, top 10) get
# probabilities as if exactly one of them won.
# Packages: catboost==1.2.10, onnx==1.23.2, onnxruntime==1.32.0, numpy==2.4.6; recorded with Python 3.11
# Run: bash findings/onnx-catboost-export-without-link.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  catboost==1.2.10 \
  onnx==1.23.2 \
  onnxruntime==1.32.0 \
  numpy==2.4.6
cat > "$work/expected.txt" <<'EXPECTED'
RMSE ONNX equal to catboost: True; equal to the value without link: True
Poisson ONNX equal to catboost: False; equal to the value without link: True
Logloss sums: catboost 1; Logloss ONNX equal to catboost: True; equal to the value without link: True
MultiClassOneVsAll sums: catboost not 1; MultiClassOneVsAll ONNX equal to catboost: False; equal to the value without link: True
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
import os
import tempfile

import catboost
import numpy as np
import onnxruntime

onnxruntime.set_default_logger_severity(4)
rng = np.random.default_rng(5)
prices = (np.arange(1, 100) / 100).astype(np.float32).reshape(-1, 1)
goals = rng.poisson(3 * prices[:, 0])
probe = prices[[9, 49, 89]]
common = {"iterations": 30, "verbose": 0, "allow_writing_files": False, "thread_count": 1, "random_seed": 1}
path = os.path.join(tempfile.mkdtemp(), "model.onnx")
for model, target in (
    (catboost.CatBoostRegressor(loss_function="RMSE", **common), goals),
    (catboost.CatBoostRegressor(loss_function="Poisson", **common), goals),
    (catboost.CatBoostClassifier(loss_function="Logloss", **common), (goals > 1).astype(int)),
    (catboost.CatBoostClassifier(loss_function="MultiClassOneVsAll", **common), np.clip(goals, 0, 2)),
):
    model.fit(prices, target)
    model.save_model(path, format="onnx")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    outputs = session.run(None, {session.get_inputs()[0].name: probe})
    loss = model.get_param("loss_function")
    if isinstance(model, catboost.CatBoostRegressor):
        expected, observed = model.predict(probe), np.ravel(outputs[0])
        also = np.log(expected) if loss == "Poisson" else expected
    else:
        expected = model.predict_proba(probe)
        observed = np.array([[row[name] for name in sorted(row)] for row in outputs[1]])
        raw = np.exp(model.predict(probe, prediction_type="RawFormulaVal"))
        also = raw / raw.sum(axis=1, keepdims=True) if loss == "MultiClassOneVsAll" else expected
        print(loss, "sums: catboost not 1" if abs(expected.sum(axis=1) - 1).max() > 0.01 else "sums: catboost 1", end="; ")
    print(loss, "ONNX equal to catboost:", bool(np.allclose(expected, observed, atol=1e-4)), end="; ")
    print("equal to the value without link:", bool(np.allclose(also, observed, atol=1e-4)))
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
