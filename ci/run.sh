#!/usr/bin/env bash
# Checks that must pass on a clean checkout: lint, the documentation site, the whole test suite on the newest Python, the
# unit and ledger tests on the oldest, seeded runs with faults, known bugs, and the wheel in an empty environment. With a
# Docker engine also the image under docker compose, with a cluster also on Kubernetes; each service is killed in turn.
# Stops whatever it started. All paths come from the environment, and all of them are optional:
#   CI_NEWEST_PYTHON, CI_OLDEST_PYTHON  interpreters; default: the newest and oldest supported one of pyenv, else python3
#   CI_CONTAINERS                       a folder with `up` (starts a Docker engine) and `env` (to source afterwards)
#   CI_KUBE                             a folder with `up`, `down`, `load IMAGE…` and `env` for a Kubernetes node
#   TRUEBOOK_CAPTURES                   a folder of recorded sessions for the tests that need them
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
containers=${CI_CONTAINERS:-} kube=${CI_KUBE:-}
scratch=$(mktemp -d)
stage() { printf '\n== %s %s\n' "$(date +%T)" "$*"; }

engine_was_running=no
if command -v docker >/dev/null && docker info >/dev/null 2>&1; then engine_was_running=yes; fi
node_started=no
clean_up() {
  local pid
  for pid in $(jobs -p); do kill -- "-$pid" 2>/dev/null || true; done
  wait
  [ "$node_started" = no ] || "$kube/down" || true
  if [ "$engine_was_running" = no ]; then
    pid=$(cat /var/run/docker.pid 2>/dev/null || true)
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
  fi
  rm -rf "$scratch"
}
trap clean_up EXIT

# Parallel stages: `background NAME COMMAND...` starts one at low priority, `finish NAME` waits for it and prints its
# output.
declare -A background_pid
background() {
  local name=$1
  shift
  set -m # its own process group, so that it can be ended with its children
  (
    renice -n 10 "$BASHPID" >/dev/null
    "$@"
  ) >"$scratch/$name.log" 2>&1 &
  background_pid[$name]=$!
  set +m
}
finish() {
  local code=0
  wait "${background_pid[$1]}" || code=$?
  cat "$scratch/$1.log"
  [ "$code" = 0 ] || { stage "$1 failed"; exit "$code"; }
}

# Install the wheel with its locked dependencies only, and trade with it.
try_wheel() {
  local python
  .venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$scratch" .
  for python in $newest $oldest; do
    rm -rf "$scratch/venv"
    "$python" -m venv "$scratch/venv"
    "$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/core.txt
    "$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$scratch"/truebook-*.whl
    (cd "$scratch" && venv/bin/truebook run --for 10s --markets 10 --json | tail -n 1 | "$newest" -c '
import json, sys
summary = json.loads(sys.stdin.readline())
assert summary["ledger_equals_exchange"] and summary["conservation_error_micros"] == 0, summary
print("wheel:", sys.argv[1], "orders", summary["orders"]["sent"], "fills", summary["fills"])' "$python")
    rm -rf "$scratch/.truebook"
  done
}

if [ -n "$containers" ]; then
  stage "container engine"
  "$containers/up"
  . "$containers/env"
fi
has_engine=no
if command -v docker >/dev/null && docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1; then
  has_engine=yes
fi

python_of() { PYENV_VERSION=$1 python3 -c 'import sys; print(sys.executable)' 2>/dev/null; }
newest=${CI_NEWEST_PYTHON:-}
oldest=${CI_OLDEST_PYTHON:-}
if [ -z "$newest" ] && command -v pyenv >/dev/null; then
  versions=$(pyenv versions --bare | grep -E '^3\.1[1-4]\.' | sort -V || true)
  if [ -n "$versions" ]; then
    newest=$(python_of "$(tail -n 1 <<<"$versions")")
    oldest=${oldest:-$(python_of "$(head -n 1 <<<"$versions")")}
  fi
fi
newest=${newest:-$(command -v python3)}

# Tests of the operator's page drive a browser; without one they are skipped, with this reason.
if ! command -v chromium >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  stage "a browser for the tests of the page"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium >/dev/null ||
    echo "Chromium can't be installed: the tests of the page are skipped"
fi

[ "$has_engine" = no ] || background image make image
stage "lint on $newest"
make PYTHON="$newest" VENV=.venv lint
stage "documentation site"
make PYTHON="$newest" VENV=.venv docs
if [ "$has_engine" = yes ]; then
  stage "image"
  finish image
fi
stage "test on $newest"
# The long tests mostly wait for processes and containers: four at a time keep two cores half busy.
TRUEBOOK_TEST_LONG=1 make PYTHON="$newest" VENV=.venv JOBS=4 test
stage "foreign clients of the simulated exchange"
make PYTHON="$newest" VENV=.venv clients

# The drills mostly wait for containers, and these stages don't depend on speed: seeds run in virtual time, unit tests
# read no clock, and the wheel must trade correctly, not fast.
stage "thirty seeds of the whole system with faults"
background seeds make PYTHON="$newest" VENV=.venv chaos SEEDS=30
if [ "$has_engine" = yes ]; then
  stage "the whole stack under docker compose, each service killed in turn"
  TRUEBOOK_TEST_COMPOSE=1 .venv/bin/python -m pytest -n 0 -x -s tests/integration/deploy/test_compose_drill.py
  stage "result of the seeds"
fi
finish seeds

stage "known bugs, put back one by one"
make PYTHON="$newest" VENV=.venv prove

stage "branch coverage" # not beside other stages: some of its tests measure real time
make PYTHON="$newest" VENV=.venv coverage

stage "wheel in an empty environment"
background wheel try_wheel
has_oldest=no
if [ -n "$oldest" ] && [ "$oldest" != "$newest" ]; then
  has_oldest=yes
  stage "unit tests and ledger tests on a server, on $oldest"
  background oldest make PYTHON="$oldest" VENV=.venv-oldest unit ARGS=tests/integration/ledger
fi
if [ "$has_engine" = yes ] && [ -n "$kube" ]; then
  stage "the whole stack on a Kubernetes node, each service killed in turn, a new build rolled out"
  if ! (. "$kube/env" && kubectl get --raw /readyz >/dev/null 2>&1); then
    "$kube/down"
    node_started=yes
    "$kube/up"
  fi
  (
    . "$kube/env"
    kubectl delete namespace truebook --ignore-not-found --wait
    make PYTHON="$newest" VENV=.venv k8s LOAD="$kube/load"
    kubectl delete namespace truebook --wait=false
  )
  if [ "$node_started" = yes ]; then
    "$kube/down"
    node_started=no
  fi
fi

if [ "$has_oldest" = yes ]; then
  stage "result of the tests on $oldest"
  finish oldest
  stage "one seed gives the same history on $oldest"
  TRUEBOOK_TEST_LONG=1 TRUEBOOK_OTHER_PYTHON=.venv-oldest/bin/python .venv/bin/python -m pytest -n 0 tests/chaos/test_chaos_seeds.py
fi
stage "result of the wheel"
finish wheel
stage "done"
