#!/usr/bin/env bash
# skl2onnx: a converted LinearDiscriminantAnalysis with two classes doubles the log odds
#
# Guess: The ONNX model gives the probabilities of predict_proba, up to the precision of float32.
# Seen: The labels agree, the probabilities do not: 0.416 becomes 0.337 and 0.852 becomes 0.971. The converter takes
# the softmax of the scores (-d, d), which is the logistic function of 2d. With three classes the probabilities agree.
# Why it matters: The classes are right in each test of labels, but the size of a bet follows from the probability:
# the converted model is far too sure and bets too much.
# Packages: skl2onnx==1.20.0, onnx==1.23.2, onnxruntime==1.32.0, scikit-learn==1.9.1, numpy==2.4.6; recorded with
# Python 3.11
# Run: bash findings/onnx-skl2onnx-lda-probabilities.sh
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
two classes: labels equal True
  scikit-learn [0.006, 0.081, 0.416, 0.852, 0.987]
  ONNX         [0.0, 0.008, 0.337, 0.971, 1.0]
  log odds * 2 [0.0, 0.008, 0.337, 0.971, 1.0]
three classes: labels equal True
  scikit-learn [0.03, 0.42, 0.751, 0.181, 0.005]
  ONNX         [0.03, 0.42, 0.751, 0.181, 0.005]
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

onnxruntime.set_default_logger_severity(4)
prices = np.array([[0.1], [0.2], [0.3], [0.4], [0.5], [0.6], [0.7], [0.8], [0.9], [0.35], [0.65]], np.float32)
two = np.array([0, 0, 0, 1, 0, 1, 1, 1, 1, 0, 0])
three = np.array([0, 0, 1, 0, 1, 2, 1, 2, 2, 1, 2])
probe = np.array([[0.05], [0.30], [0.50], [0.70], [0.95]], np.float32)
for label, classes in (("two classes", two), ("three classes", three)):
    model = LinearDiscriminantAnalysis().fit(prices, classes)
    converted = to_onnx(model, prices[:1], options={"zipmap": False})
    session = onnxruntime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    labels, probabilities = session.run(None, {"X": probe})
    print(f"{label}: labels equal {bool((labels == model.predict(probe)).all())}")
    print("  scikit-learn", [round(float(p), 3) for p in model.predict_proba(probe)[:, 1]])
    print("  ONNX        ", [round(float(p), 3) for p in probabilities[:, 1]])
    if len(set(classes)) == 2:
        doubled = 1 / (1 + np.exp(-2 * model.decision_function(probe)))
        print("  log odds * 2", [round(float(p), 3) for p in doubled])
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
