#!/usr/bin/env bash
# netcal: TemperatureScaling turns the ranking of the forecasts round
#
# Guess: Temperature scaling divides the log odds by one positive number and keeps the ranking. Forecasts that are
# worse than useless are flattened towards 0.50.
# Seen: On forecasts whose results are the opposite (0.60 comes true in 40 %, 0.40 in 60 %) the fitted temperature is
# negative: 0.10 becomes 0.90 and 0.90 becomes 0.10. BetaCalibration of the same package gives 0.50.
# Why it matters: A losing run in the calibration window makes the model bet the other side of each market, also at
# prices that the window never contained.
# Packages: netcal==1.4.0, numpy==2.4.6, scikit-learn==1.9.1; recorded with Python 3.11
# Run: bash findings/scores-netcal-temperature-reverses-the-ranking.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  netcal==1.4.0 \
  numpy==2.4.6 \
  scikit-learn==1.9.1
cat > "$work/expected.txt" <<'EXPECTED'
calibrated TemperatureScaling [0.1, 0.4, 0.6, 0.9]
calibrated BetaCalibration [0.1, 0.4, 0.6, 0.9]
opposite TemperatureScaling [0.9, 0.6, 0.4, 0.1]
opposite BetaCalibration [0.5, 0.5, 0.5, 0.5]
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
import numpy as np
from netcal.scaling import BetaCalibration, TemperatureScaling

prices = np.array([0.40] * 50 + [0.60] * 50)
probe = np.array([0.10, 0.40, 0.60, 0.90])
for label, true_of_50 in (("calibrated", (20, 30)), ("opposite", (30, 20))):
    results = np.concatenate([[1] * k + [0] * (50 - k) for k in true_of_50])
    for calibrator in (TemperatureScaling(), BetaCalibration()):
        calibrator.fit(prices, results)
        print(label, type(calibrator).__name__, (np.round(calibrator.transform(probe), 2) + 0.0).tolist())
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
