#!/usr/bin/env bash
# netcal: HistogramBinning learns a price on the edge of a bin in one bin and looks it up in the next
#
# Guess: Fitted on 50 forecasts of 0.40 that came true in 20 cases and 50 of 0.45 that came true in 35 cases, the
# calibrator maps both to 0.55, the rate of their common bin.
# Seen: 0.45 gives 0.55, but 0.40 gives 0.35: fit puts 0.40 into the bin from 0.4 to 0.5, transform into the one from
# 0.3 to 0.4, which is empty and returns its middle. Of the tenths, 0.1, 0.2, 0.4, 0.5, 0.8 and 0.9 are affected, but
# 0.3, 0.6 and 0.7 are not.
# Why it matters: Prices in cents hit the edges of ten bins all the time. The data at 40 cents changes the result at
# 45 cents only.
# Packages: netcal==1.4.0, numpy==2.4.6, scikit-learn==1.9.1; recorded with Python 3.11
# Run: bash findings/scores-netcal-histogram-binning-on-the-edge.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  netcal==1.4.0 \
  numpy==2.4.6 \
  scikit-learn==1.9.1
cat > "$work/expected.txt" <<'EXPECTED'
0.40 -> 0.35
0.41 -> 0.55
0.45 -> 0.55
0.1 never true -> 0.05
0.2 never true -> 0.15
0.3 never true -> 0.00
0.4 never true -> 0.35
0.5 never true -> 0.45
0.6 never true -> 0.00
0.7 never true -> 0.00
0.8 never true -> 0.75
0.9 never true -> 0.85
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
import numpy as np
from netcal.binning import HistogramBinning

prices = np.array([0.40] * 50 + [0.45] * 50)
results = np.array([1] * 20 + [0] * 30 + [1] * 35 + [0] * 15)
calibrator = HistogramBinning(bins=10)
calibrator.fit(prices, results)
for price in (0.40, 0.41, 0.45):
    print(f"{price:.2f} -> {float(calibrator.transform(np.array([price]))[0]):.2f}")

# Forecasts on one tenth that never come true: a looked-up value above 0 is the middle of another bin.
for tenth in range(1, 10):
    price = tenth / 10
    calibrator = HistogramBinning(bins=10)
    calibrator.fit(np.array([price] * 20 + [0.95] * 2), np.array([0] * 20 + [0, 1]))
    print(f"{price:.1f} never true -> {float(calibrator.transform(np.array([price]))[0]):.2f}")
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
