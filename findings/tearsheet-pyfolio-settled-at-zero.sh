#!/usr/bin/env bash
# pyfolio: a contract that settles at $0 ends the extraction of all round trips
#
# Guess: A purchase of 10 contracts at $0.40 and a closing transaction of -10 at $0.00 (settled NO) is one round trip
# with a P&L of -$4.00; a settlement at $1.00 is one with +$6.00.
# Seen: The winner gives +$6.00. With one contract closed at $0.00 in the table, extract_round_trips raises
# IndexError, also for the round trips of all other contracts: the sign of a trade is kept in the sign of its price,
# and zero has none.
# Why it matters: Every losing YES position settles at exactly zero, so the report works on winners only. Without the
# losing closes the report is complete, but counts no loss.
# Packages: pyfolio-reloaded==0.10.1, pandas==3.1.1, numpy==2.4.6; recorded with Python 3.11
# Run: bash findings/tearsheet-pyfolio-settled-at-zero.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  pyfolio-reloaded==0.10.1 \
  pandas==3.1.1 \
  numpy==2.4.6
cat > "$work/expected.txt" <<'EXPECTED'
won [6.0]
closed at 1 cent [-3.9]
lost IndexError: list index out of range
both IndexError: list index out of range
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
import pandas as pd
from pyfolio.round_trips import extract_round_trips


def table(*rows):
    times = pd.to_datetime([row[0] for row in rows], utc=True)
    return pd.DataFrame([row[1:] for row in rows], columns=["amount", "price", "symbol"], index=times)


won = [("2026-01-01 15:00", 10, 0.40, "A"), ("2026-01-02 15:00", -10, 1.00, "A")]
lost = [("2026-01-01 16:00", 10, 0.40, "B"), ("2026-01-02 16:00", -10, 0.00, "B")]
one_cent = [("2026-01-01 16:00", 10, 0.40, "B"), ("2026-01-02 16:00", -10, 0.01, "B")]
for label, rows in (("won", won), ("closed at 1 cent", one_cent), ("lost", lost), ("both", won + lost)):
    try:
        trips = extract_round_trips(table(*rows))
        print(label, [round(float(pnl), 2) for pnl in trips["pnl"]])
    except IndexError as error:
        print(label, "IndexError:", error)
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
