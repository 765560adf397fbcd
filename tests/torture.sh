#!/usr/bin/env bash
# Kills and faults, and the same end:  bash tests/torture.sh [--short] [--seed N] [--kills N] [--only NAME ...]
# Programs: those of tests/run.sh (build/dev), else of training.sh (build/release); GRPO_BIN names another folder. Prints a table; exit code 0 if all held.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=${GRPO_BIN:-build/dev/bin}
[[ -x $bin/grpo_train ]] || bin=build/release/bin
if [[ ! -x $bin/grpo_train ]]; then
  echo "the programs are not built: bash tests/run.sh unit, or bash training.sh --setup-only" >&2
  exit 1
fi
exec python3 tests/torture/drill.py "$bin" "$@"
