#!/usr/bin/env bash
# kalshi-sdk: the routing value that amend and decrease accept is refused for a new order.
#
# Guess: exchange_index=-1 (route by ticker) is accepted by all three requests, as the specification allows it for
#   all three.
# Seen: Amend and decrease accept it. The request for a new order demands a value of at least 0 and raises a
#   validation error.
# Why it matters: A bot that sets -1 everywhere can change orders but never place one.
#
# Packages: kalshi-sdk==22.4.0
# Run: bash findings/kalshi-sdk-auto-route-refused-on-create.sh
#   Needs Python 3.12 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check kalshi-sdk==22.4.0
cd "$work"

cat >program.py <<'PROGRAM'
from kalshi.models.orders import AmendOrderV2Request, CreateOrderV2Request, DecreaseOrderV2Request
from pydantic import ValidationError

amend = {"ticker": "KXTEST-26-A", "side": "bid", "price": "0.4700", "count": "1.00"}
create = amend | {"client_order_id": "c1", "time_in_force": "good_till_canceled",
                  "self_trade_prevention_type": "taker_at_cross"}
for model, fields in ((AmendOrderV2Request, amend), (DecreaseOrderV2Request, {"reduce_by": "1.00"}),
                      (CreateOrderV2Request, create)):
    try:
        print(model.__name__, "accepts", model(exchange_index=-1, **fields).exchange_index)
    except ValidationError as error:
        print(model.__name__, "refuses:", error.errors()[0]["msg"])
PROGRAM

cat >expected.txt <<'EXPECTED'
AmendOrderV2Request accepts -1
DecreaseOrderV2Request accepts -1
CreateOrderV2Request refuses: Input should be greater than or equal to 0
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
