#!/usr/bin/env bash
# duckdb: the median of a bid and an ask that are decimals is the bid
#
# Guess: The median of 0.56 and 0.57 is 0.565, the average of the two, whatever the type of the column, as avg() gives
# it, and quantile_cont() interpolates.
# Seen: As DOUBLE and as integers the median is in the middle. As DECIMAL(4,2) it is 0.56: median() and quantile_cont()
# keep the type of the column and cut the digits off, they do not round. Every market whose spread is an odd number of
# cents has a middle half a cent too low; the median of the spreads 0.01 and 0.02 is 0.01.
# Why it matters: DECIMAL is the type for exact prices. Fair values and typical spreads by group are then biased
# downwards by up to a whole tick, in the direction of the bid, while averages beside them are not.
# Packages: duckdb==2.0.1; recorded with Python 3.11
# Run: bash findings/table-duckdb-median-of-bid-and-ask-is-the-bid.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  duckdb==2.0.1
cd "$work"
cat > expected.txt <<'EXPECTED'
0.56, 0.57 as DOUBLE: median 0.565, quantile 0.5 0.565, quantile 0.25 0.5625, mean 0.565
56, 57 as BIGINT: median 56.5, quantile 0.5 56.5, quantile 0.25 56.25, mean 56.5
0.56, 0.57 as DECIMAL(4,2): median 0.56, quantile 0.5 0.56, quantile 0.25 0.56, mean 0.565
0.10, 0.29 as DECIMAL(4,2): median 0.19, quantile 0.5 0.19, quantile 0.25 0.14, mean 0.195
spreads 0.01, 0.02 as DECIMAL(4,2): median 0.01, quantile 0.5 0.01, quantile 0.25 0.01, mean 0.015
0.56, 0.57 as DECIMAL(6,4): median 0.5650, quantile 0.5 0.5650, quantile 0.25 0.5625, mean 0.565
of 98 markets with a spread of 1 cent: 98 with a median below the middle, by 0.005
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
import duckdb

connection = duckdb.connect()


def show(label, kind, values):
    rows = ", ".join(f"({value}::{kind})" for value in values)
    query = f"select median(x), quantile_cont(x, 0.5), quantile_cont(x, 0.25), avg(x) from (values {rows}) t(x)"
    middle, half, quarter, mean = connection.execute(query).fetchone()
    print(f"{label} as {kind}: median {middle}, quantile 0.5 {half}, quantile 0.25 {quarter}, mean {mean}")


show("0.56, 0.57", "DOUBLE", ["0.56", "0.57"])
show("56, 57", "BIGINT", ["56", "57"])
show("0.56, 0.57", "DECIMAL(4,2)", ["0.56", "0.57"])
show("0.10, 0.29", "DECIMAL(4,2)", ["0.10", "0.29"])
show("spreads 0.01, 0.02", "DECIMAL(4,2)", ["0.01", "0.02"])
show("0.56, 0.57", "DECIMAL(6,4)", ["0.56", "0.57"])
wrong = connection.execute(
    "select count(*), min(middle - mid) from (select bid, median(x) as middle, avg(x) as mid from "
    "(select (i / 100)::decimal(4,2) as bid, unnest([(i / 100)::decimal(4,2), ((i + 1) / 100)::decimal(4,2)]) as x "
    "from range(1, 99) t(i)) group by bid) where middle < mid - 0.004"
).fetchone()
print(f"of 98 markets with a spread of 1 cent: {wrong[0]} with a median below the middle, by {-wrong[1]:.3f}")
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
