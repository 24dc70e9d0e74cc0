#!/usr/bin/env bash
# deflated-sharpe: the annual Sharpe ratio is tested as one per day, and ten observations are enough
#
# Guess: The quick start asks whether a Sharpe ratio of 2.0, the best of 1000 trials over 252 days, is real; the
# argument is documented as annualized. The expected best of 1000 worthless strategies is about 3.2 per year, so the
# answer is no, and min_backtest_length asks for some years of data.
# Seen: The p-value is 0.0, even for a million trials. Of 1000 coin-flip strategies 362 are significant at 5 %, with the
# number of trials given as 1000. min_backtest_length(2.0, 1000) is 10 observations. The formula is the one for a ratio
# per observation: with 2.0 / sqrt(252) the p-value is 0.868, no coin flip is significant, and 1434 days are needed.
# Why it matters: Whoever follows the documentation has a test against luck that passes a third of all lucky strategies.
# Packages: deflated-sharpe==0.1.0; recorded with Python 3.11
# Run: bash findings/stats-deflated-sharpe-ten-days-are-enough.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check deflated-sharpe==0.1.0
cd "$work"
cat > expected.txt <<'EXPECTED'
documented argument: Observed (annualized) Sharpe ratio.
annual Sharpe 2.0 over 252 days, 1 trials: p 0.000; as a ratio per day: p 0.023
annual Sharpe 2.0 over 252 days, 1000 trials: p 0.000; as a ratio per day: p 0.868
annual Sharpe 2.0 over 252 days, 1000000 trials: p 0.000; as a ratio per day: p 0.997
observations needed for Sharpe 2.0 and 1000 trials: 10; as a ratio per day: 1434
best of 1000 coin-flip strategies over 252 days: annual Sharpe 3.07
significant at 5 %: 362 of 1000; as a ratio per day: 0 of 1000
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
import math
import random
from statistics import fmean, stdev

from deflated_sharpe import deflated_sharpe_ratio, min_backtest_length

DAYS, TRIALS = 252, 1000
YEAR = math.sqrt(DAYS)


def p_value(sharpe, trials):
    return deflated_sharpe_ratio(sharpe, trials, DAYS)[1]


def coin_flips(rng):
    days = [1.0 if rng.random() < 0.5 else -1.0 for _ in range(DAYS)]
    return fmean(days) / stdev(days) * YEAR


documented = next(line for line in deflated_sharpe_ratio.__doc__.splitlines() if "observed_sr:" in line)
print("documented argument:", documented.split(":", 1)[1].strip())
for trials in (1, TRIALS, 1_000_000):
    print(f"annual Sharpe 2.0 over {DAYS} days, {trials} trials: p {p_value(2.0, trials):.3f}; "
          f"as a ratio per day: p {p_value(2.0 / YEAR, trials):.3f}")
print(f"observations needed for Sharpe 2.0 and {TRIALS} trials: {min_backtest_length(2.0, TRIALS)}; "
      f"as a ratio per day: {min_backtest_length(2.0 / YEAR, TRIALS)}")
rng = random.Random(1)
lucky = [coin_flips(rng) for _ in range(TRIALS)]
print(f"best of {TRIALS} coin-flip strategies over {DAYS} days: annual Sharpe {max(lucky):.2f}")
annual = sum(p_value(sharpe, TRIALS) < 0.05 for sharpe in lucky)
daily = sum(p_value(sharpe / YEAR, TRIALS) < 0.05 for sharpe in lucky)
print(f"significant at 5 %: {annual} of {TRIALS}; as a ratio per day: {daily} of {TRIALS}")
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
