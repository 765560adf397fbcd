#!/usr/bin/env bash
# cmake/setup.sh on machines that are not this one, played by stubs on PATH: bash setup_test.sh SOURCE
# Nothing is installed and nothing is built: apt-get, dpkg-query, python, cmake and ninja only write down what they were asked.
# shellcheck disable=SC2016  # what stubs expand is in single quotes
set -euo pipefail
source=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

expect() {  # expect NAME TEXT: the last run's output has the text
  if grep -qF -- "$2" "$work/out"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf 'FAILED %s: no "%s" in:\n' "$1" "$2"
    sed 's/^/  | /' "$work/out"
  fi
}

expect_call() {  # expect_call NAME TEXT: some stub was called with the text
  cp "$work/calls" "$work/out"
  expect "$1" "$2"
}

stub() {  # stub NAME BODY
  printf '#!/bin/bash\necho "%s $*" >>"%s/calls"\n%s\n' "$1" "$work" "$2" >"$work/bin/$1"
  chmod +x "$work/bin/$1"
}

fresh() {  # a checkout that only has what setup.sh reads, on a machine that has everything
  rm -rf "${work:?}/bin" "${work:?}/repo"
  mkdir -p "$work/bin" "$work/repo/cmake" "$work/torch"
  cp "$source/cmake/setup.sh" "$source/cmake/versions.txt" "$work/repo/cmake/"
  cp "$source/CMakePresets.json" "$work/repo/"
  : >"$work/torch/TorchConfig.cmake"
  : >"$work/calls"
  stub dpkg-query 'echo "ii  99:1"'
  stub dpkg 'exit 0'
  stub apt-get 'exit 0'
  stub sudo 'exit 1'
  stub ninja 'echo "ninja: no work to do."'
  stub cmake 'mkdir -p build/release; : >build/release/build.ninja'
  for python in python3 python3.10 python3.11 python3.12 python3.13; do stub "$python" 'exit 1'; done
}

setup() {  # setup [NAME=VALUE...]: runs it; code holds how it ended
  code=0
  (cd "$work/repo" && env -u Torch_DIR -u GRPO_PYTHON PATH="$work/bin:$PATH" "$@" bash cmake/setup.sh release) \
    >"$work/out" 2>&1 </dev/null || code=$?
  echo "exit code $code" >>"$work/out"
}

called() { cp "$work/calls" "$work/out"; }

fresh
setup Torch_DIR="$work/torch"
expect "an own libtorch is enough" "exit code 0"
expect "the model must be named" "--model_name_or_path"
called
expect "cmake gets Torch_DIR" "cmake --preset release -DTorch_DIR=$work/torch"
if grep -q '^python' "$work/calls"; then echo "python was called" >"$work/out"; else echo "no python" >"$work/out"; fi
expect "an own libtorch needs no Python" "no python"

: >"$work/calls"
setup Torch_DIR="$work/torch"
expect "a second run is up to date" "is up to date"
called
if grep -qv '^ninja' "$work/calls"; then :; else echo "ninja only" >"$work/out"; fi
expect "a second run asks nobody but ninja" "ninja only"

echo "# another version" >>"$work/repo/cmake/versions.txt"
: >"$work/calls"
setup Torch_DIR="$work/torch"
called
expect "changed versions set up again" "dpkg-query"

fresh
setup Torch_DIR=/nonexistent
expect "a wrong Torch_DIR stops" "holds no TorchConfig.cmake"
expect "a wrong Torch_DIR stops with a code" "exit code 1"

fresh
stub dpkg-query 'case "$*" in *ninja-build*) exit 1 ;; *) echo "ii  99:1" ;; esac'
if ((EUID == 0)); then
  setup Torch_DIR="$work/torch"
  called
  expect "root installs what is missing, and nothing else" "apt-get install -y --no-install-recommends ninja-build"
  expect "lists are read first" "apt-get update"
fi

fresh
stub cmake 'echo "no such compiler"; exit 3'
setup Torch_DIR="$work/torch"
expect "a failing step shows the log" "no such compiler"
expect "a failing step names the command" "cmake --preset release -DTorch_DIR=$work/torch"
expect "a failing step stops" "exit code 1"

fresh
stub ninja 'echo "[1/2] Building a.o"; echo "a.cpp:1: error: bad"; exit 1'
setup Torch_DIR="$work/torch"
expect "a failing build shows the error" "a.cpp:1: error: bad"
expect "a failing build names the command" "ninja -C build/release"

fresh
stub apt-get 'if [[ $1 != update ]]; then echo "no network"; exit 100; fi'
setup
expect "no Python: its packages are tried" "installing python3 python3-venv"
expect "no Python: the failure stops it" "exit code 1"

fresh
stub python3.11 'case "$*" in
  "- 3.10") exit 0 ;;
  --version) echo "Python 3.11.9" ;;
  "-m venv .venv") mkdir -p .venv/bin .venv/lib/python3.11/site-packages; cp "$0" .venv/bin/python ;;
  *"--dry-run"*) words="$*"; report=${words##*--report }; echo "{\"requires_dist\": [\"nvidia-cublas; platform_system == linux\"]}" >"${report%% *}" ;;
esac'
stub nvidia-smi 'exit 9'
if [[ $(uname -sm) == "Linux x86_64" ]]; then
  setup
  expect "the CUDA wheel is refused before it is fetched" "CUDA build of torch"
  expect "and the way out is named" "PIP_EXTRA_INDEX_URL"
  stub nvidia-smi 'echo "GPU 0: A100"'
  setup
  expect "with a GPU it is taken" "Python packages: torch=="
fi

fresh
setup Torch_DIR="$work/torch"
expect_call "a libtorch without CUDA" "-DGRPO_WITH_CUDA=OFF"
fresh
site=$work/site-packages
mkdir -p "$site/torch/lib" "$site/torch/share/cmake/Torch" "$site/nvidia/nccl/include"
: >"$site/torch/lib/libtorch_cuda.so"
: >"$site/torch/share/cmake/Torch/TorchConfig.cmake"
: >"$site/nvidia/nccl/include/nccl.h"
setup Torch_DIR="$site/torch/share/cmake/Torch"
expect_call "a libtorch with CUDA, and NCCL's headers beside it" "-DGRPO_WITH_CUDA=ON"

echo "$passed passed, $failed failed"
((failed == 0))
