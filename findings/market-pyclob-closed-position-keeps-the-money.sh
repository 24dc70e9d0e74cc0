#!/usr/bin/env bash
# pyclob: a position that was closed keeps its money, and a settled loser has the equity of the start
#
# Guess: Alice buys 100 contracts at 40 cents and sells them at 55 cents. She then has 10000 + 1500 cents available and
# nothing reserved. After the settlement the equity of each account is its start plus its realized result, and the sum
# over all accounts is unchanged.
# Seen: Only 1500 of the 11500 cents are available; 8500 stay reserved without an order and without a position, also
# after the settlement, and a purchase for 1800 cents is refused. The equity of the seller who lost 6000 cents is still
# 10000; the winner of 4500 cents has 20000. The three accounts, 30000 cents at the start, sum up to 40000.
# Why it matters: A simulated trader who closes positions runs out of money after a few round trips, so the strategy
# stops trading without a reason. A ranking by equity shows no loss of anybody.
# Packages: pyclob==0.1.2; recorded with Python 3.11
# Run: bash findings/market-pyclob-closed-position-keeps-the-money.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check pyclob==0.1.2
cd "$work"
cat > expected.txt <<'EXPECTED'
alice has bought: available 6000, reserved 4000, realized 0, equity 10000
alice has sold again: available 1500, reserved 8500, realized 1500, equity 10000
alice holds 0 contracts and has 0 open orders
alice buys 60 at 30: Need 1800¢ but only 1500¢ available
after the settlement at 100:
alice: available 1500, reserved 8500, realized 1500, equity 10000
bob: available 4000, reserved 6000, realized -6000, equity 10000
carol: available 14500, reserved 5500, realized 4500, equity 20000
sum of equity: 40000 (30000 at the start)
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
from pyclob import Account, InsufficientBankroll, Order, OrderBook, Side

START = 10_000
accounts = {name: Account(name, START) for name in ("alice", "bob", "carol")}
book = OrderBook("synthetic")


def trade(seller, buyer, price):
    book.place_order(Order(seller, Side.SELL, price, 100), accounts)
    book.place_order(Order(buyer, Side.BUY, price, 100), accounts)


def show(label, account):
    print(f"{label}: available {account.bankroll_c}, reserved {account.reserved_c}, "
          f"realized {account.realized_c:.0f}, equity {account.total_equity_c}")


alice = accounts["alice"]
trade("bob", "alice", 40)
show("alice has bought", alice)
trade("alice", "carol", 55)
show("alice has sold again", alice)
held = alice.get_position("synthetic").shares
print(f"alice holds {held} contracts and has {len(book.open_orders('alice'))} open orders")
try:
    book.place_order(Order("alice", Side.BUY, 30, 60), accounts)
    print("alice buys 60 at 30: accepted")
except InsufficientBankroll as error:
    print(f"alice buys 60 at 30: {error}")
book.settle(won=True, accounts=accounts)
print("after the settlement at 100:")
for name, account in accounts.items():
    show(name, account)
print(f"sum of equity: {sum(a.total_equity_c for a in accounts.values())} ({3 * START} at the start)")
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
