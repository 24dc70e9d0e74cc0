#!/usr/bin/env bash
# backtesting: with a spread a limit order is filled at a price worse than its limit
#
# Guess: Backtest(spread=0.1) makes buying dearer and selling cheaper. A bid with the limit $0.41 is filled at $0.41 or
# lower, or not at all while the price is $0.41 and the ask above it; an offer with the limit $0.60 at $0.60 or higher.
# Seen: The bid is filled at $0.451 as soon as the price is $0.41, the offer at $0.549 at a price of $0.61: the limit is
# compared with the price without the spread, and the spread is added to the price of the fill. With the limit $0.45 the
# fill at a price of $0.41 is $0.451 as well.
# Why it matters: A maker strategy buys above the price that it named, on the bars in which a real bid was not filled at
# all. In a prediction market, with a spread of ten percent and more, each such trade is one that could not happen.
# Packages: backtesting==0.6.6, numpy==2.4.6, pandas==3.1.1; recorded with Python 3.11
# Run: bash findings/backtest-backtesting-limit-filled-beyond-the-limit.sh
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
buy 10, limit 0.41, price 0.42, spread 0%: filled nothing
buy 10, limit 0.41, price 0.41, spread 0%: filled 10 at 0.410
buy 10, limit 0.45, price 0.41, spread 0%: filled 10 at 0.410
sell 10, limit 0.60, price 0.61, spread 0%: filled 10 at 0.610
buy 10, limit 0.41, price 0.42, spread 10%: filled nothing
buy 10, limit 0.41, price 0.41, spread 10%: filled 10 at 0.451
buy 10, limit 0.45, price 0.41, spread 10%: filled 10 at 0.451
sell 10, limit 0.60, price 0.61, spread 10%: filled 10 at 0.549
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
import os

os.environ["TQDM_DISABLE"] = "1"

import pandas as pd
from backtesting import Backtest, Strategy


def show(side, limit, later, spread):
    prices = [0.50, 0.50, 0.50, later, later, later]
    days = pd.date_range("2026-01-01", periods=len(prices))
    bars = pd.DataFrame({name: prices for name in ("Open", "High", "Low", "Close")}, days)

    class Once(Strategy):
        def init(self):
            self.sent = False

        def next(self):
            if not self.sent:
                self.sent = True
                (self.buy if side == "buy" else self.sell)(size=10, limit=limit)

    result = Backtest(bars, Once, cash=100, spread=spread, finalize_trades=True).run()
    fills = [f"{abs(trade.Size)} at {trade.EntryPrice:.3f}" for trade in result["_trades"].itertuples()]
    done = ", ".join(fills) or "nothing"
    print(f"{side} 10, limit {limit:.2f}, price {later:.2f}, spread {spread:.0%}: filled {done}")


for spread in (0.0, 0.1):
    show("buy", 0.41, 0.42, spread)
    show("buy", 0.41, 0.41, spread)
    show("buy", 0.45, 0.41, spread)
    show("sell", 0.60, 0.61, spread)
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
