#!/usr/bin/env bash
# Mutation testing: changes one expression of the ledger's rules or of the order book at a time and runs the unit tests that
# reach it. Works in build/mutate, in the `src` layout that mutmut expects. Arguments are passed to `mutmut run`, for
# example a pattern of names: 'truebook.book.*'. Prints the survivors and the score.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=$PWD/${VENV:-.venv}/bin
rm -rf build/mutate
mkdir -p build/mutate/src
cp -r libs/truebook services/truebook_services build/mutate/src/
cp -r tests docs deploy pyproject.toml README.md build/mutate/
cd build/mutate
"$bin/mutmut" run --max-children "${JOBS:-2}" "$@"
"$bin/mutmut" results --all true | grep -v 'not checked' >results.txt
grep -v ': killed' results.txt
awk '{ count[$NF]++ } END { for (kind in count) print kind ": " count[kind] }' results.txt
