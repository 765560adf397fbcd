#!/usr/bin/env bash
# bash try_package.sh SOURCE BUILD PYTHON: makes the tarball and the .deb, and uses them as somebody who has nothing else.
# The tarball is unpacked, its programs run, examples/060-own-trainer is built against it, trains a tiny model, and the model is used.
set -euo pipefail
source=$1 build=$2 python=$3
work=$build/consumer/package
rm -rf "$work"
mkdir -p "$work"
cd "$work"
export OMP_NUM_THREADS=1

fail() {
  echo "FAILED: $*"
  exit 1
}

version=$(sed -n 's/^#define LIBGRPO_VERSION "\(.*\)"$/\1/p' "$source/libgrpo/base/version.hpp")
numbers=$(sed -n 's/^#define LIBGRPO_VERSION_[MP][A-Z]* \([0-9]*\)$/\1/p' "$source/libgrpo/base/version.hpp" | paste -sd.)
[[ $numbers == "$version" ]] || fail "version.hpp says $version and $numbers"

cpack --config "$build/CPackConfig.cmake" -B "$work" >cpack.log 2>&1 || { cat cpack.log && fail "cpack"; }

deb=$(echo "libgrpo_${version}_"*.deb)
[[ $(dpkg-deb -f "$deb" Package Version | paste -sd' ') == "Package: libgrpo Version: $version" ]] || fail "$(dpkg-deb -f "$deb")"
[[ $(dpkg-deb -f "$deb" Depends) == *"libyaml-cpp-dev (>= 0.7)"* ]] || fail "the .deb names no dependencies"
dpkg-deb -c "$deb" >deb.files
for file in usr/bin/grpo_train usr/include/libgrpo/grpo.hpp usr/share/doc/libgrpo/copyright libgrpoConfig.cmake libgrpo.a libgrpo_core.a; do
  grep -q "/$file\$" deb.files || fail "the .deb has no $file"
done
if grep -q 'precompiled\.hpp\|/tests/' deb.files; then fail "the .deb has what is nobody's"; fi

mkdir prefix
tar -xzf "libgrpo-$version-"*.tar.gz -C prefix --strip-components=1
[[ $(prefix/bin/grpo_train --version) == "grpo_train $version" ]] || fail "$(prefix/bin/grpo_train --version)"

find prefix -name 'libgrpo*Targets*.cmake' -exec cat {} + >targets
[[ -s targets ]] || fail "the package has no targets"
if grep -F site-packages targets; then
  fail "the package says where libtorch or Arrow lay on the machine that made it"
fi

options=(-G Ninja "-DCMAKE_PREFIX_PATH=$work/prefix" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=)  # not optimised: quick
if command -v ccache >/dev/null; then options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
cmake -S "$source/examples/060-own-trainer" -B own "${options[@]}"
cmake --build own

"$python" "$source/tests/support/tiny_model.py" tiny
own/own_trainer tiny trained 40 1e-2 | tee own.log
awk '/^step/ { if (first == "") first = $4; last = $4 } END { exit !(first < 0.7 && last > 0.9) }' own.log || fail "the reward has not grown"
prefix/bin/grpo_generate --model_name_or_path trained --prompt "The sea " --max_completion_length 8 >said.txt || fail "the trained model does not load"
[[ -s said.txt ]] || fail "the trained model says nothing"

# A package of another version is not taken.
mkdir later
printf 'cmake_minimum_required(VERSION 3.22)\nproject(later LANGUAGES NONE)\nfind_package(libgrpo 0.99 QUIET COMPONENTS core)\nif(libgrpo_FOUND)\n  message(FATAL_ERROR "taken")\nendif()\n' >later/CMakeLists.txt
cmake -S later -B later/build "-DCMAKE_PREFIX_PATH=$work/prefix" >/dev/null || fail "libgrpo $version was taken for 0.99"
echo "libgrpo $version: tarball and .deb are good"
