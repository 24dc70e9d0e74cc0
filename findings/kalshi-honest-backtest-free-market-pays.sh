#!/usr/bin/env bash
# honest-backtest: a fee rate of zero charges seven percent.
#
# Guess: fee_per_share(price, fee_rate=0.0) is 0: the market is free of fees.
# Seen: Zero is treated as missing and replaced by 0.07, while a rate of one billionth is used as given.
# Why it matters: A market may be free of fees (on Kalshi a fee multiplier of 0). A strategy on it is rejected for
#   fees that do not exist.
#
# Packages: honest-backtest==0.2.0
# Run: bash findings/kalshi-honest-backtest-free-market-pays.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check honest-backtest==0.2.0
cd "$work"

cat >program.py <<'PROGRAM'
from honest_backtest.settle import fee_per_share

for rate in (0.07, 1e-9, 0.0):
    print(f"fee rate {rate}: {fee_per_share(0.5, fee_rate=rate):.6f} per share at 0.50")
PROGRAM

cat >expected.txt <<'EXPECTED'
fee rate 0.07: 0.017500 per share at 0.50
fee rate 1e-09: 0.000000 per share at 0.50
fee rate 0.0: 0.017500 per share at 0.50
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
