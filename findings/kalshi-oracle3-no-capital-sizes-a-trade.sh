#!/usr/bin/env bash
# oracle3: with no capital left the sizer proposes its largest trade.
#
# Guess: compute_size(estimate, available_capital=0) proposes 0, as one dollar of capital already does.
# Seen: Zero is treated as missing and replaced by the default capital of 1000 dollars, so the proposal is the
#   maximum of 100.
# Why it matters: The account that is fully invested is the one that is advised to trade most.
#
# Packages: oracle3==1.2.2
# Run: bash findings/kalshi-oracle3-no-capital-sizes-a-trade.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check --no-deps oracle3==1.2.2
cd "$work"

cat >program.py <<'PROGRAM'
from decimal import Decimal

from oracle3.pricing.fair_value import FairValueEstimate
from oracle3.trading.sizing import ModelInformedSizer

estimate = FairValueEstimate(
    market_price=0.60, fair_value=0.50, risk_premium=0.10, mispricing_signal=1.0, lambda_base=0.1, lambda_adjusted=0.1,
    confidence=0.8, category="politics", volume_tier="medium", is_premium_alpha_target=True)
sizer = ModelInformedSizer()
for capital in ("1000", "100", "1", "0"):
    size = sizer.compute_size(estimate, available_capital=Decimal(capital)).trade_size
    print(f"capital {capital}: trade size {size:.2f}")
PROGRAM

cat >expected.txt <<'EXPECTED'
capital 1000: trade size 100.00
capital 100: trade size 12.00
capital 1: trade size 0.00
capital 0: trade size 100.00
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
