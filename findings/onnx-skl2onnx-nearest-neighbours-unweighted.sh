#!/usr/bin/env bash
# skl2onnx: a converted nearest-neighbours model ignores weights="distance"
#
# Guess: KNeighborsClassifier(weights="distance") is converted with its weights, or the conversion is refused.
# Seen: The ONNX model weights all neighbours alike: it gives exactly the probabilities of the model with
# weights="uniform", and other labels than scikit-learn, also for rows of the training data.
# Why it matters: A comparison with the historical markets that are nearest is weighted so that the closest one counts
# most. In production the farthest of the k counts as much, and nothing reports it.
# Packages: skl2onnx==1.20.0, onnx==1.23.2, onnxruntime==1.32.0, scikit-learn==1.9.1, numpy==2.4.6; recorded with
# Python 3.11
# Run: bash findings/onnx-skl2onnx-nearest-neighbours-unweighted.sh
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
uniform
  scikit-learn [0, 0, 1, 0] [0.33, 0.33, 0.67, 0.33]
  ONNX         [0, 0, 1, 0] [0.33, 0.33, 0.67, 0.33]
distance
  scikit-learn [1, 0, 0, 1] [0.84, 0.13, 0.19, 1.0]
  ONNX         [0, 0, 1, 0] [0.33, 0.33, 0.67, 0.33]
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from sklearn.neighbors import KNeighborsClassifier

onnxruntime.set_default_logger_severity(4)
prices = np.array([[0.10], [0.20], [0.30], [0.41], [0.50], [0.62], [0.70], [0.80], [0.90]], np.float32)
results = np.array([0, 0, 1, 0, 0, 1, 0, 1, 1])
probe = np.array([[0.31], [0.44], [0.69], [0.30]], np.float32)
for weights in ("uniform", "distance"):
    model = KNeighborsClassifier(3, weights=weights).fit(prices, results)
    converted = to_onnx(model, prices[:1], options={"zipmap": False})
    session = onnxruntime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    labels, probabilities = session.run(None, {"X": probe})
    print(weights)
    print("  scikit-learn", model.predict(probe).tolist(), np.round(model.predict_proba(probe)[:, 1], 2).tolist())
    print("  ONNX        ", labels.tolist(), [round(float(p), 2) for p in probabilities[:, 1]])
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
