#!/usr/bin/env bash
# onnxmltools: an XGBRegressor with objective "reg:logistic" is converted without its logistic function
#
# Guess: The regressor predicts probabilities (targets from 0 to 1), and so does the ONNX model: the converter also
# applies exp() for "count:poisson".
# Seen: The ONNX model returns the log odds plus 0.5 (the base score is added as if it were a log odd): -2.51 to 3.51
# instead of 0.05 to 0.95, with no error. "count:poisson" agrees, and XGBClassifier with "binary:logistic" agrees.
# Why it matters: "reg:logistic" is the objective for soft targets such as the mid price one hour later. The converted
# model gives 0.5 for a price of 0.50, so the most common check passes, and values outside of 0..1 elsewhere.
# Packages: onnxmltools==1.16.0, skl2onnx==1.20.0, onnx==1.23.2, onnxruntime==1.32.0, xgboost==3.2.0,
# scikit-learn==1.9.1, numpy==2.4.6; recorded with Python 3.11
# Run: bash findings/onnx-onnxmltools-xgboost-regression-without-logistic.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  onnxmltools==1.16.0 \
  skl2onnx==1.20.0 \
  onnx==1.23.2 \
  onnxruntime==1.32.0 \
  xgboost==3.2.0 \
  scikit-learn==1.9.1 \
  numpy==2.4.6
cat > "$work/expected.txt" <<'EXPECTED'
reg:logistic
  xgboost [0.05, 0.25, 0.5, 0.74, 0.95]
  ONNX    [-2.51, -0.59, 0.5, 1.54, 3.51]
count:poisson
  xgboost [0.29, 3.09, 5.0, 6.92, 9.81]
  ONNX    [0.29, 3.09, 5.0, 6.92, 9.81]
binary:logistic
  xgboost [0.02, 0.02, 0.02, 0.98, 0.98]
  ONNX    [0.02, 0.02, 0.02, 0.98, 0.98]
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
import numpy as np
import onnxruntime
import xgboost
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

onnxruntime.set_default_logger_severity(4)
prices = (np.arange(1, 100) / 100).astype(np.float32).reshape(-1, 1)
later = np.clip(prices[:, 0] * 1.2 - 0.1, 0.02, 0.98)
probe = prices[[4, 29, 49, 69, 94]]
for label, model, target in (
    ("reg:logistic", xgboost.XGBRegressor(objective="reg:logistic", n_estimators=20), later),
    ("count:poisson", xgboost.XGBRegressor(objective="count:poisson", n_estimators=20), np.round(later * 10)),
    ("binary:logistic", xgboost.XGBClassifier(n_estimators=20), (later > 0.5).astype(int)),
):
    model.fit(prices, target)
    converted = convert_xgboost(model, initial_types=[("X", FloatTensorType([None, 1]))])
    session = onnxruntime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs = session.run(None, {"X": probe})
    if label == "binary:logistic":
        expected, observed = model.predict_proba(probe)[:, 1], outputs[1][:, 1]
    else:
        expected, observed = model.predict(probe), outputs[0].ravel()
    print(label)
    print("  xgboost", [round(float(value), 2) for value in expected])
    print("  ONNX   ", [round(float(value), 2) for value in observed])
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
