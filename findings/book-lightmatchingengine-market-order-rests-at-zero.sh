#!/usr/bin/env bash
# lightmatchingengine: what is left of a market order rests at the price 0, and the next buyer pays nothing
#
# Guess: A market order to sell 25 ("price, defined as zero if market order") meets a bid for 10 at $0.40: 10 are sold,
# and the rest is cancelled, or waits and is sold at the price of the next bid.
# Seen: The remaining 15 rest as an offer at $0.00. A later limit bid of $0.40 buys them for nothing. A market order to
# buy that finds no offer rests as a bid at $0.00: a later market order to sell trades with it at $0.00, and an offer of
# $0.01 rests beside it without a trade.
# Why it matters: A simulation of thin books gives contracts away: the taker's profit is the full price, the seller's
# loss as well. The best ask is 0 while the rest waits, so every mid price and spread of that time is wrong.
# Packages: lightmatchingengine==2019.1.4; recorded with Python 3.11
# Run: bash findings/book-lightmatchingengine-market-order-rests-at-zero.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  lightmatchingengine==2019.1.4
cd "$work"
cat > expected.txt <<'EXPECTED'
thin bid
  buy 10, limit $0.40: traded nothing, left 10
  sell 25, market: traded 10 at $0.40, left 15
  bids [], asks [0]
thin bid, then a buyer
  buy 10, limit $0.40: traded nothing, left 10
  sell 25, market: traded 10 at $0.40, left 15
  buy 15, limit $0.40: traded 15 at $0.00, left 0
  bids [], asks []
no offer, then a seller
  buy 5, market: traded nothing, left 5
  sell 5, market: traded 5 at $0.00, left 0
  bids [], asks []
no offer, then a limit of 1 cent
  buy 5, market: traded nothing, left 5
  sell 5, limit $0.01: traded nothing, left 5
  bids [0], asks [0.01]
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
from lightmatchingengine.lightmatchingengine import LightMatchingEngine, Side

MARKET = 0


def show(label, *orders):
    engine = LightMatchingEngine()
    print(label)
    for side, price, quantity in orders:
        order, trades = engine.add_order("KXTEST", price, quantity, side)
        done = ", ".join(f"{t.trade_qty} at ${t.trade_price:.2f}" for t in trades if t.order_id == order.order_id)
        kind = "market" if price == MARKET else f"limit ${price:.2f}"
        name = "buy" if side == Side.BUY else "sell"
        print(f"  {name} {quantity}, {kind}: traded {done or 'nothing'}, left {order.leaves_qty}")
    book = engine.order_books["KXTEST"]
    print(f"  bids {sorted(book.bids)}, asks {sorted(book.asks)}")


show("thin bid", (Side.BUY, 0.40, 10), (Side.SELL, MARKET, 25))
show("thin bid, then a buyer", (Side.BUY, 0.40, 10), (Side.SELL, MARKET, 25), (Side.BUY, 0.40, 15))
show("no offer, then a seller", (Side.BUY, MARKET, 5), (Side.SELL, MARKET, 5))
show("no offer, then a limit of 1 cent", (Side.BUY, MARKET, 5), (Side.SELL, 0.01, 5))
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
