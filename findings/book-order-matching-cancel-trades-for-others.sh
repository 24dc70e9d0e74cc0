#!/usr/bin/env bash
# order-matching: a cancellation executes the orders of others, and nobody gets to know the trades
#
# Guess: place() stores orders "without matching", match() executes them and returns the trades, cancel_order() takes
# one order out of the book. A cancellation between place() and match() therefore leaves the trades of the others to
# match().
# Seen: cancel_order() matches all waiting orders and returns nothing. The book has changed, the next match() reports no
# trade, and the 8 contracts of the trade are missing in the sizes of both orders. The cancelled order belongs to
# somebody else and is far from the market.
# Why it matters: Positions and cash are summed up from the returned trades. A backtest in which somebody cancels, as
# every market maker does, loses trades without an error, and the contracts of both sides are gone.
# Packages: order-matching[polars]==0.12.0, polars==2.1.0, pandera==0.35.0; recorded with Python 3.11
# Run: bash findings/book-order-matching-cancel-trades-for-others.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  "order-matching[polars]==0.12.0" \
  polars==2.1.0 \
  pandera==0.35.0
cd "$work"
cat > expected.txt <<'EXPECTED'
no cancellation: only place()
  before match(): bids [(0.45, 8)], asks [(0.4, 10), (0.9, 5)]
  trades of match(): 8 at 0.4; left of the buyer's 8: 0, of the seller's 10: 2
the far seller cancels: cancel_order() returns None
  before match(): bids [], asks [(0.4, 2)]
  trades of match(): none; left of the buyer's 8: 0, of the seller's 10: 2
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
from datetime import datetime, timedelta

from loguru import logger

logger.remove()

from order_matching.enums import Side
from order_matching.matching_engine import MatchingEngine
from order_matching.order import LimitOrder
from order_matching.orders import Orders

START = datetime(2026, 1, 1, 12)


def order(name, side, price, size, minute):
    return LimitOrder(side=side, price=price, size=size, timestamp=START + timedelta(minutes=minute), order_id=name,
                      trader_id=name, price_number_of_digits=2)


def show(label, cancelled):
    engine = MatchingEngine(seed=1)
    resting = [order("seller", Side.SELL, 0.40, 10, 0), order("far seller", Side.SELL, 0.90, 5, 1)]
    engine.place(Orders(resting))
    engine.match(START + timedelta(minutes=2))
    buyer = order("buyer", Side.BUY, 0.45, 8, 3)
    engine.place(Orders([buyer]))
    returned = f"cancel_order() returns {engine.cancel_order(cancelled)}" if cancelled else "only place()"
    book = engine.unprocessed_orders
    print(f"{label}: {returned}")
    print(f"  before match(): bids {book.bids_depth}, asks {book.asks_depth}")
    trades = engine.match(START + timedelta(minutes=4)).trades
    reported = ", ".join(f"{trade.size} at {trade.price}" for trade in trades) or "none"
    print(f"  trades of match(): {reported}; left of the buyer's 8: {buyer.size:g}, of the seller's 10: "
          f"{resting[0].size:g}")


show("no cancellation", None)
show("the far seller cancels", "far seller")
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
