#!/usr/bin/env bash
# Sets up, builds and tests:  bash tests/run.sh [all|unit|slow|REGEX]     (all: all but the slow ones; REGEX selects ctest entries by name: ctest -R)
# Ends with the line "N passed, N failed" (", N skipped" may follow), which counts test cases, not ctest entries.
# Exit code 0 if and only if something was tested and nothing failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
selection=()
case ${1:-all} in
  all) selection=(-LE '^slow$') ;;
  slow) selection=(-L '^slow$') ;;
  unit) selection=(-L '^unit$') ;;
  -h | --help)
    sed -n '2,4s/^# //p' "${BASH_SOURCE[0]}"
    exit 0
    ;;
  *) selection=(-R "$1") ;;
esac

bash cmake/setup.sh dev

results=$PWD/build/dev/test_results.xml
rm -f "$results"
cores=$(nproc 2>/dev/null || echo 2)
code=0
ctest --test-dir build/dev --parallel $((2 * cores)) --output-on-failure "${selection[@]}" \
  --output-junit "$results" --test-output-size-passed 100000000 --test-output-size-failed 100000000 || code=$?
python3 tests/support/count.py "$results" "$code"
