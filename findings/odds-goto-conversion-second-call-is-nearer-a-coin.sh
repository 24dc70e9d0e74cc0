#!/usr/bin/env bash
# goto_conversion: the same list of American odds gives other probabilities at the second call.
#
# Guess: A conversion of quoted odds to probabilities is a function: the same odds give the same probabilities.
# Seen: With isAmericanOdds=True and a list, the caller's list is overwritten with decimal odds. The next conversion of
#   that list reads the decimal odds as American ones: no error, and probabilities that are pulled towards even. A NumPy
#   array is copied, and stays as it is.
# Why it matters: A quote that is converted once for the price and once for the report gives two probabilities, four
#   cents apart; the third call is nearer to even again.
#
# Packages: goto_conversion==4.0.3 (numpy==2.3.5 for the array)
# Run: bash findings/odds-goto-conversion-second-call-is-nearer-a-coin.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check goto_conversion==4.0.3 numpy==2.3.5
cd "$work"

cat >program.py <<'PROGRAM'
import numpy
from goto_conversion import goto_conversion

quoted = [-150, 130]
for call in ("first", "second", "third"):
    home, away = goto_conversion(quoted, isAmericanOdds=True)
    print(f"{call} call: {home:.4f} {away:.4f}, list afterwards: {[round(odds, 4) for odds in quoted]}")

array = numpy.array([-150, 130])
for call in ("first", "second"):
    home, away = goto_conversion(array, isAmericanOdds=True)
    print(f"array, {call} call: {home:.4f} {away:.4f}")
PROGRAM

cat >expected.txt <<'EXPECTED'
first call: 0.5841 0.4159, list afterwards: [1.6667, 2.3]
second call: 0.5409 0.4591, list afterwards: [1.0167, 1.023]
third call: 0.5008 0.4992, list afterwards: [1.0102, 1.0102]
array, first call: 0.5841 0.4159
array, second call: 0.5841 0.4159
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
