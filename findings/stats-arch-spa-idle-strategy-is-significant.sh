#!/usr/bin/env bash
# arch: an idle strategy among the candidates makes a set of losing strategies significantly better than no trading
#
# Guess: The test of superior predictive ability of three losing strategies against not trading has a large p-value. A
# fourth candidate that never trades, equal to the benchmark, can't make the set better: the p-value stays large.
# Seen: With the fourth candidate the consistent p-value, which is the one to use, falls from 0.574 to 0.000, with and
# without studentization. The idle candidate alone has three p-values of 0.000 against a benchmark that it equals.
# Beside strategies without an edge, of which some won by luck, it changes nothing.
# Why it matters: Parameter grids hold settings that never trade. One of them turns the safeguard against data snooping
# round: the worse the other candidates are, the surer it says that one of them beats the benchmark.
# Packages: arch==8.0.0, numpy==2.4.6, pandas==3.1.1, scipy==1.17.1, statsmodels==0.15.0; recorded with Python 3.11
# Run: bash findings/stats-arch-spa-idle-strategy-is-significant.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  arch==8.0.0 \
  numpy==2.4.6 \
  pandas==3.1.1 \
  scipy==1.17.1 \
  statsmodels==0.15.0
cd "$work"
cat > expected.txt <<'EXPECTED'
three losing: best mean P&L -0.258, lower 0.574, consistent 0.574, upper 1.000
three losing and an idle one: best mean P&L +0.000, lower 0.000, consistent 0.000, upper 0.874
an idle one: best mean P&L +0.000, lower 0.000, consistent 0.000, upper 0.000
three without edge: best mean P&L +0.118, lower 0.108, consistent 0.180, upper 0.180
three without edge and an idle one: best mean P&L +0.118, lower 0.108, consistent 0.180, upper 0.180
three losing, not studentized: best mean P&L -0.258, lower 0.574, consistent 0.574, upper 1.000
three losing and an idle one, not studentized: best mean P&L +0.000, lower 0.000, consistent 0.000, upper 0.874
an idle one, not studentized: best mean P&L +0.000, lower 0.000, consistent 0.000, upper 0.000
three without edge, not studentized: best mean P&L +0.118, lower 0.108, consistent 0.180, upper 0.180
three without edge and an idle one, not studentized: best mean P&L +0.118, lower 0.108, consistent 0.180, upper 0.180
EXPECTED
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
import warnings

import numpy as np
from arch.bootstrap import SPA

warnings.simplefilter("ignore")
DAYS = 250
random = np.random.default_rng(0)
losing = random.normal(size=(DAYS, 3)) - 0.3  # daily P&L
lucky = random.normal(size=(DAYS, 3))
idle = np.zeros((DAYS, 1))


def show(label, profits, **options):
    test = SPA(np.zeros(DAYS), -profits, reps=500, seed=1, **options)  # losses, benchmark: no trading
    test.compute()
    values = ", ".join(f"{name} {value:.3f}" for name, value in test.pvalues.items())
    print(f"{label}{', not studentized' if options else ''}: best mean P&L {profits.mean(axis=0).max():+.3f}, {values}")


for options in ({}, {"studentize": False}):
    show("three losing", losing, **options)
    show("three losing and an idle one", np.c_[losing, idle], **options)
    show("an idle one", idle, **options)
    show("three without edge", lucky, **options)
    show("three without edge and an idle one", np.c_[lucky, idle], **options)
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
