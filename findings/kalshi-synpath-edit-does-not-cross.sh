#!/usr/bin/env bash
# synpath: a paper order that is edited through the ask rests above it.
#
# Guess: A resting bid that is edited to a price above the best ask trades at once, as a new order at that price
#   does (and as Kalshi's amend does, as a taker).
# Seen: The edit only changes the price. The bid rests at 0.45 above an ask of 0.43, with nothing ahead of it, and a
#   trade printed at 0.43 does not fill it either.
# Why it matters: A strategy that chases the market by edits never trades in paper and always trades for real.
#
# Packages: synpath==0.11.0
# Run: bash findings/kalshi-synpath-edit-does-not-cross.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check synpath==0.11.0
cd "$work"

cat >program.py <<'PROGRAM'
import asyncio
from decimal import Decimal

from synpath.engine.paper import PaperVenue
from synpath.trading.types import EditRequest, OrderRequest, OrderType, Side

MARKET = "KXTEST-26-A:yes"


def bid(price):
    return OrderRequest(market_id=MARKET, side=Side.BUY, type=OrderType.LIMIT, price=Decimal(price),
                        quantity=Decimal("10"))


async def main():
    venue = PaperVenue(venue="kalshi")
    venue.set_book(MARKET, bids=[(Decimal("0.40"), Decimal("100"))], asks=[(Decimal("0.43"), Decimal("100"))])
    resting = await venue.create_order(bid("0.41"))
    edited = await venue.edit_order(EditRequest(order_id=resting.id, price=Decimal("0.45")))
    print("edited to 0.45:", edited.status.value, "filled", edited.filled)
    new = await venue.create_order(bid("0.45"))
    print("new at 0.45:", new.status.value, "filled", new.filled, "at", new.average_price)
    venue.on_trade(MARKET, price=Decimal("0.43"), quantity=Decimal("500"))
    edited = await venue.fetch_order(resting.id)
    print("edited one after a trade of 500 at 0.43:", edited.status.value, "filled", edited.filled)


asyncio.run(main())
PROGRAM

cat >expected.txt <<'EXPECTED'
edited to 0.45: open filled 0
new at 0.45: closed filled 10 at 0.43
edited one after a trade of 500 at 0.43: open filled 0
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
