#!/usr/bin/env bash
# The peers in Python environments of their own, from the package registry:
#
#   bash benchmarks/peers/setup.sh DIR [llama] [vllm]
#
# DIR/bin/python gets TRL and transformers (about 1.5 GB); with "llama" llama.cpp as well. "vllm" makes DIR/vllm beside them
# (3.4 GB). What is there already is kept: a stamp remembers the versions.
set -euo pipefail
dir=${1:?usage: bash benchmarks/peers/setup.sh DIR [llama] [vllm]}
shift
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${GRPO_PYTHON:-python3}

ensure() {  # ensure ENVIRONMENT REQUIREMENTS
  local stamp
  stamp=$1/.installed-$(basename "$2" .txt)-$(cksum <"$2" | cut -d' ' -f1)
  if [[ -f $stamp ]]; then return; fi
  echo "benchmarks: installing $(basename "$2") into $1" >&2
  if [[ ! -x $1/bin/python ]]; then "$python" -m venv "$1"; fi
  "$1/bin/python" -m pip install -q -r "$2" >&2
  : >"$stamp"
}

ensure "$dir" "$here/requirements.txt"
for extra in "$@"; do
  case $extra in
    llama) ensure "$dir" "$here/requirements-llama.txt" ;;
    vllm) ensure "$dir/vllm" "$here/requirements-vllm.txt" ;;
    *)
      echo "benchmarks: no such peer: $extra (known: llama vllm)" >&2
      exit 2
      ;;
  esac
done
