#!/usr/bin/env bash
# emulo-backtest: a fee of exactly seven cents becomes eight, although all inputs are decimals.
#
# Guess: calculate_kalshi_fee takes and returns Decimal, so a fee that is a whole number of cents is not rounded.
# Seen: Between the two decimals the fee is a binary float: 0.07 times 100 is 7.000000000000001, and rounding up
#   gives 8.
# Why it matters: An order of 4 contracts at 50 cents costs 14 % too much in fees, and an exact ledger never agrees
#   with the backtest.
#
# Packages: emulo-backtest==0.1.0
# Run: bash findings/kalshi-emulo-exact-fee-rounded-up.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check emulo-backtest==0.1.0
cd "$work"

cat >program.py <<'PROGRAM'
from decimal import ROUND_CEILING, Decimal

from emulo.simulation.fees import calculate_kalshi_fee

price = Decimal("0.50")
wrong = 0
for contracts in range(1, 1001):
    fee = Decimal("0.07") * contracts * price * (1 - price)
    exact = fee.quantize(Decimal("0.01"), rounding=ROUND_CEILING)
    wrong += calculate_kalshi_fee(Decimal(contracts), price) != exact
print("4 contracts at 0.50:", calculate_kalshi_fee(Decimal("4"), price))
print("100 contracts at 0.50:", calculate_kalshi_fee(Decimal("100"), price))
print("sizes of 1 to 1000 with a fee too high:", wrong)
PROGRAM

cat >expected.txt <<'EXPECTED'
4 contracts at 0.50: 0.08
100 contracts at 0.50: 1.75
sizes of 1 to 1000 with a fee too high: 21
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
