#!/usr/bin/env bash
# bangertrades: forty orders fill four times the volume that was traded.
#
# Guess: with max_volume_share=0.10 (the default) a backtest fills at most a tenth of a candle's volume, 10 of 100
#   contracts, however the wish for 400 contracts is divided.
# Seen: The share applies to each order by itself, at the same price: one order fills 10 contracts, ten orders fill the
#   whole volume of 100, forty orders fill 400. There is no warning.
# Why it matters: A strategy that places an order per tick or per signal is backtested without a limit of liquidity.
#
# Packages: bangertrades==0.1.7
# Run: bash findings/backtest-bangertrades-volume-share-is-per-order.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check bangertrades==0.1.7
cd "$work"

cat >program.py <<'PROGRAM'
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from banger.backtest.harness import Backtester
from banger.backtest.sources import HistoricalCandle, HistoricalDataset, InMemoryCandleSource
from banger.strategy import Strategy
from banger.types import Market
from banger.venues.kalshi import Kalshi

START = datetime(2026, 6, 1, tzinfo=timezone.utc)
BID, ASK, VOLUME = Decimal("0.39"), Decimal("0.40"), Decimal(100)


def minute(number):
    return START + timedelta(minutes=number)


def filled(orders):
    class Divided(Strategy):
        name, venues, universe = "divided", [Kalshi()], None

        async def on_market_tick(self, market, tick, ctx):
            if tick.timestamp == minute(1):
                for _ in range(orders):
                    await ctx.place(self.venues[0], market, side="yes", size=Decimal(160) / orders)

    candles = tuple(HistoricalCandle(minute(n), minute(n + 1), BID, ASK, BID, ASK, ASK, VOLUME) for n in range(3))
    data = HistoricalDataset(Market("kalshi", "EXAMPLE-A", "Example"), candles, minute(0), minute(3))
    result = Backtester(Divided, InMemoryCandleSource(data), starting_capital=Decimal(1000)).run()
    return sum(fill.contracts for fill in result.fills), result.warnings


for orders in (1, 2, 10, 40):
    contracts, warnings = filled(orders)
    print(f"{orders} orders in a candle of {VOLUME} contracts: {contracts} filled, warnings {warnings}")
PROGRAM

cat >expected.txt <<'EXPECTED'
1 orders in a candle of 100 contracts: 10 filled, warnings []
2 orders in a candle of 100 contracts: 20 filled, warnings []
10 orders in a candle of 100 contracts: 100 filled, warnings []
40 orders in a candle of 100 contracts: 400 filled, warnings []
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
