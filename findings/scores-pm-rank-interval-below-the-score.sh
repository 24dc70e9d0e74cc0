#!/usr/bin/env bash
# pm-rank: the bootstrap interval of a score lies below the score
#
# Guess: With BootstrapCIConfig(symmetric=False) the interval of 95 % holds the middle of the resampled scores: its
# lower bound is below the score, its upper bound above, and an interval of 50 % is narrower.
# Seen: Both bounds are below the score of both forecasters, and the intervals of 50 % and of 95 % are nearly the same:
# the levels are passed to a function of percentages as fractions, so that they are the 0.025 % and the 0.975 %
# quantile. The symmetric interval, which is the default, holds the score.
# Why it matters: A ranking of forecasters whose intervals do not overlap looks significant. Here the interval of the
# better one also ends below its own score, and a forecaster looks worse than its record.
# Packages: pm-rank==0.3.1, pydantic==2.14.4, numpy==2.4.6, pandas==3.1.1; recorded with Python 3.11
# Run: bash findings/scores-pm-rank-interval-below-the-score.sh
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
symmetric 50%, steady: score 0.790, interval 0.778 to 0.802, inside
symmetric 50%, varied: score 0.692, interval 0.676 to 0.709, inside
symmetric 95%, steady: score 0.790, interval 0.754 to 0.826, inside
symmetric 95%, varied: score 0.692, interval 0.643 to 0.742, inside
percentile 50%, steady: score 0.790, interval 0.734 to 0.742, OUTSIDE
percentile 50%, varied: score 0.692, interval 0.620 to 0.630, OUTSIDE
percentile 95%, steady: score 0.790, interval 0.734 to 0.745, OUTSIDE
percentile 95%, varied: score 0.692, interval 0.618 to 0.632, OUTSIDE
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
import logging
import os
from datetime import datetime

os.environ["TQDM_DISABLE"] = "1"
logging.disable(logging.CRITICAL)

from pm_rank.data.base import ForecastEvent, ForecastProblem
from pm_rank.model import BrierScoringRule
from pm_rank.model.utils import BootstrapCIConfig

END = datetime(2026, 1, 1)


def problem(number, forecasts, settled_yes):
    events = [
        ForecastEvent(forecast_id=f"{number}-{name}", problem_id=str(number), username=name, timestamp=END,
                      probs=[p, 1 - p])
        for name, p in forecasts.items()
    ]
    return ForecastProblem(title="synthetic", problem_id=str(number), options=["Yes", "No"], end_time=END,
                           correct_option_idx=[0 if settled_yes else 1], forecasts=events, num_forecasters=2)


markets = [problem(n, {"steady": 0.7, "varied": 0.5 + 0.04 * (n % 10)}, n % 10 < 7) for n in range(100)]
for symmetric in (True, False):
    for level in (0.5, 0.95):
        config = BootstrapCIConfig(symmetric=symmetric, bootstrap_ci_level=level, random_seed=42)
        scores, _, intervals = BrierScoringRule().fit(markets, include_bootstrap_ci=True, bootstrap_ci_config=config)
        for name, (low, high) in intervals.items():
            kind = "symmetric" if symmetric else "percentile"
            inside = "inside" if low <= scores[name] <= high else "OUTSIDE"
            print(f"{kind} {level:.0%}, {name}: score {scores[name]:.3f}, interval {low:.3f} to {high:.3f}, {inside}")
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
