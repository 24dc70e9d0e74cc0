#!/usr/bin/env bash
# manticore-orderbook: a changed order loses twice what it trades, and an iceberg order all that it hides
#
# Guess: A bid for 10 that is raised to 15 and sold 3 to has 12 left, 9 after the next 3, and so on. An iceberg offer of
# 30 that shows 5 sells 12 to a bid for 12: as the visible part is filled, more of the order is revealed.
# Seen: After modify_order() each trade of 3 takes 6 off the bid: of its 15, nine are sold, and the rest is gone. It is
# the same after a change of the price alone. The iceberg offer sells 5 and disappears, the buyer rests with 7; after a
# purchase of 3 get_order() shows 27 left, but only 2 can be bought.
# Why it matters: A simulated maker that moves its quotes, as all do, gets a fraction of its fills, and the depth of the
# book melts with every change. Results depend on how often an order was changed instead of on its price.
# Packages: manticore-orderbook==1.0.1; recorded with Python 3.11
# Run: bash findings/book-manticore-changed-order-loses-twice.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  manticore-orderbook==1.0.1
cd "$work"
cat > expected.txt <<'EXPECTED'
bid for 15, never changed: left after each sale of 3: 12, 9, 6, 3, gone; traded 15 of 15
bid for 15, quantity raised from 10: left after each sale of 3: 9, 3, gone, gone, gone; traded 9 of 15
bid for 15, price raised to 0.41: left after each sale of 3: 9, 3, gone, gone, gone; traded 9 of 15
iceberg of 30, 5 shown: buy 12: offer gone, rest of the buyer 7; traded 5
iceberg of 30, 5 shown: buy 3: offer 27, rest of the buyer gone; buy 3: offer gone, rest of the buyer 1; traded 5
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
import logging

logging.disable(logging.CRITICAL)

from manticore_orderbook import OrderBook


def left(book, order_id):
    order = book.get_order(order_id)
    return f"{order['quantity']:.0f}" if order else "gone"


def total(book):
    return f"{sum(trade['quantity'] for trade in book.get_trade_history()):.0f}"


def raised_bid(label, **change):
    book = OrderBook("KXTEST", enable_logging=False)
    book.add_order("buy", 0.40, 10 if "new_quantity" in change else 15, order_id="bid")
    if change:
        assert book.modify_order("bid", **change)
    steps = []
    for _ in range(5):
        book.add_order("sell", 0.40, 3)
        steps.append(left(book, "bid"))
    print(f"bid for 15, {label}: left after each sale of 3: {', '.join(steps)}; traded {total(book)} of 15")


def iceberg(*purchases):
    book = OrderBook("KXTEST", enable_logging=False)
    book.add_order("sell", 0.41, 30, order_id="offer", order_type="ICEBERG", displayed_quantity=5)
    states = []
    for number, quantity in enumerate(purchases):
        book.add_order("buy", 0.41, quantity, order_id=f"buy{number}")
        states.append(f"buy {quantity}: offer {left(book, 'offer')}, rest of the buyer {left(book, f'buy{number}')}")
    print(f"iceberg of 30, 5 shown: {'; '.join(states)}; traded {total(book)}")


raised_bid("never changed")
raised_bid("quantity raised from 10", new_quantity=15)
raised_bid("price raised to 0.41", new_price=0.41)
iceberg(12)
iceberg(3, 3)
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
