#!/usr/bin/env bash
# venn-abers: with outcomes coded as -1 and 1 a calibrated probability is -4.5.
#
# Guess: The documentation asks for binary class labels. The coding -1 and 1, usual for margin classifiers, is calibrated
#   like 0 and 1, or is refused.
# Seen: It is accepted. A forecast of 0.1 becomes -4.5, and one of 0.5, which is right half of the time, becomes 0 with an
#   interval of width 0: certainty. With 0 and 1 the same data give 0.083 and 0.472.
# Why it matters: A market's outcome is often stored as the sign of its payout. A model that is calibrated on such data
#   trades on probabilities that are no probabilities, and nothing reports it.
#
# Packages: venn-abers==1.5.4, numpy==2.3.5
# Run: bash findings/scores-venn-abers-probability-below-zero.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check venn-abers==1.5.4 numpy==2.3.5
cd "$work"

cat >program.py <<'PROGRAM'
import numpy
from venn_abers import VennAbers

random = numpy.random.default_rng(1)
forecast = random.uniform(size=300)
won = random.uniform(size=300) < forecast
rows = numpy.column_stack([1 - forecast, forecast])
asked = numpy.array([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9]])

for name, outcomes in (("0 and 1", won.astype(int)), ("-1 and 1", numpy.where(won, 1, -1))):
    calibrator = VennAbers()
    calibrator.fit(rows, outcomes)
    probabilities, intervals = calibrator.predict_proba(asked)
    for (_, before), after, (low, high) in zip(asked, probabilities[:, 1], intervals):
        print(f"outcomes {name}: {before:.1f} becomes {after:.3f}, interval {low:.3f} to {high:.3f}")
PROGRAM

cat >expected.txt <<'EXPECTED'
outcomes 0 and 1: 0.1 becomes 0.083, interval 0.000 to 0.091
outcomes 0 and 1: 0.5 becomes 0.472, interval 0.440 to 0.500
outcomes 0 and 1: 0.9 becomes 0.895, interval 0.889 to 0.944
outcomes -1 and 1: 0.1 becomes -4.500, interval 0.000 to -0.818
outcomes -1 and 1: 0.5 becomes 0.000, interval 0.000 to 0.000
outcomes -1 and 1: 0.9 becomes 0.842, interval 0.833 to 0.889
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
