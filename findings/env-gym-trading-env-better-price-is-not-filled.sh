#!/usr/bin/env bash
# gym-trading-env: a limit order is not filled at a better price, and a fill of an order that is not persistent raises
#
# Guess: A bid of $99 is filled in a bar that trades between $90 and $95, at the limit or better, and an offer of $102
# in one between $105 and $110. An order with the default persistent=False is filled once and removed.
# Seen: Neither is filled: only a limit between low and high of the bar is. The bar from 95 to 105 fills the bid, but
# with persistent=False the step raises RuntimeError (dictionary changed size during iteration), after the trade was
# made.
# Why it matters: After a fall through its limit the agent is not in the market and misses exactly the bars in which a
# real order was filled at once, for better or worse. The default form of the order can't be used at all.
# Packages: gym-trading-env==0.3.5, gymnasium==1.4.0, numpy==2.4.6, pandas==3.1.1; recorded with Python 3.11
# Run: bash findings/env-gym-trading-env-better-price-is-not-filled.sh
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
buy, limit 99, bar 95 to 105 {'persistent': True}: filled
buy, limit 99, bar 90 to 95 {'persistent': True}: not filled
sell, limit 102, bar 95 to 105 {'persistent': True}: filled
sell, limit 102, bar 105 to 110 {'persistent': True}: not filled
buy, limit 99, bar 95 to 105 {}: RuntimeError: dictionary changed size during iteration
sell, limit 102, bar 95 to 105 {}: RuntimeError: dictionary changed size during iteration
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
import gymnasium as gym
import gym_trading_env
import pandas as pd

hours = pd.date_range("2026-01-01", periods=4, freq="h")


def show(label, low, high, held, wanted, limit, **options):
    prices = pd.DataFrame({"open": 100.0, "high": 100.0, "low": 100.0, "close": 100.0, "feature_x": 0.0}, index=hours)
    prices.loc[hours[1:], ["open", "high", "low", "close"]] = [low, high, low, high]
    env = gym.make("TradingEnv", df=prices, positions=[0, 1], initial_position=held, verbose=0).unwrapped
    env.reset(seed=1)
    env.add_limit_order(position=wanted, limit=limit, **options)
    try:
        position = env.step(None)[-1]["position"]
        result = "filled" if position == wanted else "not filled"
    except RuntimeError as error:
        result = f"RuntimeError: {error}"
    print(f"{label}, limit {limit:.0f}, bar {low:.0f} to {high:.0f} {options}: {result}")


show("buy", 95.0, 105.0, 0, 1, 99.0, persistent=True)
show("buy", 90.0, 95.0, 0, 1, 99.0, persistent=True)
show("sell", 95.0, 105.0, 1, 0, 102.0, persistent=True)
show("sell", 105.0, 110.0, 1, 0, 102.0, persistent=True)
show("buy", 95.0, 105.0, 0, 1, 99.0)
show("sell", 95.0, 105.0, 1, 0, 102.0)
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
