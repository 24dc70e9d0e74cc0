#!/usr/bin/env bash
# datavents: a price of one cent becomes a probability of one.
#
# Guess: prices of a Kalshi body in cents (1 to 99) become probabilities of 0.01 to 0.99, whatever the price is.
# Seen: The unit is guessed from each number by itself: 2 cents is 0.02, and 1 cent is 1.0. In a book the bid of one
#   cent becomes the best bid, at one dollar, above an ask of four cents; a market at 1 to 2 cents has a middle of 51.
# Why it matters: A contract that is nearly worthless, the usual state of a market before it settles as NO, looks
#   certain to pay.
#
# Packages: datavents==0.1.1
# Run: bash findings/kalshi-datavents-one-cent-is-certain.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check datavents==0.1.1
cd "$work"

cat >program.py <<'PROGRAM'
from datavents.normalize import normalize_market_kalshi, normalize_orderbook

book = normalize_orderbook("kalshi", {"orderbook": {"yes": [[1, 500], [3, 20]], "no": [[95, 40], [96, 10]]}})
print("bids", [(round(level.price, 2), level.size) for level in book.bids])
print("asks", [(round(level.price, 2), level.size) for level in book.asks])
for bid, ask in ((3, 4), (2, 3), (1, 2)):
    market = normalize_market_kalshi({"ticker": "EXAMPLE-A", "status": "active", "yes_bid": bid, "yes_ask": ask})
    print(f"bid {bid}, ask {ask}: {market.best_bid} {market.best_ask} middle {round(market.mid_price, 3)}")
PROGRAM

cat >expected.txt <<'EXPECTED'
bids [(1.0, 500.0), (0.03, 20.0)]
asks [(0.04, 10.0), (0.05, 40.0)]
bid 3, ask 4: 0.03 0.04 middle 0.035
bid 2, ask 3: 0.02 0.03 middle 0.025
bid 1, ask 2: 1.0 0.02 middle 0.51
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
