#!/usr/bin/env bash
# Unit tests under a sanitizer:  bash tests/sanitize.sh asan|tsan [ROOM...]     (rooms: base, config, serve, ...; none: all)
# asan: addresses, leaks and undefined behaviour; tsan: data races. Not part of tests/run.sh: a build of its own takes an hour on two cores.
# JOBS=N compiles N at a time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=${1:-}
if [[ $preset != asan && $preset != tsan ]]; then
  sed -n '2,4s/^# //p' "${BASH_SOURCE[0]}"
  exit 2
fi
shift
rooms=("$@")
if [[ $# -eq 0 ]]; then
  mapfile -t rooms < <(cd tests && for room in */; do compgen -G "$room*_test.cpp" >/dev/null && echo "${room%/}"; done)
fi
cmake --preset "$preset" >/dev/null
cmake --build "build/$preset" --parallel "${JOBS:-1}" --target "${rooms[@]/#/test_}"
export OMP_NUM_THREADS=2
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
failed=()
for room in "${rooms[@]}"; do
  echo "== $preset $room"
  nice "build/$preset/bin/test_$room" || failed+=("$room")
done
if ((${#failed[@]} > 0)); then
  echo "$preset: not clean: ${failed[*]}"
  exit 1
fi
echo "$preset: ${#rooms[@]} rooms, all clean"
