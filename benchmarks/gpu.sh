#!/usr/bin/env bash
# The tests and benchmarks that need a GPU: bash benchmarks/gpu.sh [options of gpu_speed]
#
# Builds with CUDA into build/gpu, runs the tests with label gpu, then gpu_speed: tokens/s of training and sampling of a 0.5B shape in
# bf16, share of the bf16 peak, peak memory. Nothing has been measured on a GPU yet (docs/guides/gpu.md says what was run where).
# Without a GPU, or without a libtorch with CUDA, it says so and ends with exit code 77, which ctest and Automake read as "skipped".
# Environment: Torch_DIR an own libtorch; otherwise that of .venv, which training.sh --setup-only makes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

skip() {
  echo "benchmarks/gpu.sh: skipped: $1"
  exit 77
}

command -v nvidia-smi >/dev/null || skip "there is no nvidia-smi, so no NVIDIA driver"
nvidia-smi -L 2>/dev/null | grep -q '^GPU ' || skip "nvidia-smi sees no GPU"
torch=${Torch_DIR:-$(compgen -G "$PWD/.venv/lib/python3*/site-packages/torch/share/cmake/Torch" | head -n 1)} || true
[[ -n $torch ]] || skip "no libtorch: bash training.sh --setup-only, or Torch_DIR=..."
[[ -f $torch/../../../lib/libtorch_cuda.so ]] || skip "the libtorch of $torch has no CUDA (docs/guides/gpu.md says how to get one)"

build=build/gpu
mkdir -p "$build"
cmake --preset release -B "$build" -DTorch_DIR="$torch" -DGRPO_WITH_CUDA=ON -DGRPO_BUILD_TESTS=ON -DGRPO_BUILD_BENCHMARKS=ON \
  >"$build/configure.log" 2>&1 || { tail -20 "$build/configure.log" >&2; exit 1; }
ninja -C "$build" test_device test_nccl gpu_speed >"$build/build.log" 2>&1 || { tail -30 "$build/build.log" >&2; exit 1; }
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
ctest --test-dir "$build" -L gpu --output-on-failure
"$build/bin/gpu_speed" "$@"
