#!/usr/bin/env bash
# oracle3: five profitable round trips have a win rate of one half.
#
# Guess: Five purchases at 0.40 that are each sold at 0.45 give five wins, no loss, and no drawdown.
# Seen: Each purchase counts as a trade that lost its whole price and each sale as one that won its whole proceeds:
#   win rate 0.5, an average loss of 40, a drawdown of 4 % of the capital.
# Why it matters: The statistics measure how much cash was invested. A strategy that never loses shows the same win
#   rate as a coin.
#
# Packages: oracle3==1.2.2
# Run: bash findings/kalshi-oracle3-every-buy-is-a-loss.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check --no-deps oracle3==1.2.2
cd "$work"

cat >program.py <<'PROGRAM'
from decimal import Decimal

from oracle3.analytics.performance_analyzer import PerformanceAnalyzer
from oracle3.ticker.ticker import KalshiTicker
from oracle3.trader.types import Trade, TradeSide

ticker = KalshiTicker(symbol="KXTEST-26-A")
analyzer = PerformanceAnalyzer(Decimal("1000"))
for _ in range(5):
    for side, price in ((TradeSide.BUY, "0.40"), (TradeSide.SELL, "0.45")):
        analyzer.add_trade(Trade(side=side, ticker=ticker, price=Decimal(price), quantity=Decimal("100"),
                                 commission=Decimal("0")))
stats = analyzer.get_stats()
print("total profit:", stats.total_pnl)
print("win rate:", stats.win_rate)
print("average loss:", stats.average_loss)
print("largest drawdown:", stats.max_drawdown)
PROGRAM

cat >expected.txt <<'EXPECTED'
total profit: 25.00
win rate: 0.5
average loss: -40.00
largest drawdown: 0.04
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
