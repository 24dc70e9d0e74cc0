#!/usr/bin/env bash
# pyclob: an own order at the best price hides all other sellers, and the book stays crossed
#
# Guess: "An order will never match against another order from the same account" passes over the own order only. A bid
# of 45 cents for 100 contracts takes the 100 contracts that another account offers at 41 cents behind the own offer.
# Seen: One own contract at 40 cents ends the matching. The bid rests at 45 cents, above both offers, with a spread of
# -5 cents; the next seller gets 45 cents although 100 contracts are offered at 41. If another account also has one
# contract at 40 cents, that one is bought and the rest of the bid waits. With the own offer at 41 cents and the others
# at 40, everything at 40 is taken.
# Why it matters: A market maker who quotes both sides and crosses the spread to cut its position is not filled, and the
# midpoint that a strategy reads lies between prices of which both are for sale.
# Packages: pyclob==0.1.2; recorded with Python 3.11
# Run: bash findings/book-pyclob-own-order-hides-the-book.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check pyclob==0.1.2
cd "$work"
cat > expected.txt <<'EXPECTED'
own 1 at 40, other 100 at 41: nothing bought; bid 45, ask 40, spread -5, midpoint 42.5
  the next seller asks 44 and gets 10 at 45
own 1 at 40, other 1 at 40, other 100 at 41: 1 at 40; bid 45, ask 40, spread -5, midpoint 42.5
  the next seller asks 44 and gets 10 at 45
own 1 at 41, other 100 at 40: 100 at 40; bid None, ask 41, spread None, midpoint None
no own order, other 100 at 41: 100 at 41; bid None, ask None, spread None, midpoint None
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
from pyclob import Account, Order, OrderBook, Side


def fills_text(fills):
    return ", ".join(f"{fill.qty} at {fill.price}" for fill in fills) or "nothing bought"


def show(label, offers):
    accounts = {name: Account(name) for name in ("maker", "other", "seller")}
    book = OrderBook("synthetic")
    for name, price, quantity in offers:
        book.place_order(Order(name, Side.SELL, price, quantity), accounts)
    fills = book.place_order(Order("maker", Side.BUY, 45, 100), accounts)
    print(f"{label}: {fills_text(fills)}; bid {book.best_bid}, ask {book.best_ask}, spread {book.spread}, "
          f"midpoint {book.midpoint}")
    if book.best_bid is not None:
        fills = book.place_order(Order("seller", Side.SELL, 44, 10), accounts)
        print(f"  the next seller asks 44 and gets {fills_text(fills)}")


show("own 1 at 40, other 100 at 41", [("maker", 40, 1), ("other", 41, 100)])
show("own 1 at 40, other 1 at 40, other 100 at 41", [("maker", 40, 1), ("other", 40, 1), ("other", 41, 100)])
show("own 1 at 41, other 100 at 40", [("maker", 41, 1), ("other", 40, 100)])
show("no own order, other 100 at 41", [("other", 41, 100)])
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
