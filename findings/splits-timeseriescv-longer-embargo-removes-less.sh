#!/usr/bin/env bash
# timeseriescv: a longer embargo removes less, and the data between two test blocks is not used for training
#
# Guess: An embargo of 30 hours removes the training samples of the 30 hours after each test block, one of 2 hours those
# of 2 hours. Between two test blocks the rest stays in the training set.
# Seen: With 100 hourly samples and a test block of the hours 60 to 79, an embargo of 15 hours removes 80 to 95, one of
# 30 hours removes nothing, not even sample 80, whose time is the evaluation time of the last test sample. With the test
# blocks 10 to 19 and 50 to 59 all samples from 20 to 49 are gone, also without an embargo.
# Why it matters: The embargo against leakage is off for the blocks at the end of the data, without a word, so the
# out-of-sample result looks better. Elsewhere the model is trained on much less data than it would be in use.
# Packages: timeseriescv==0.2, pandas==3.1.1, numpy==2.4.6; recorded with Python 3.11
# Run: bash findings/splits-timeseriescv-longer-embargo-removes-less.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  timeseriescv==0.2 \
  pandas==3.1.1 \
  numpy==2.4.6
cd "$work"
cat > expected.txt <<'EXPECTED'
test 60-79, embargo 0 h: training 0-58, 81-99
test 60-79, embargo 2 h: training 0-58, 83-99
test 60-79, embargo 15 h: training 0-58, 96-99
test 60-79, embargo 30 h: training 0-58, 80-99
test 20-39, embargo 0 h: training 0-18, 41-99
test 20-39, embargo 2 h: training 0-18, 43-99
test 20-39, embargo 15 h: training 0-18, 56-99
test 20-39, embargo 30 h: training 0-18, 71-99
test 10-19, 50-59, embargo 0 h: training 0-8, 61-99
test 10-19, 50-59, embargo 2 h: training 0-8, 63-99
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
import pandas as pd
from timeseriescv.cross_validation import CombPurgedKFoldCV

SAMPLES = 100
times = pd.Series(pd.date_range("2026-01-01", periods=SAMPLES, freq="h"))
known = times + pd.Timedelta(hours=1)  # each outcome is known one hour after its prediction
features = pd.DataFrame({"x": range(SAMPLES)})


def blocks(indices):
    runs = []
    for index in sorted(int(i) for i in indices):
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ", ".join(f"{first}-{last}" for first, last in runs)


def show(folds, test_folds, hours, wanted):
    splitter = CombPurgedKFoldCV(folds, test_folds, embargo_td=pd.Timedelta(hours=hours))
    for train, test in splitter.split(features, pred_times=times, eval_times=known):
        if blocks(test) == wanted:
            print(f"test {wanted}, embargo {hours} h: training {blocks(train)}")


for hours in (0, 2, 15, 30):
    show(5, 1, hours, "60-79")
for hours in (0, 2, 15, 30):
    show(5, 1, hours, "20-39")
for hours in (0, 2):
    show(10, 2, hours, "10-19, 50-59")
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
