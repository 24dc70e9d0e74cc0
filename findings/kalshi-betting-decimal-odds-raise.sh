#!/usr/bin/env bash
# betting: decimal odds cannot be turned into a probability.
#
# Guess: decimal_odds_to_probability(2.5) is 0.4, as in every table of odds.
# Seen: It raises a TypeError for any number, because it divides by one of its sibling functions. The way through
#   American odds works.
# Why it matters: The one conversion that a comparison of bookmaker odds with a Kalshi price needs is the one that
#   fails.
#
# Packages: betting==0.0.4
# Run: bash findings/kalshi-betting-decimal-odds-raise.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check betting==0.0.4
cd "$work"

cat >program.py <<'PROGRAM'
from betting import convert

print("by American odds:", convert.american_odds_to_probability(convert.decimal_odds_to_american_odds(2.5)))
try:
    print("directly:", convert.decimal_odds_to_probability(2.5))
except TypeError as error:
    print("directly:", type(error).__name__)
PROGRAM

cat >expected.txt <<'EXPECTED'
by American odds: 0.4
directly: TypeError
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
