#!/usr/bin/env bash
# pm-rank: the weight of the last forecast counts for everybody, and the weighted calibration accepts no data
#
# Guess: A forecast with the weight 0.5 counts half in the score of its forecaster only, and the order of the forecasts
# in a market does not matter. CalibrationMetric() with its default weights gives a calibration error.
# Seen: The score of everybody is multiplied by the weight of the forecast that is last in the list: the same two
# forecasts give 0.495 and 0.420 in one order, 0.990 and 0.840 in the other. CalibrationMetric() raises AssertionError
# for every set of markets, because its weights sum to 1 instead of the number of forecasts.
# Why it matters: Weights are meant for late or repeated forecasts. Here a leaderboard depends on the order of the rows
# of its input, and one forecaster who comes late pulls down whoever forecast the same market.
# Packages: pm-rank==0.3.1, pydantic==2.14.4, numpy==2.4.6, pandas==3.1.1; recorded with Python 3.11
# Run: bash findings/scores-pm-rank-last-weight-counts-for-all.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  pm-rank==0.3.1 \
  pydantic==2.14.4 \
  numpy==2.4.6 \
  pandas==3.1.1
cd "$work"
cat > expected.txt <<'EXPECTED'
late forecast (weight 0.5) last: early 0.495, late 0.420
early forecast (weight 1.0) last: early 0.990, late 0.840
early forecast alone: early 0.990
calibration, weight_event=False: early 0.100, late 0.400
calibration, weight_event=True: AssertionError: weights need to sum to equal the length of the input arrays
  but got 1.0 != 4
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
import logging
import os
from datetime import datetime

os.environ["TQDM_DISABLE"] = "1"
logging.disable(logging.CRITICAL)

from pm_rank.data.base import ForecastEvent, ForecastProblem
from pm_rank.model import BrierScoringRule, CalibrationMetric

END = datetime(2026, 1, 1)


def problem(number, forecasts):
    events = [
        ForecastEvent(forecast_id=f"{number}-{name}", problem_id=str(number), username=name, timestamp=END,
                      probs=[p, 1 - p], weight=weight)
        for name, p, weight in forecasts
    ]
    return ForecastProblem(title="synthetic", problem_id=str(number), options=["Yes", "No"], end_time=END,
                           correct_option_idx=[0], forecasts=events, num_forecasters=len(events))


def show(label, markets):
    scores, _ = BrierScoringRule().fit(markets)
    print(f"{label}: " + ", ".join(f"{name} {scores[name]:.3f}" for name in sorted(scores)))


early, late = ("early", 0.9, 1.0), ("late", 0.6, 0.5)
show("late forecast (weight 0.5) last", [problem(1, [early, late])])
show("early forecast (weight 1.0) last", [problem(1, [late, early])])
show("early forecast alone", [problem(1, [early])])
two = [problem(1, [early, late]), problem(2, [late, early])]
for by_event in (False, True):
    try:
        errors, _ = CalibrationMetric(weight_event=by_event).fit(two)
        result = ", ".join(f"{name} {errors[name]:.3f}" for name in sorted(errors))
    except AssertionError as error:
        result = f"AssertionError: {str(error).replace(', but', chr(10) + '  but')}"
    print(f"calibration, weight_event={by_event}: {result}")
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
