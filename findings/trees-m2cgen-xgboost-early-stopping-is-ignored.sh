#!/usr/bin/env bash
# m2cgen: the code of an XGBoost model counts the trees after the best iteration, and those of DART in full
#
# Guess: A classifier with early stopping predicts with the trees up to its best iteration; the generated code gives the
# same probabilities, as it does without early stopping. With the booster "dart" it does as well.
# Seen: After early stopping the code adds all trees, also those of the rounds in which the validation got worse: the
# probabilities differ by up to 14 points. With "dart" the weights of the dropped trees are missing, and they differ by
# up to 36 points. Nothing is raised. Up to XGBoost 1 the limit was read from an attribute that no longer exists.
# Why it matters: The model that trades is not the one that was validated, and it errs exactly where the overfit trees
# speak. Fourteen points are more than the edge of most trades, and no test of the Python model shows them.
# Packages: m2cgen==0.10.0, xgboost-cpu==3.2.0, scikit-learn==1.9.1, numpy==2.4.6, scipy==1.17.1;
# recorded with Python 3.11
# Run: bash findings/trees-m2cgen-xgboost-early-stopping-is-ignored.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  m2cgen==0.10.0 \
  xgboost-cpu==3.2.0 \
  scikit-learn==1.9.1 \
  numpy==2.4.6 \
  scipy==1.17.1
cd "$work"
cat > expected.txt <<'EXPECTED'
20 trees: mean 0.19, of the code 0.19, largest difference 0.00
early stopping: mean 0.25, of the code 0.22, largest difference 0.14
  best iteration 5 of 0 to 10; the code is the model with all of them: True
20 trees of dart: mean 0.28, of the code 0.09, largest difference 0.36
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
import m2cgen
import numpy as np
import xgboost

random = np.random.default_rng(0)
market = random.uniform(size=(400, 3))
settled = (random.uniform(size=400) < 0.1 + 0.2 * market[:, 0]).astype(int)
later = random.uniform(size=(200, 3))
settled_later = (random.uniform(size=200) < 0.1 + 0.2 * later[:, 0]).astype(int)


def generated(model):
    names = {}
    exec(m2cgen.export_to_python(model), names)
    return np.array([names["score"](row.tolist())[1] for row in later])


def show(label, trees, validate=False, **options):
    model = xgboost.XGBClassifier(n_estimators=trees, base_score=0.5, n_jobs=1, **options)
    model.fit(market, settled, eval_set=[(later, settled_later)] if validate else None, verbose=False)
    expected, code = model.predict_proba(later)[:, 1], generated(model)
    largest = np.abs(expected - code).max()
    print(f"{label}: mean {expected.mean():.2f}, of the code {code.mean():.2f}, largest difference {largest:.2f}")
    if validate:
        last = len(model.get_booster().get_dump()) - 1
        prefix = model.predict_proba(later, iteration_range=(0, last + 1))[:, 1]
        print(f"  best iteration {model.best_iteration} of 0 to {last}; the code is the model with all of them: "
              f"{np.allclose(prefix, code, atol=1e-5)}")


show("20 trees", 20)
show("early stopping", 200, validate=True, early_stopping_rounds=5)
show("20 trees of dart", 20, booster="dart", rate_drop=0.5, seed=1)
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
