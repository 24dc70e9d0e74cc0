#!/usr/bin/env bash
# vectorbt: a position cannot be closed at the settlement price of $0, and without a price it keeps its last value
#
# Guess: An exit at a close of 0.00 sells the 250 contracts for nothing: final value $0. A contract without a price
# after settlement (NaN) gives an undefined value.
# Seen: The exit at 0.00 raises ValueError (price must be greater than 0). With NaN after settlement no error is
# raised: the portfolio keeps the last traded value of $125 as its final value, while the P&L of the open trade is
# NaN.
# Why it matters: A losing contract has the price 0, and its data ends at settlement. The first form stops the
# backtest, the second one counts a worthless position as if it could still be sold.
# Packages: vectorbt==1.2.0, pandas==3.1.1, numpy==2.4.6; recorded with Python 3.11
# Run: bash findings/backtest-vectorbt-no-order-at-zero.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  vectorbt==1.2.0 \
  pandas==3.1.1 \
  numpy==2.4.6
cat > "$work/expected.txt" <<'EXPECTED'
settled YES, exit at 1.00: final value 250.00, trade Closed, P&L 150.00
settled NO, exit at 0.00: ValueError: order.price must be finite and greater than 0
settled NO, held at 0.00: final value 0.00, trade Open, P&L -100.00
settled NO, no price after it: final value 125.00, trade Open, P&L nan
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
import os

os.environ["NUMBA_DISABLE_JIT"] = "1"  # skips the compilation: same results, a minute faster

import numpy as np
import pandas as pd
import vectorbt as vbt

days = pd.date_range("2026-01-01", periods=4)
entries = [True, False, False, False]


def run(label, closes, exits):
    try:
        portfolio = vbt.Portfolio.from_signals(pd.Series(closes, days), entries, exits, init_cash=100)
        trade = portfolio.trades.records_readable.iloc[0]
        print(f"{label}: final value {portfolio.final_value():.2f}, trade {trade['Status']}, P&L {trade['PnL']:.2f}")
    except ValueError as error:
        print(f"{label}: ValueError: {error}")


sell_last = [False, False, False, True]
run("settled YES, exit at 1.00", [0.4, 0.5, 0.9, 1.0], sell_last)
run("settled NO, exit at 0.00", [0.4, 0.5, 0.2, 0.0], sell_last)
run("settled NO, held at 0.00", [0.4, 0.5, 0.2, 0.0], False)
run("settled NO, no price after it", [0.4, 0.5, np.nan, np.nan], False)
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
