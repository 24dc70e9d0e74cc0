#!/usr/bin/env bash
# horizon-sdk: the deflated Sharpe p-value is 0 for one trial and 1 for several.
#
# Guess: deflated_sharpe returns the p-value of Bailey and Lopez de Prado: for one trial that of the plain Sharpe
#   ratio (0.5 at a ratio of 0, above 0.5 for a losing strategy), then growing slowly with the number of trials.
# Seen: With one trial it is 0 for every ratio, even a negative one. With two trials it is 1 for ratios up to 0.2
#   per period over 250 observations. The values fit a benchmark for trials whose ratios have a standard deviation
#   of 1 per period.
# Why it matters: A losing strategy passes the test, and a daily Sharpe of 0.2 (annual about 3.2) fails it as soon
#   as two variants were tried.
#
# Packages: horizon-sdk==0.8.8
# Run: bash findings/kalshi-horizon-deflated-sharpe-is-a-switch.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check horizon-sdk==0.8.8
cd "$work"

cat >program.py <<'PROGRAM'
import math
from statistics import NormalDist

from horizon._horizon import deflated_sharpe

OBSERVATIONS = 250
for sharpe in (-0.2, 0.0, 0.05, 0.1, 0.2):
    plain = 1 - NormalDist().cdf(sharpe * math.sqrt(OBSERVATIONS - 1) / math.sqrt(1 + sharpe**2 / 2))
    seen = [round(deflated_sharpe(sharpe, OBSERVATIONS, trials, 0.0, 3.0), 3) for trials in (1, 2, 5)]
    print(f"sharpe {sharpe}: one trial by the formula {plain:.3f}; returned for 1, 2, 5 trials: {seen}")
PROGRAM

cat >expected.txt <<'EXPECTED'
sharpe -0.2: one trial by the formula 0.999; returned for 1, 2, 5 trials: [0.0, 1.0, 1.0]
sharpe 0.0: one trial by the formula 0.500; returned for 1, 2, 5 trials: [0.0, 1.0, 1.0]
sharpe 0.05: one trial by the formula 0.215; returned for 1, 2, 5 trials: [0.0, 1.0, 1.0]
sharpe 0.1: one trial by the formula 0.058; returned for 1, 2, 5 trials: [0.0, 1.0, 1.0]
sharpe 0.2: one trial by the formula 0.001; returned for 1, 2, 5 trials: [0.0, 1.0, 1.0]
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
