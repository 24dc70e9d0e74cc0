#!/usr/bin/env bash
# teachersbettextbook: the joint Kelly stake of a single cheap contract is not its Kelly stake.
#
# Guess: simultaneous_kelly with one bet returns the closed-form stake of kelly_fraction, at any price.
# Seen: At 1 cent and above it does. At a tenth of a cent (net odds 999) the ascent has not settled after its fixed
#   number of steps: the stake is more than five times too large and the expected growth is negative, without a
#   warning.
# Why it matters: Kalshi quotes tenths of a cent near 0 and 1. A bet with a real edge is sized so that it loses in
#   the long run.
#
# Packages: teachersbettextbook==0.4.0
# Run: bash findings/kalshi-teachersbettextbook-joint-kelly-diverges.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check teachersbettextbook==0.4.0
cd "$work"

cat >program.py <<'PROGRAM'
from teachersbettextbook.kelly import growth_rate, kelly_fraction, simultaneous_kelly

for price, probability in ((0.50, 0.55), (0.01, 0.02), (0.001, 0.0015)):
    odds = (1 - price) / price
    exact = kelly_fraction(probability, odds)
    result = simultaneous_kelly([probability], [odds])
    joint = result["fractions_full"][0]
    print(f"price {price}, probability {probability}: ratio to the closed form {joint / exact:.1f}, "
          f"growth positive {result['log_growth_full'] > 0}, possible {growth_rate(probability, odds, exact) > 0}")
PROGRAM

cat >expected.txt <<'EXPECTED'
price 0.5, probability 0.55: ratio to the closed form 1.0, growth positive True, possible True
price 0.01, probability 0.02: ratio to the closed form 1.0, growth positive True, possible True
price 0.001, probability 0.0015: ratio to the closed form 5.6, growth positive False, possible True
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
