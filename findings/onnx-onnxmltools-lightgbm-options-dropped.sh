#!/usr/bin/env bash
# onnxmltools: the LightGBM converter accepts options of the model that it does not convert
#
# Guess: A LightGBM classifier is converted so that it gives the probabilities of predict_proba, or the conversion is
# refused, as for linear_tree=True in treelite.
# Seen: All six models convert with no error or warning. Plain gradient boosting agrees. The models with sigmoid=2,
# zero_as_missing=True, linear_tree=True, boosting_type="rf" and objective="multiclassova" give probabilities that
# differ by more than 0.05.
# Why it matters: A parameter search may pick one of these options in the next training run. A check of the first
# model that was converted does not cover it.
# Packages: onnxmltools==1.16.0, skl2onnx==1.20.0, onnx==1.23.2, onnxruntime==1.32.0, lightgbm==4.7.0,
# scikit-learn==1.9.1, numpy==2.4.6; recorded with Python 3.11
# Run: bash findings/onnx-onnxmltools-lightgbm-options-dropped.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  onnxmltools==1.16.0 \
  skl2onnx==1.20.0 \
  onnx==1.23.2 \
  onnxruntime==1.32.0 \
  lightgbm==4.7.0 \
  scikit-learn==1.9.1 \
  numpy==2.4.6
cat > "$work/expected.txt" <<'EXPECTED'
plain: equal
sigmoid=2: different by more than 0.05
zero_as_missing: different by more than 0.05
linear_tree: different by more than 0.05
rf: different by more than 0.05
multiclassova: different by more than 0.05
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
import lightgbm
import numpy as np
import onnxruntime
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

onnxruntime.set_default_logger_severity(4)
rng = np.random.default_rng(3)
prices = np.round(rng.uniform(0.01, 0.99, 400), 2)
imbalance = np.where(rng.uniform(size=400) < 0.2, 0.0, rng.normal(size=400))
rows = np.column_stack([prices, imbalance]).astype(np.float32)
won = (rng.uniform(size=400) < np.clip(prices + 0.3 * (imbalance == 0), 0, 1)).astype(int)
three = np.digitize(prices + rng.normal(0, 0.2, 400), [0.3, 0.7])
common = {"n_estimators": 10, "verbose": -1, "n_jobs": 1, "deterministic": True, "force_row_wise": True, "seed": 1}
for label, target, options in (
    ("plain", won, {}),
    ("sigmoid=2", won, {"sigmoid": 2.0}),
    ("zero_as_missing", won, {"zero_as_missing": True}),
    ("linear_tree", won, {"linear_tree": True}),
    ("rf", won, {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}),
    ("multiclassova", three, {"objective": "multiclassova"}),
):
    model = lightgbm.LGBMClassifier(**common, **options).fit(rows, target)
    converted = convert_lightgbm(model, initial_types=[("X", FloatTensorType([None, 2]))], zipmap=False)
    session = onnxruntime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    difference = np.abs(session.run(None, {"X": rows})[1] - model.predict_proba(rows)).max()
    print(f"{label}: {'equal' if difference < 1e-5 else 'different by more than 0.05' if difference > 0.05 else difference}")
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
