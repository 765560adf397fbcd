#!/usr/bin/env bash
# Builds the programs that measure, finds or makes the peers' environment, measures, and writes benchmarks/RESULTS.md:
#
#   bash benchmarks/run.sh [--only NAME,...] [--full] [--quick] [--gsm8k TRAIN.JSONL] [--rounds N] [--threads N]
#   bash benchmarks/run.sh --list          the rows
#   bash benchmarks/run.sh --setup-only    builds and installs, measures nothing
#   bash benchmarks/run.sh --no-peers ...  only ours
#
# Environment: GRPO_BENCH_PEERS=DIR an environment that has the peers already (nothing is installed then);
# GRPO_BENCH_EXTRAS="llama vllm" installs these as well; GRPO_GSM8K=TRAIN.JSONL; GRPO_BENCH_BUILD=DIR a build with
# GRPO_BUILD_BENCHMARKS to measure instead of build/bench. Let nothing else run meanwhile; a full run takes hours.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
here=benchmarks
peers=1 setup_only=0 words=()
for word in "$@"; do
  case $word in
    --no-peers) peers=0 ;;
    --setup-only) setup_only=1 ;;
    --list) exec python3 "$here/run.py" --build . --list ;;
    -h | --help)
      sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
      exec python3 "$here/run.py" --help
      ;;
    *) words+=("$word") ;;
  esac
done

build=${GRPO_BENCH_BUILD:-build/bench}
if [[ -z ${GRPO_BENCH_BUILD:-} ]]; then
  if [[ -z ${Torch_DIR:-} && ! -x .venv/bin/python ]]; then bash cmake/setup.sh release; fi
  mkdir -p "$build"
  # The release preset, as training.sh builds it, with the measuring programs beside.
  cmake --preset release -B "$build" -DGRPO_BUILD_BENCHMARKS=ON >"$build/configure.log" 2>&1 || { tail -20 "$build/configure.log" >&2; exit 1; }
  ninja -C "$build" >"$build/build.log" 2>&1 || { tail -30 "$build/build.log" >&2; exit 1; }
fi

if ((peers)) && [[ -z ${GRPO_BENCH_PEERS:-} ]]; then
  cache=${XDG_CACHE_HOME:-${HOME:-$PWD/build}/.cache}
  export GRPO_BENCH_PEERS=$cache/libgrpo/peers
  # shellcheck disable=SC2086  # a list of words
  bash "$here/peers/setup.sh" "$GRPO_BENCH_PEERS" ${GRPO_BENCH_EXTRAS:-}
fi
if ((!peers)); then unset GRPO_BENCH_PEERS; fi
if ((setup_only)); then exit 0; fi
PYTHONDONTWRITEBYTECODE=1 exec python3 "$here/run.py" --build "$build" "${words[@]}"
