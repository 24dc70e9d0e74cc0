#!/usr/bin/env bash
# quantstats: a drawdown that starts on the first day and lasts is missing from the table of drawdowns
#
# Guess: max_drawdown and drawdown_details describe the same series: a first-day loss of 50 % that is never recovered
# is the one row of the table.
# Seen: max_drawdown is -0.5, drawdown_details is an empty table. With one flat day in front of the same returns the
# row appears. Only a change from "no drawdown" to "drawdown" is a start.
# Why it matters: The record of an event trader often starts with the first settlement. An account that loses half on
# it and never recovers is reported with no drawdown period at all.
# Packages: quantstats==0.0.86, pandas==3.1.1, numpy==2.4.6; recorded with Python 3.11
# Run: bash findings/tearsheet-quantstats-under-water-from-day-one.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  quantstats==0.0.86 \
  pandas==3.1.1 \
  numpy==2.4.6
cat > "$work/expected.txt" <<'EXPECTED'
loss on day one: max_drawdown -0.50, drawdown_details []
one flat day before it: max_drawdown -0.50, drawdown_details [('2026-01-02', 6, -50.0)]
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
import pandas as pd
import quantstats as qs


def report(label, daily):
    returns = pd.Series(daily, pd.date_range("2026-01-01", periods=len(daily)))
    rows = qs.stats.drawdown_details(qs.stats.to_drawdown_series(returns))
    found = [(row["start"], int(row["days"]), round(float(row["max drawdown"]), 2)) for _, row in rows.iterrows()]
    print(f"{label}: max_drawdown {float(qs.stats.max_drawdown(returns)):.2f}, drawdown_details {found}")


losing = [-0.5, 0.1, 0.0, 0.2, -0.1, 0.05]
report("loss on day one", losing)
report("one flat day before it", [0.0, *losing])
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
