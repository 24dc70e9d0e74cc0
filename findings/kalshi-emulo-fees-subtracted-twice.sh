#!/usr/bin/env bash
# emulo-backtest: the return after fees subtracts the fees twice.
#
# Guess: net_return_after_fees equals total_return, as the portfolio pays each fee in cash when it trades.
# Seen: Cash, and therefore the final value, already lacks the fee; the result subtracts it again.
# Why it matters: Every Kalshi backtest looks worse by its whole fee bill, and more so the more often it trades.
#
# Packages: emulo-backtest==0.1.0
# Run: bash findings/kalshi-emulo-fees-subtracted-twice.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check emulo-backtest==0.1.0
cd "$work"

cat >program.py <<'PROGRAM'
from decimal import Decimal

from emulo.models.result import BacktestResult
from emulo.simulation.portfolio import Portfolio

start, price = Decimal("1000"), Decimal("0.50")
portfolio = Portfolio(start)
portfolio.buy("kalshi", "KXTEST-26-A", Decimal("100"), price, timestamp=0)
value = portfolio.get_value({"KXTEST-26-A": price})
result = BacktestResult(initial_cash=start, final_value=value, total_fees_paid=portfolio.total_fees_paid)
print("fees paid:", result.total_fees_paid)
print("final value:", result.final_value)
print("total return:", result.total_return)
print("net return after fees:", result.net_return_after_fees)
PROGRAM

cat >expected.txt <<'EXPECTED'
fees paid: 1.75
final value: 998.25
total return: -1.75
net return after fees: -3.50
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
