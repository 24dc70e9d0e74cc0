#!/usr/bin/env bash
# gym-anytrading: a position that is open at the end of the episode counts in the profit, but not in the reward
#
# Guess: Whoever buys at $0.60 and holds to the end at $0.20 has a total reward of -0.40, the same as with a sale on the
# last step. The total profit is a third of the start in both cases, and reward and profit rank strategies alike.
# Seen: The holder has the reward 0.00 with the profit 0.333. The holder of a rising price has 0.00 as well, with a
# profit of 2. On a market that goes up, down and up again, taking the gain and keeping the loss has the best reward and
# loses money. Only the profit treats the last step as a sale.
# Why it matters: The agent learns from the reward: never to sell a loser, and that buying and holding a winner is worth
# nothing. Contracts that are held to settlement, the usual case in a prediction market, teach it nothing at all.
# Packages: gym-anytrading==2.0.0, gymnasium==1.4.0, numpy==2.4.6, pandas==3.1.1; recorded with Python 3.11
# Run: bash findings/env-gym-anytrading-held-losers-cost-no-reward.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  gym-anytrading==2.0.0 \
  gymnasium==1.4.0 \
  numpy==2.4.6 \
  pandas==3.1.1
cd "$work"
cat > expected.txt <<'EXPECTED'
falling, sold on the last step: total reward -0.40 [0.0, 0.0, 0.0, -0.4], total profit 0.333
falling, held to the end: total reward 0.00 [0.0, 0.0, 0.0, 0.0], total profit 0.333
rising, sold on the last step: total reward 0.40 [0.0, 0.0, 0.0, 0.4], total profit 2.000
rising, held to the end: total reward 0.00 [0.0, 0.0, 0.0, 0.0], total profit 2.000
waves, gain taken, loss kept: total reward 0.10 [0.0, 0.1, 0.0, 0.0, 0.0], total profit 0.400
waves, gain taken, loss cut: total reward -0.20 [0.0, 0.1, 0.0, -0.3, 0.0], total profit 0.600
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
import gymnasium as gym
import gym_anytrading
import pandas as pd
from gym_anytrading.envs import Actions

BUY, SELL = Actions.Buy.value, Actions.Sell.value


def show(label, prices, actions):
    # The first two prices come before the first action; the price of each action is that of the step that it leads to.
    frame = pd.DataFrame({"Close": prices})
    env = gym.make("stocks-v0", df=frame, window_size=1, frame_bound=(1, len(prices))).unwrapped
    env.trade_fee_bid_percent = env.trade_fee_ask_percent = 0.0
    env.reset(seed=1)
    rewards = []
    for action in actions:
        _, reward, _, truncated, info = env.step(action)
        rewards.append(round(float(reward), 2))
    assert truncated
    print(f"{label}: total reward {sum(rewards):.2f} {rewards}, total profit {info['total_profit']:.3f}")


falling = [0.60, 0.60, 0.60, 0.50, 0.30, 0.20]
rising = [0.40, 0.40, 0.40, 0.50, 0.70, 0.80]
show("falling, sold on the last step", falling, [BUY, BUY, BUY, SELL])
show("falling, held to the end", falling, [BUY, BUY, BUY, BUY])
show("rising, sold on the last step", rising, [BUY, BUY, BUY, SELL])
show("rising, held to the end", rising, [BUY, BUY, BUY, BUY])
waves = [0.50, 0.50, 0.50, 0.60, 0.60, 0.30, 0.20]
show("waves, gain taken, loss kept", waves, [BUY, SELL, BUY, BUY, BUY])
show("waves, gain taken, loss cut", waves, [BUY, SELL, BUY, SELL, SELL])
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
