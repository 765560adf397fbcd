#!/usr/bin/env bash
# bash try.sh installed|subdirectory SOURCE BUILD: builds the consumer project of that name against the library, and runs it.
# installed: `cmake --install BUILD` into a fresh prefix first. subdirectory: the library's sources as part of the project.
set -euo pipefail
way=$1 source=$2 build=$3
work=$build/consumer/$way
rm -rf "$work"
mkdir -p "$work"

options=(-G Ninja -S "$source/tests/consumer/$way" -B "$work/build" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=)  # not optimised: quick
if [[ $way == installed ]]; then
  cmake --install "$build" --prefix "$work/prefix" >"$work/install.log"
  options+=("-DCMAKE_PREFIX_PATH=$work/prefix")
else
  options+=("-DLIBGRPO_SOURCE=$source")
  torch=$(sed -n 's/^Torch_DIR:[^=]*=//p' "$build/CMakeCache.txt")
  if [[ -n $torch ]]; then options+=("-DTorch_DIR=$torch"); fi
fi
if command -v ccache >/dev/null; then options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi

cmake "${options[@]}"
cmake --build "$work/build"
for program in reward_author trainer_author; do
  if [[ -x $work/build/$program ]]; then "$work/build/$program"; fi
done
if [[ $way == subdirectory ]] && find "$work/build" -name 'libgrpo_grpo.a' | grep -q .; then
  echo "linking grpo::core alone has built the torch half too"
  exit 1
fi
