#!/usr/bin/env bash
# neural-sdk: the Kelly stake takes every market for a coin flip, so cheap contracts get ten times the stake
#
# Guess: kelly_criterion(edge, odds) gets the edge "your_prob - market_prob" and the odds of the contract, and returns
# the Kelly fraction: for a probability p and a price c it is (p - c) / (1 - c), whatever the price.
# Seen: Only at 50 cents is it right. The function uses 0.5 + edge as probability instead of the price + edge. With an
# edge of 5 cents a contract at 5 cents gets 52.6 % of the capital instead of 5.3 %, one at 20 cents 43.8 % instead of
# 6.3 %, and contracts from 60 cents on get nothing, although their Kelly fraction grows with the price.
# Why it matters: The stake is largest where it is most often lost: a contract at 5 cents with a true chance of 10 %
# gets more than half of the capital, and the wealth shrinks in the long run in spite of the edge.
# Packages: neural-sdk==0.4.1, numpy==1.26.4, pandas==3.0.6; recorded with Python 3.11
# Run: bash findings/odds-neural-sdk-kelly-takes-every-market-for-a-coin.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  neural-sdk==0.4.1 \
  numpy==1.26.4 \
  pandas==3.0.6
cd "$work"
cat > expected.txt <<'EXPECTED'
price 0.05, probability 0.10: Kelly 0.053, returned 0.526; growth per bet +0.0207 and -0.4327
price 0.20, probability 0.25: Kelly 0.062, returned 0.438; growth per bet +0.0074 and -0.1786
price 0.40, probability 0.45: Kelly 0.083, returned 0.250; growth per bet +0.0051 and -0.0149
price 0.50, probability 0.55: Kelly 0.100, returned 0.100; growth per bet +0.0050 and +0.0050
price 0.60, probability 0.65: Kelly 0.125, returned 0.000; growth per bet +0.0053 and +0.0000
price 0.80, probability 0.85: Kelly 0.250, returned 0.000; growth per bet +0.0084 and +0.0000
price 0.90, probability 0.95: Kelly 0.500, returned 0.000; growth per bet +0.0167 and +0.0000
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
import math

from neural.analysis.risk.position_sizing import kelly_criterion

EDGE = 0.05


def growth(stake, probability, price):
    """Expected logarithm of the wealth after one bet of the share `stake` of the capital."""
    win = math.log(1 - stake + stake / price)
    return probability * win + (1 - probability) * math.log(1 - stake)


for price in (0.05, 0.20, 0.40, 0.50, 0.60, 0.80, 0.90):
    probability = price + EDGE
    stake = kelly_criterion(edge=EDGE, odds=(1 - price) / price, kelly_fraction=1.0, max_position=1.0)
    kelly = (probability - price) / (1 - price)
    print(f"price {price:.2f}, probability {probability:.2f}: Kelly {kelly:.3f}, returned {stake:.3f}; "
          f"growth per bet {growth(kelly, probability, price):+.4f} and {growth(stake, probability, price):+.4f}")
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
