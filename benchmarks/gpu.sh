#!/usr/bin/env bash
# The benchmarks on a GPU: bash benchmarks/gpu.sh
#
# Nothing has been measured on a GPU yet, since libgrpo has no CUDA build. This script says what is missing and ends with exit
# code 77, which ctest and Automake read as "skipped". When both are there it is to run the tests with label gpu, tokens/s
# of training and sampling of a 0.5B shape in bf16, their share of the bf16 peak, and peak memory against TRL.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

skip() {
  echo "benchmarks/gpu.sh: skipped: $1"
  exit 77
}

command -v nvidia-smi >/dev/null || skip "there is no nvidia-smi, so no NVIDIA driver"
nvidia-smi -L 2>/dev/null | grep -q '^GPU ' || skip "nvidia-smi sees no GPU"
cache=${GRPO_BENCH_BUILD:-build/bench}/CMakeCache.txt
[[ -f $cache ]] || skip "${cache%/*} is not built: bash benchmarks/run.sh --setup-only"
grep -q '^GRPO_WITH_CUDA:BOOL=ON' "$cache" || skip "${cache%/*} is not a CUDA build (GRPO_WITH_CUDA), and libgrpo has none yet"
skip "a CUDA build was found, but the programs that measure it are not written"
