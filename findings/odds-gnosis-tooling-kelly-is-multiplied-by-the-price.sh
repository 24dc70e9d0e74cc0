#!/usr/bin/env bash
# prediction-market-agent-tooling: the Kelly stake is the Kelly stake times the market's price.
#
# Guess: get_kelly_bet_simplified, whose documentation gives f = p - q / b, stakes (p - m) / (1 - m) of the money for
#   an estimate p at a market price m: 444 of 1000 for an estimate of 50 % at 10 cents.
# Seen: It stakes m (p - m) / (1 - m): 44 of 1000. The edge is divided by the odds of the whole bet, and the stake is
#   not divided by the price. A stake for NO at 90 cents is nine tenths of Kelly, one for YES at 10 cents a tenth.
# Why it matters: The two sides of one market are sized by different rules, and the cheap contracts, where the
#   difference to the market is worth most, get almost nothing.
#
# Packages: prediction-market-agent-tooling==0.69.40
# Run: bash findings/odds-gnosis-tooling-kelly-is-multiplied-by-the-price.sh
#   Needs Python 3.11 or 3.12 as python3, or in the variable PYTHON. Installs the packages that the module imports, not
#   all that the distribution requires.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
pip=("$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check)
"${pip[@]}" numpy==2.4.6 scipy==1.17.1 loguru==0.7.3 pydantic==2.14.4 pydantic-settings==2.16.3 typer==0.29.2 \
    python-json-logger==3.3.0 python-dateutil==2.9.0.post0 pytz==2026.6 SQLAlchemy==2.1.9 web3==7.16.0 \
    eth-account==0.13.7 eth-typing==5.2.1 functions-framework==3.10.2 google-cloud-functions==1.24.0 \
    google-cloud-resource-manager==1.18.0 google-cloud-secret-manager==2.29.0 google-genai==1.75.0 \
    pydantic-ai-slim==1.107.10 protobuf==5.29.6
"${pip[@]}" --no-deps prediction-market-agent-tooling==0.69.40
cd "$work"

cat >program.py <<'PROGRAM'
from prediction_market_agent_tooling.gtypes import CollateralToken
from prediction_market_agent_tooling.tools.betting_strategies.kelly_criterion import get_kelly_bet_simplified

for market, estimate in ((0.5, 0.6), (0.9, 0.95), (0.1, 0.2), (0.1, 0.5), (0.1, 0.05)):
    bet = get_kelly_bet_simplified(CollateralToken(1000), market, estimate, confidence=1.0)
    price, p = (market, estimate) if bet.direction else (1 - market, 1 - estimate)
    kelly = 1000 * (p - (1 - p) / (1 / price - 1))
    side = "YES" if bet.direction else "NO"
    print(f"{side} at {price:.2f}, estimate {p:.2f}: stake {bet.size.value:.1f}, p - q / b is {kelly:.1f}")
PROGRAM

cat >expected.txt <<'EXPECTED'
YES at 0.50, estimate 0.60: stake 100.0, p - q / b is 200.0
YES at 0.90, estimate 0.95: stake 450.0, p - q / b is 500.0
YES at 0.10, estimate 0.20: stake 11.1, p - q / b is 111.1
YES at 0.10, estimate 0.50: stake 44.4, p - q / b is 444.4
NO at 0.90, estimate 0.95: stake 450.0, p - q / b is 500.0
EXPECTED

venv/bin/python program.py 2>/dev/null | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
