#!/usr/bin/env bash
#SBATCH --job-name=maxent-grpo
#SBATCH --account=mltheory
#SBATCH --partition=mltheory
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gres=gpu:a100:7
#SBATCH --cpus-per-task=64
#SBATCH --mem=256G
#SBATCH --time=72:00:00
#SBATCH --output=logs/slurm_%j.out
#SBATCH --error=logs/slurm_%j.err
#SBATCH --exclusive
#SBATCH --requeue
#SBATCH --signal=B:USR1@300
#SBATCH --open-mode=append
# Another cluster: change account, partition and gres above, or override them: sbatch --account=... training.sh
# Slurm opens logs/ before this script runs: mkdir -p logs once, or run this script once under bash.
#
# Sets everything up and trains. Under bash the lines above are comments.
#
#   bash training.sh                                     the quick start: SmolLM2-135M learns sums, about two minutes
#   bash training.sh --config recipes/smollm2-135m/gsm8k.toml --max_steps 3
#   bash training.sh --setup-only                        only the set-up: .venv, model, build/release
#   bash training.sh --help                              every option of the trainer
#
# The script's own variables; everything else is passed on to the trainer:
#   MAXENT=1      MaxEnt-GRPO: maxent_grpo_train instead of grpo_train, with a quick start of its own
#   Torch_DIR     an own libtorch; then no Python is needed (cmake/setup.sh lists the rest)
# Relative paths are read from the repository's root.
set -euo pipefail

# Slurm runs a copy of this file from its spool folder; the checkout is then where sbatch was called.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ ! -f $root/cmake/setup.sh ]]; then root=${SLURM_SUBMIT_DIR:-$root}; fi
if [[ ! -f $root/cmake/setup.sh ]]; then
  echo "training.sh: $root is not the repository: call sbatch from its root" >&2
  exit 2
fi
cd "$root"
mkdir -p logs

bash cmake/setup.sh release
if [[ ${1:-} == --setup-only ]]; then exit 0; fi

trainer=build/release/bin/grpo_train
if [[ ${MAXENT:-0} == 1 ]]; then trainer=build/release/bin/maxent_grpo_train; fi
exec "$trainer" "$@"
