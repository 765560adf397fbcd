#!/usr/bin/env bash
# Fuzzes:  bash tests/fuzz/run.sh TARGET|all SECONDS     (seconds for each target; targets: the .cpp files beside this one)
# Builds the preset fuzz with clang and libFuzzer (Debian: clang-16 libclang-rt-16-dev; CXX names another). What it finds new stays in
# build/fuzz/corpus/TARGET; an input that crashes, leaks, or takes a second is left in build/fuzz/found/TARGET, and belongs into
# tests/fuzz/corpus/TARGET together with the mend. Prints executions, edges and findings; exit code 1 if there is a finding.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if [[ $# -ne 2 ]]; then
  sed -n '2,5s/^# //p' "${BASH_SOURCE[0]}"
  exit 2
fi
compiler=${CXX:-}
for candidate in clang++ clang++-19 clang++-18 clang++-17 clang++-16; do
  [[ -n $compiler ]] || compiler=$(command -v "$candidate" || true)
done
if [[ -z $compiler ]]; then
  echo "no clang++: apt-get install clang-16 libclang-rt-16-dev" >&2
  exit 2
fi
targets=("$1")
if [[ $1 == all ]]; then
  mapfile -t targets < <(cd tests/fuzz && ls -- *.cpp | sed 's/\.cpp$//' | grep -v replay_test)
fi
cmake --preset fuzz "-DCMAKE_CXX_COMPILER=$compiler" >/dev/null
cmake --build build/fuzz --target "${targets[@]/#/fuzz_}"
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
code=0
for target in "${targets[@]}"; do
  mkdir -p "build/fuzz/corpus/$target" "build/fuzz/found/$target"
  log=build/fuzz/$target.log
  # A finding does not end the time: libFuzzer is started again, but what is found over and over need not be found more often.
  begin=$SECONDS
  : >"$log"
  for ((start = 0; start < 20 && SECONDS - begin < $2; ++start)); do
    left=$(($2 - (SECONDS - begin)))
    nice -n 19 "build/fuzz/bin/fuzz_$target" -max_total_time="$left" -timeout=1 -rss_limit_mb=2048 -detect_leaks=1 -max_len=8192 \
      -print_final_stats=1 -artifact_prefix="build/fuzz/found/$target/" "build/fuzz/corpus/$target" "tests/fuzz/corpus/$target" >>"$log" 2>&1 || true
  done
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | awk '{ sum += $1 } END { print sum + 0 }')
  edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | sort -n | tail -n 1)
  findings=$(find "build/fuzz/found/$target" -type f | wc -l)
  echo "$target: $runs executions, ${edges:-0} edges, $findings findings"
  ((findings == 0)) || code=1
done
exit $code
