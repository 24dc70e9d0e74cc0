#!/usr/bin/env bash
# skl2onnx: isotonic calibration becomes a staircase, scikit-learn interpolates
#
# Guess: CalibratedClassifierCV(method="isotonic") is converted with the linear interpolation between its thresholds.
# Seen: The ONNX model returns the value of a threshold without interpolation. On the 99 prices from 0.01 to 0.99
# scikit-learn gives 18 different probabilities, the ONNX model 4; at 13 prices they differ, by up to 0.17.
# Why it matters: Between two thresholds the edge over the market price is a property of the staircase: it jumps from
# one cent to the next, and orders flicker at the jump.
# Packages: skl2onnx==1.20.0, onnx==1.23.2, onnxruntime==1.32.0, scikit-learn==1.9.1, numpy==2.4.6; recorded with
# Python 3.11
# Run: bash findings/onnx-skl2onnx-isotonic-calibration-is-a-staircase.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  skl2onnx==1.20.0 \
  onnx==1.23.2 \
  onnxruntime==1.32.0 \
  scikit-learn==1.9.1 \
  numpy==2.4.6
cat > "$work/expected.txt" <<'EXPECTED'
different values, scikit-learn: 18 ONNX: 4
prices with a difference above 0.01: 13 of 99
largest difference: 0.17
24 cents: scikit-learn 0.12, ONNX 0.00
25 cents: scikit-learn 0.37, ONNX 0.50
61 cents: scikit-learn 0.58, ONNX 0.50
62 cents: scikit-learn 0.62, ONNX 0.50
63 cents: scikit-learn 0.65, ONNX 0.50
64 cents: scikit-learn 0.69, ONNX 0.86
65 cents: scikit-learn 0.72, ONNX 0.86
66 cents: scikit-learn 0.76, ONNX 0.86
67 cents: scikit-learn 0.80, ONNX 0.86
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression

onnxruntime.set_default_logger_severity(4)
prices = (np.arange(1, 51) / 51).astype(np.float32).reshape(-1, 1)
results = np.array([0] * 12 + [1] * 3 + [0] * 5 + [1] * 6 + [0] * 4 + [1] * 9 + [0] * 2 + [1] * 9)
model = CalibratedClassifierCV(LogisticRegression(), method="isotonic", cv=2).fit(prices, results)
converted = to_onnx(model, prices[:1], options={"zipmap": False})
session = onnxruntime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
cents = (np.arange(1, 100) / 100).astype(np.float32).reshape(-1, 1)
expected = model.predict_proba(cents)[:, 1]
observed = session.run(None, {"X": cents})[1][:, 1]
print("different values, scikit-learn:", len(set(np.round(expected, 3))), "ONNX:", len(set(np.round(observed, 3))))
print("prices with a difference above 0.01:", int((np.abs(expected - observed) > 0.01).sum()), "of 99")
print(f"largest difference: {np.abs(expected - observed).max():.2f}")
for cent in np.flatnonzero(np.abs(expected - observed) > 0.05) + 1:
    print(f"{cent} cents: scikit-learn {expected[cent - 1]:.2f}, ONNX {observed[cent - 1]:.2f}")
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
