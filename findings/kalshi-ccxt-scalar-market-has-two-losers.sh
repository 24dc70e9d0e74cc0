#!/usr/bin/env bash
# ccxt prediction.kalshi: in a market that settles at 40 cents both sides lose everything.
#
# Guess: For a result `scalar` with a settlement value of 0.40 the settle fractions are 0.4 for YES and 0.6 for NO.
# Seen: Each side is compared with the word in `result`. Neither YES nor NO equals `scalar`, so both have winner
#   False and settle fraction 0, although one YES and one NO always pay one dollar together.
# Why it matters: A portfolio valued by settleFraction writes off positions that were paid out.
#
# Packages: ccxt==4.5.90
# Run: bash findings/kalshi-ccxt-scalar-market-has-two-losers.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check ccxt==4.5.90
cd "$work"

cat >program.py <<'PROGRAM'
from ccxt.prediction.kalshi import kalshi

exchange = kalshi()
for result, value in (("yes", "1.0000"), ("no", "0.0000"), ("scalar", "0.4000")):
    market = exchange.parse_market({
        "ticker": "KXTEST-26-A", "event_ticker": "KXTEST-26", "title": "test", "status": "finalized", "result": result,
        "settlement_value_dollars": value})
    fractions = {outcome["label"]: outcome["settleFraction"] for outcome in market["outcomes"]}
    print(f"result {result}, value {value}: settle fractions {fractions}, sum {sum(fractions.values())}")
PROGRAM

cat >expected.txt <<'EXPECTED'
result yes, value 1.0000: settle fractions {'YES': 1, 'NO': 0}, sum 1
result no, value 0.0000: settle fractions {'YES': 0, 'NO': 1}, sum 1
result scalar, value 0.4000: settle fractions {'YES': 0, 'NO': 0}, sum 0
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
