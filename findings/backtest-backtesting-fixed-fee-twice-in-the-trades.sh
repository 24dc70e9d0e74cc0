#!/usr/bin/env bash
# backtesting: a fixed commission of the purchase is subtracted again for each part of the position that is sold
#
# Guess: With a commission of $1 per order a purchase and two sales of half the position cost $3. The profits of the
# trades add up to the gain of the account: $40 before costs, $37 after them.
# Seen: The account gains $37, but its two trades have a profit of $18 each, $36 together: each of them carries the
# whole commission of the purchase. In four parts the trades add up to $32 while the account gains $35. A commission in
# percent or a function of size and price is split correctly.
# Why it matters: Win rate, average trade, profit factor and SQN are computed from the trades, the return from the
# account. A strategy that sells in steps looks worse by trade than it is, and the two never agree.
# Packages: backtesting==0.6.6, numpy==2.4.6, pandas==3.1.1; recorded with Python 3.11
# Run: bash findings/backtest-backtesting-fixed-fee-twice-in-the-trades.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  backtesting==0.6.6 \
  numpy==2.4.6 \
  pandas==3.1.1
cd "$work"
cat > expected.txt <<'EXPECTED'
1 % of the value, sold in 1: account +38.80, trades +38.80 [38.8]
1 % of the value, sold in 2: account +38.80, trades +38.80 [19.4, 19.4]
1 % of the value, sold in 4: account +38.80, trades +38.80 [9.7, 9.7, 9.7, 9.7]
7 % of p(1-p), sold in 1: account +37.20, trades +37.20 [37.2]
7 % of p(1-p), sold in 2: account +37.20, trades +37.20 [18.6, 18.6]
7 % of p(1-p), sold in 4: account +37.20, trades +37.20 [9.3, 9.3, 9.3, 9.3]
$1 per order, sold in 1: account +38.00, trades +38.00 [38.0]
$1 per order, sold in 2: account +37.00, trades +36.00 [18.0, 18.0]
$1 per order, sold in 4: account +35.00, trades +32.00 [8.0, 8.0, 8.0, 8.0]
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
import os

os.environ["TQDM_DISABLE"] = "1"

import pandas as pd
from backtesting import Backtest, Strategy

PRICES = [0.40] * 4 + [0.80] * 8
DAYS = pd.date_range("2026-01-01", periods=len(PRICES))
BARS = pd.DataFrame({name: PRICES for name in ("Open", "High", "Low", "Close")}, DAYS)
CASH = 100
COMMISSIONS = {
    "1 % of the value": 0.01,
    "7 % of p(1-p)": lambda size, price: 0.07 * abs(size) * price * (1 - price),
    "$1 per order": (1, 0.0),
}


def show(label, commission, parts):
    class InParts(Strategy):
        def init(self):
            pass

        def next(self):
            day = len(self.data) - 1
            if day == 1:
                self.buy(size=100)
            elif 4 <= day < 4 + parts:
                self.position.close(1 / (parts + 4 - day))

    result = Backtest(BARS, InParts, cash=CASH, commission=commission).run()
    profits = result["_trades"]["PnL"]
    gain, total = result["Equity Final [$]"] - CASH, profits.sum()
    print(f"{label}, sold in {parts}: account {gain:+.2f}, trades {total:+.2f} {[round(float(p), 2) for p in profits]}")


for label, commission in COMMISSIONS.items():
    for parts in (1, 2, 4):
        show(label, commission, parts)
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
