#!/usr/bin/env bash
# penaltyblog: a contract at one cent has a negative probability in two of seven methods.
#
# Guess: A method whose formula leaves the range is limited to it, or refuses these prices.
# Seen: The additive method and that of margin weights return -0.0025 for each of the two cheapest contracts, and
#   probabilities that add up to 1 with them. Nothing is raised or reported.
# Why it matters: An event with many outcomes has most of its asks at one to three cents, so this is the usual case. A stake or
#   a fair price from such a probability has the wrong sign, and a logarithmic score of it is not a number.
#
# Packages: penaltyblog==1.13.1
# Run: bash findings/odds-penaltyblog-longshot-below-zero.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check penaltyblog==1.13.1
cd "$work"

cat >program.py <<'PROGRAM'
from penaltyblog.implied import ImpliedMethod, calculate_implied

ASKS = (0.62, 0.27, 0.10, 0.04, 0.03, 0.02, 0.01, 0.01)  # dollars for YES; one of the eight outcomes is true

for method in ImpliedMethod:
    result = calculate_implied([1 / ask for ask in ASKS], method=method)
    lowest, total = float(min(result.probabilities)), float(sum(result.probabilities))
    print(f"{method.value}: lowest {lowest:.4f}, sum {total:.4f}")
PROGRAM

cat >expected.txt <<'EXPECTED'
multiplicative: lowest 0.0091, sum 1.0000
additive: lowest -0.0025, sum 1.0000
power: lowest 0.0068, sum 1.0000
shin: lowest 0.0043, sum 1.0000
differential_margin_weighting: lowest -0.0025, sum 1.0000
odds_ratio: lowest 0.0085, sum 1.0000
logarithmic: lowest 0.0085, sum 1.0000
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
