#!/usr/bin/env bash
# quantstats: daily returns without a loss, one of them above +100 %, are taken for prices
#
# Guess: Daily returns of +50 %, 0, +300 %, +20 % give a win rate of 1, a positive Sharpe ratio, no drawdown; best day
# +300 %.
# Seen: No value below 0 and one above 1 is the rule for a price series, so pct_change is applied to the returns: best
# day -93 %, win rate 0, drawdown -100 %, CAGR -100 %. comp() skips the rule and reports +620 %.
# Why it matters: A contract bought at 25 cents and settled at $1 returns +300 % in a day. A short run of winning
# events is reported as a ruined account, and the values of one report contradict each other.
# Packages: quantstats==0.0.86, pandas==3.1.1, numpy==2.4.6; recorded with Python 3.11
# Run: bash findings/tearsheet-quantstats-returns-taken-for-prices.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  quantstats==0.0.86 \
  pandas==3.1.1 \
  numpy==2.4.6
cat > "$work/expected.txt" <<'EXPECTED'
up to +99 % {'comp': 2.58, 'best': 0.99, 'win_rate': 1.0, 'max_drawdown': 0.0} cagr above 0: True
up to +300 % {'comp': 6.2, 'best': -0.93, 'win_rate': 0.0, 'max_drawdown': -1.0} cagr above 0: False
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
import pandas as pd
import quantstats as qs

days = pd.date_range("2026-01-01", periods=4)
for label, daily in (("up to +99 %", [0.5, 0.0, 0.99, 0.2]), ("up to +300 %", [0.5, 0.0, 3.0, 0.2])):
    returns = pd.Series(daily, days)
    values = {name: getattr(qs.stats, name)(returns) for name in ("comp", "best", "win_rate", "max_drawdown", "cagr")}
    print(label, {name: round(float(value), 2) for name, value in values.items() if name != "cagr"}, end=" ")
    print("cagr above 0:", bool(values["cagr"] > 0))
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
