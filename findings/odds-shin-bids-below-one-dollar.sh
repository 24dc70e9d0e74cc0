#!/usr/bin/env bash
# shin: prices that sum to less than $1 are normalized for two outcomes and scaled down for three
#
# Guess: The implied probabilities sum to 1 for each number of outcomes, or prices with a negative margin are refused.
# Seen: Two bids of 0.45 and 0.53 give probabilities with the sum 1.00. Three bids of 0.30 (sum 0.90) give 0.264 each,
# sum 0.79: the correction goes away from 1, with no error.
# Why it matters: The best bids of the markets of one Kalshi event sum to less than $1 as a rule. Probabilities made
# from bids are too low by a fifth here, more than the margin itself.
# Packages: shin==0.2.2; recorded with Python 3.11
# Run: bash findings/odds-shin-bids-below-one-dollar.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  shin==0.2.2
cat > "$work/expected.txt" <<'EXPECTED'
prices sum 0.98: [0.46, 0.54], sum 1.00, z -0.020
prices sum 0.90: [0.264, 0.264, 0.264], sum 0.79, z 0.155
prices sum 0.95: [0.486, 0.217, 0.165], sum 0.87, z 0.109
prices sum 1.05: [0.333, 0.333, 0.333], sum 1.00, z 0.025
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
import shin

for bids in ([0.45, 0.53], [0.30, 0.30, 0.30], [0.50, 0.25, 0.20], [0.35, 0.35, 0.35]):
    result = shin.calculate_implied_probabilities([1 / bid for bid in bids], full_output=True)
    values = result.implied_probabilities
    print(f"prices sum {sum(bids):.2f}: {[round(p, 3) for p in values]}, sum {sum(values):.2f}, z {result.z:.3f}")
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
