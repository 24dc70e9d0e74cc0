#!/usr/bin/env bash
# penaltyblog: two pairs of its seven methods to remove a margin are the same method.
#
# Guess: The seven methods are seven models of how a margin is spread over the outcomes, so that an average over them is
#   an average over seven opinions.
# Seen: Margin weights proportional to the odds give what subtracting an equal part from each price gives, and the
#   logarithmic method what the odds ratio gives, to twelve decimals and with parameters that are the exponential of each
#   other. Five results remain.
# Why it matters: Methods are compared or averaged to find the fair price of an event with many outcomes. Two of five opinions
#   count twice, and the agreement of two of them says nothing.
#
# Packages: penaltyblog==1.13.1
# Run: bash findings/odds-penaltyblog-seven-methods-five-results.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check penaltyblog==1.13.1
cd "$work"

cat >program.py <<'PROGRAM'
from penaltyblog.implied import ImpliedMethod, calculate_implied

ASKS = (0.55, 0.25, 0.15, 0.12)  # dollars for YES in an event with four outcomes, of which one is true

methods = {}
for method in ImpliedMethod:
    result = calculate_implied([1 / ask for ask in ASKS], method=method)
    row = tuple(round(float(probability), 9) for probability in result.probabilities)
    methods.setdefault(row, []).append(method.value)
print(f"{len(ImpliedMethod)} methods, {len(methods)} results")
for row, names in methods.items():
    print("  ".join(f"{probability:.4f}" for probability in row), " and ".join(names))
PROGRAM

cat >expected.txt <<'EXPECTED'
7 methods, 5 results
0.5140  0.2336  0.1402  0.1121 multiplicative
0.5325  0.2325  0.1325  0.1025 additive and differential_margin_weighting
0.5306  0.2300  0.1338  0.1056 power
0.5261  0.2328  0.1352  0.1059 shin
0.5234  0.2305  0.1369  0.1092 odds_ratio and logarithmic
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
