#!/usr/bin/env bash
# pybettor: Shin's method with its default solver gives NaN for a market with two outcomes
#
# Guess: For YES at $0.55 and NO at $0.47 the default method "shin" gives probabilities that sum to 1, near 0.54 and
# 0.46, as with three outcomes.
# Seen: The default solver divides by the number of outcomes minus two: the result for two outcomes is [nan, nan] with
# no error. shin_method="uniroot" gives 0.54 and 0.46.
# Why it matters: A Kalshi market has two outcomes. NaN compares false with each threshold, so an edge filter drops
# all markets without a message.
# Packages: pybettor==1.1.3, numpy==2.4.6; recorded with Python 3.11
# Run: bash findings/odds-pybettor-shin-two-outcomes.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  pybettor==1.1.3 \
  numpy==2.4.6
cat > "$work/expected.txt" <<'EXPECTED'
[0.55, 0.47] js [nan, nan]
[0.55, 0.47] uniroot [0.54, 0.46]
[0.4, 0.35, 0.29] js [0.386, 0.337, 0.277]
[0.4, 0.35, 0.29] uniroot [0.386, 0.337, 0.277]
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
import numpy as np
from pybettor import implied_prob


def shin(prices, solver):
    result = implied_prob([1 / price for price in prices], category="dec", method="shin", shin_method=solver)
    return np.round(result["implied_prob"], 3).tolist()


for prices in ([0.55, 0.47], [0.40, 0.35, 0.29]):
    for solver in ("js", "uniroot"):
        print(prices, solver, shin(prices, solver))
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
