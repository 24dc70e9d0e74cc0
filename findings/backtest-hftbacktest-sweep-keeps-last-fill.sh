#!/usr/bin/env bash
# hftbacktest: of an order that takes several levels only the last fill reaches the account
#
# Guess: With the exchange model of partial fills, a purchase of 160 at up to $0.45 from asks of 100 at 0.42, 50 at 0.43
# and 30 at 0.44 gives a position of 160 for $67.90 and the status FILLED.
# Seen: The status is FILLED with nothing left, but the position is 10, for $4.40: only the part at the last level is
# counted, in the position, the cash and the volume, with and without latency. A purchase of 80 is right.
# Why it matters: Larger is smaller: the backtest of a taker holds 10 contracts after it bought 160, and its order
# counts as done, so nothing is sent again. The result shows neither the cost nor the profit of the sweep.
# Packages: hftbacktest==2.4.4, numba==0.68.1, numpy==2.2.6; recorded with Python 3.11
# Run: bash findings/backtest-hftbacktest-sweep-keeps-last-fill.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  hftbacktest==2.4.4 \
  numba==0.68.1 \
  numpy==2.2.6
cd "$work"
cat > expected.txt <<'EXPECTED'
buy 80, latency 0 ms: filled, left 0, position 80, paid $33.60, volume 80
buy 100, latency 0 ms: filled, left 0, position 100, paid $42.00, volume 100
buy 120, latency 0 ms: filled, left 0, position 20, paid $8.60, volume 20
buy 160, latency 0 ms: filled, left 0, position 10, paid $4.40, volume 10
buy 80, latency 5 ms: filled, left 0, position 80, paid $33.60, volume 80
buy 100, latency 5 ms: filled, left 0, position 100, paid $42.00, volume 100
buy 120, latency 5 ms: filled, left 0, position 20, paid $8.60, volume 20
buy 160, latency 5 ms: filled, left 0, position 10, paid $4.40, volume 10
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
import numpy as np
from hftbacktest import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    FILLED,
    GTC,
    LIMIT,
    LOCAL_EVENT,
    SELL_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
)
from hftbacktest.types import event_dtype

SECOND = 1_000_000_000
LEVELS = [
    (BUY_EVENT, 1, 0.40, 100.0),
    (SELL_EVENT, 1, 0.42, 100.0),
    (SELL_EVENT, 1, 0.43, 50.0),
    (SELL_EVENT, 1, 0.44, 30.0),
    (BUY_EVENT, 20, 0.39, 100.0),
]


def events():
    data = np.zeros(len(LEVELS), event_dtype)
    for row, (side, second, price, quantity) in zip(data, LEVELS):
        row["ev"] = DEPTH_EVENT | side | EXCH_EVENT | LOCAL_EVENT
        row["exch_ts"] = row["local_ts"] = second * SECOND
        row["px"], row["qty"] = price, quantity
    return data


def show(quantity, latency):
    asset = (
        BacktestAsset()
        .data(events())
        .linear_asset(1.0)
        .constant_order_latency(latency, latency)
        .risk_adverse_queue_model()
        .partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(0.01)
        .lot_size(1.0)
    )
    backtest = HashMapMarketDepthBacktest([asset])
    backtest.elapse(2 * SECOND)
    backtest.submit_buy_order(0, 1, 0.45, float(quantity), GTC, LIMIT, False)
    backtest.elapse(5 * SECOND)
    order, state = backtest.orders(0).get(1), backtest.state_values(0)
    status = "filled" if order.status == FILLED else f"status {order.status}"
    print(
        f"buy {quantity}, latency {latency // 1_000_000} ms: {status}, left {order.leaves_qty:.0f}, "
        f"position {state.position:.0f}, paid ${-state.balance:.2f}, volume {state.trading_volume:.0f}"
    )
    backtest.close()


for latency in (0, 5_000_000):
    for quantity in (80, 100, 120, 160):
        show(quantity, latency)
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
