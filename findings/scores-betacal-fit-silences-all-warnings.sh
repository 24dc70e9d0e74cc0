#!/usr/bin/env bash
# betacal: one fit of a calibration switches off every later warning of the process.
#
# Guess: BetaCalibration().fit changes the calibrator only.
# Seen: The fit inserts an "ignore" filter for all categories and leaves it there. The mean of a market without trades,
#   the logarithm of a price of zero and any warning of one's own were shown before the fit and are silent after it, in
#   all modules.
# Why it matters: A calibration early in a research script hides the NaN that a later step makes of its empty markets.
#
# Packages: betacal==1.1.0, numpy==2.4.6, scikit-learn==1.9.1
# Run: bash findings/scores-betacal-fit-silences-all-warnings.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    betacal==1.1.0 numpy==2.4.6 scikit-learn==1.9.1
cd "$work"

cat >program.py <<'PROGRAM'
import warnings

import numpy as np
from betacal import BetaCalibration


def warned(step):
    with warnings.catch_warnings(record=True) as seen:
        step()
    return [warning.category.__name__ for warning in seen]


def steps():
    return {
        "mean of no trades": warned(lambda: np.mean(np.array([]))),
        "log of a price of zero": warned(lambda: np.log(np.array([0.0, 0.5]))),
        "own warning": warned(lambda: warnings.warn("stale book", UserWarning, stacklevel=1)),
    }


print("before the fit:", steps())
prices = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9])
outcomes = np.array([0, 0, 1, 0, 1, 0, 1, 1])
BetaCalibration().fit(prices, outcomes)
print("after the fit: ", steps())
PROGRAM

cat >expected.txt <<'EXPECTED'
before the fit: {'mean of no trades': ['RuntimeWarning', 'RuntimeWarning'], 'log of a price of zero': ['RuntimeWarning'], 'own warning': ['UserWarning']}
after the fit:  {'mean of no trades': [], 'log of a price of zero': [], 'own warning': []}
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
