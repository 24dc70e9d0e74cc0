#!/usr/bin/env bash
# bangertrades: a limit of concentration that refuses the order on paper does not exist in the backtest.
#
# Guess: max_concentration_pct=0.05 in a strategy's risk limits refuses an order for 80 % of the capital in one market,
#   in the backtest as on paper, as max_position_usd does.
# Seen: The paper account refuses it; the backtest fills it, and 80 % of the capital is in one market, without a
#   warning. The position limit is applied by both.
# Why it matters: The backtest of a strategy that relies on that limit is one of another strategy.
#
# Packages: bangertrades==0.1.7
# Run: bash findings/backtest-bangertrades-concentration-limit-is-ignored.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check bangertrades==0.1.7
cd "$work"

cat >program.py <<'PROGRAM'
import asyncio
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from banger.backtest.harness import Backtester, BacktestViolation
from banger.backtest.sources import HistoricalCandle, HistoricalDataset, InMemoryCandleSource
from banger.risk import RiskEnvelope
from banger.strategy import Strategy
from banger.types import Market
from banger.venues.kalshi import Kalshi
from banger_runtime.paper_context import PaperContext, RiskViolation

START = datetime(2026, 6, 1, tzinfo=timezone.utc)
BID, ASK, VOLUME = Decimal("0.39"), Decimal("0.40"), Decimal(1_000_000)
MARKET = Market("kalshi", "EXAMPLE-A", "Example")


def minute(number):
    return START + timedelta(minutes=number)


def backtest(risk):
    class OneMarket(Strategy):
        name, venues, universe = "one market", [Kalshi()], None

        async def on_market_tick(self, market, tick, ctx):
            if tick.timestamp == minute(1):
                await ctx.place(self.venues[0], market, side="yes", size=Decimal(800))

    OneMarket.risk = risk
    candles = tuple(HistoricalCandle(minute(n), minute(n + 1), BID, ASK, BID, ASK, ASK, VOLUME) for n in range(3))
    data = HistoricalDataset(MARKET, candles, minute(0), minute(3))
    try:
        result = Backtester(OneMarket, InMemoryCandleSource(data), starting_capital=Decimal(1000)).run()
    except BacktestViolation:
        return "refused"
    return f"{sum(fill.contracts * fill.price for fill in result.fills)} dollars bought, warnings {result.warnings}"


def paper(risk):
    context = PaperContext(risk=risk, starting_capital_usd=Decimal(1000))
    try:
        order = asyncio.run(context.place(Kalshi(), MARKET, "yes", Decimal(800), ASK))
    except RiskViolation:
        return "refused"
    return f"{order.size * order.price} dollars bought"


for name, risk in (
    ("no limit", RiskEnvelope()),
    ("max_position_usd 50", RiskEnvelope(max_position_usd=Decimal(50))),
    ("max_concentration_pct 0.05", RiskEnvelope(max_concentration_pct=0.05)),
):
    print(f"{name}: paper {paper(risk)}; backtest {backtest(risk)}")
PROGRAM

cat >expected.txt <<'EXPECTED'
no limit: paper 800 dollars bought; backtest 800 dollars bought, warnings []
max_position_usd 50: paper refused; backtest refused
max_concentration_pct 0.05: paper refused; backtest 800 dollars bought, warnings []
EXPECTED

venv/bin/python program.py 2>/dev/null | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
