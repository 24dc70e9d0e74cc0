#!/usr/bin/env bash
# gym-trading-env: a loan costs the interest of one step, however long it runs, and a margin purchase costs nothing
#
# Guess: With a borrow_interest_rate of 1 % "per STEP" and a constant price, a short position of the whole value that is
# held for 20 steps costs about 20 %, a position of 200 % as well, and closing it pays the interest.
# Seen: The short position costs 1 % after 1, 5 and 20 steps alike: each step replaces the interest instead of adding to
# it. The position of 200 % also shows 1 %, and when it is closed, the interest is gone: the portfolio is back at its
# first value.
# Why it matters: An agent learns that leverage and shorts are nearly free. The longer it holds them, the further is its
# backtest from what a broker would charge.
# Packages: gym-trading-env==0.3.5, gymnasium==1.4.0, numpy==2.4.6, pandas==3.1.1; recorded with Python 3.11
# Run: bash findings/env-gym-trading-env-interest-of-one-step.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  gym-trading-env==0.3.5 \
  gymnasium==1.4.0 \
  numpy==2.4.6 \
  pandas==3.1.1
cd "$work"
cat > expected.txt <<'EXPECTED'
position -1, 1 steps at 1 % per step: value 990.00, after closing 990.00
position -1, 5 steps at 1 % per step: value 990.00, after closing 990.00
position -1, 20 steps at 1 % per step: value 990.00, after closing 990.00
position +2, 1 steps at 1 % per step: value 990.00, after closing 1000.00
position +2, 5 steps at 1 % per step: value 990.00, after closing 1000.00
position +2, 20 steps at 1 % per step: value 990.00, after closing 1000.00
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
import gymnasium as gym
import gym_trading_env
import pandas as pd

hours = pd.date_range("2026-01-01", periods=40, freq="h")
prices = pd.DataFrame({"open": 50.0, "high": 50.0, "low": 50.0, "close": 50.0, "feature_x": 0.0}, index=hours)
POSITIONS = [-1, 0, 2]


def value_after(position, steps):
    env = gym.make("TradingEnv", df=prices, positions=POSITIONS, initial_position=0, borrow_interest_rate=0.01,
                   portfolio_initial_value=1000, verbose=0).unwrapped
    env.reset(seed=1)
    for _ in range(steps):
        info = env.step(POSITIONS.index(position))[-1]
    held = info["portfolio_valuation"]
    closed = env.step(POSITIONS.index(0))[-1]["portfolio_valuation"]
    return held, closed


for position in (-1, 2):
    for steps in (1, 5, 20):
        held, closed = value_after(position, steps)
        print(f"position {position:+d}, {steps} steps at 1 % per step: value {held:.2f}, after closing {closed:.2f}")
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
