#!/usr/bin/env bash
# bash with_tiny_model.sh SCRIPT: runs a script with a fresh tiny model (tiny_model.py) as its argument.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 "$(dirname "${BASH_SOURCE[0]}")/tiny_model.py" "$work/tiny"
OMP_NUM_THREADS=1 bash "$1" "$work/tiny"
