#!/usr/bin/env bash
# py-clob-client: an order for 8.2 shares is signed for 8.19.
#
# Guess: A size with at most two decimals is used unchanged, since two decimals is the precision of the size.
# Seen: Rounding down multiplies by 100 in binary floating point first: 8.2 becomes 819.9999999999999 and then 8.19.
#   Prices are rounded by another helper and are right.
# Why it matters: The two legs of a Kalshi and Polymarket hedge differ by a hundredth of a share, and an exit leaves
#   dust behind.
#
# Packages: py-clob-client==0.34.6
# Run: bash findings/kalshi-py-clob-client-order-a-cent-short.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check py-clob-client==0.34.6
cd "$work"

cat >program.py <<'PROGRAM'
from py_clob_client.order_builder.builder import ROUNDING_CONFIG, OrderBuilder

builder = OrderBuilder.__new__(OrderBuilder)  # the amounts need no signer
for size in (8.0, 8.2, 4.35, 0.29):
    _, paid, received = builder.get_order_amounts("BUY", size, 0.5, ROUNDING_CONFIG["0.01"])
    print(f"buy {size} at 0.50: signed for {received / 1e6:.2f} shares and {paid / 1e6:.3f} dollars")
PROGRAM

cat >expected.txt <<'EXPECTED'
buy 8.0 at 0.50: signed for 8.00 shares and 4.000 dollars
buy 8.2 at 0.50: signed for 8.19 shares and 4.095 dollars
buy 4.35 at 0.50: signed for 4.34 shares and 2.170 dollars
buy 0.29 at 0.50: signed for 0.28 shares and 0.140 dollars
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
