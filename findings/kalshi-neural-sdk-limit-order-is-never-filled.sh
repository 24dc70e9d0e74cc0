#!/usr/bin/env bash
# neural-sdk: a limit order of the paper client is never filled, and a market order pays the slippage twice
#
# Guess: The paper client "mimics the TradingClient interface for seamless switching". A bid of 45 cents is filled when
# the market falls to 30 cents, a bid above the market at once. With a slippage of 1 % and no commission, 100 contracts
# at a price of 50 cents cost $50.50.
# Seen: No change of the market price fills a limit order; the answer is success and the order is pending forever, also
# with a limit of 90 cents at a market of 50. There is no method that cancels it. 100 contracts at the market cost
# $51.005: the fill price contains the slippage, and the portfolio subtracts 1 % of that price again. A sale loses 2 %
# too.
# Why it matters: The strategy of a market maker never trades on paper, without an error. One that takes prices pays
# twice the costs that it set, and may be given up for that.
# Packages: neural-sdk==0.4.1, numpy==1.26.4, pandas==3.0.6; recorded with Python 3.11
# Run: bash findings/kalshi-neural-sdk-limit-order-is-never-filled.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  neural-sdk==0.4.1 \
  numpy==1.26.4 \
  pandas==3.0.6
cd "$work"
cat > expected.txt <<'EXPECTED'
limit 0.45, market 0.50: success True, pending
  market 0.44: positions 0, pending 1, cash 1000.000
  market 0.30: positions 0, pending 1, cash 1000.000
  market 0.01: positions 0, pending 1, cash 1000.000
limit 0.90, market 0.50: success True, pending
  market 0.50: positions 0, pending 1, cash 1000.000
methods for cancelling: []
market order at 0.50, slippage 1 %: fill 0.5050, paid 51.005
market sale at 0.50, slippage 1 %: fill 0.4950, received 49.005
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
import asyncio
import logging

logging.disable(logging.CRITICAL)

from neural.trading import PaperTradingClient

MARKET = "SYNTHETIC-1"


def client_at(price):
    client = PaperTradingClient(initial_capital=1000.0, commission_per_trade=0.0, slippage_pct=0.01, save_trades=False)
    client.update_market_price(MARKET, "yes", price)
    return client


async def limit_order(limit, prices):
    client = client_at(0.50)
    answer = await client.place_order(MARKET, "yes", 100, order_type="limit", price=limit)
    print(f"limit {limit:.2f}, market 0.50: success {answer['success']}, {answer['status']}")
    for price in prices:
        client.update_market_price(MARKET, "yes", price)
        print(f"  market {price:.2f}: positions {client.get_portfolio()['position_count']}, "
              f"pending {len(client.pending_orders)}, cash {client.get_portfolio()['cash']:.3f}")


async def market_order():
    client = client_at(0.50)
    answer = await client.place_order(MARKET, "yes", 100)
    bought = client.get_portfolio()["cash"]
    print(f"market order at 0.50, slippage 1 %: fill {answer['filled_price']:.4f}, paid {1000 - bought:.3f}")
    answer = await client.place_order(MARKET, "yes", -100)
    received = client.get_portfolio()["cash"] - bought
    print(f"market sale at 0.50, slippage 1 %: fill {answer['filled_price']:.4f}, received {received:.3f}")


asyncio.run(limit_order(0.45, [0.44, 0.30, 0.01]))
asyncio.run(limit_order(0.90, [0.50]))
print("methods for cancelling:", [name for name in dir(PaperTradingClient) if "cancel" in name])
asyncio.run(market_order())
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
