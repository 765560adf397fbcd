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
# Slurm opens logs/ before this script runs: mkdir -p logs once, or let this script call sbatch (--submit).
#
# Sets everything up and trains. Under bash the lines above are comments.
#
#   bash training.sh                                     the quick start: SmolLM2-135M learns sums, about two minutes
#   bash training.sh --config recipes/smollm2-135m/gsm8k.toml --max_steps 3
#   bash training.sh --submit [sbatch options] [-- trainer options]      makes logs/ and calls sbatch
#   bash training.sh --dry-run [trainer options]         prints the commands that it would run
#   bash training.sh --setup-only                        only the set-up: .venv, model, build/release
#   bash training.sh --help                              every option of the trainer
#
# Options of the script come first; everything behind them is passed on to the trainer. Variables of the script:
#   MAXENT=1              MaxEnt-GRPO: maxent_grpo_train instead of grpo_train, with a quick start of its own
#   TRAIN_ENTRYPOINT      the trainer by name (of build/release/bin) or by path
#   RECIPE, or CONFIG     recipe, as --config           RUN_NAME, SEED     as --run_name and --seed
#   NPROC                 ranks on each machine that trains; unset: its training GPUs, or 1
#   MASTER_PORT           where ranks meet [29525]
#   VLLM_SERVER_IMPL      trl, vllm or grpo_serve: a server generates; none: the trainer does it itself; unset: a server
#                         where there are two GPUs and vLLM. It gets the first GPU, training gets the others
#   VLLM_MODEL            what it serves; unset: the run's model, or Qwen/Qwen2.5-1.5B-Instruct where none is named
#   VLLM_PORT [8000]      VLLM_TP_SIZE [1]      VLLM_MAX_LEN [2048]      VLLM_MEM_UTIL [0.90]
#   VLLM_EXTRA_ARGS       further words for the server's command line
#   VLLM_HEALTH_TIMEOUT   seconds until it must be healthy [900]
#   LOG_PREFIX            logs are <prefix>_train_<run>_<time>.log and <prefix>_vllm_<run>_<time>.log [logs/liv]
#   STOP_GRACE            seconds that ranks may take to save after SIGUSR1 or SIGTERM [240]
#   REQUEUE=0             do not put a stopped Slurm job back into the queue
#   GRPO_BIN              a folder with the built programs: no set-up
#   Torch_DIR             an own libtorch; then no Python is needed (cmake/setup.sh lists the rest)
# Relative paths are read from the repository's root. docs/slurm.md leads from the login node to the finished model.
# Exit codes: the trainer's; 2 bad use, 3 no such model, 4 the server failed, 75 stopped and saved (run again to continue).
set -euo pipefail

say() { printf 'training.sh: %s\n' "$*"; }

fail() {  # fail CODE MESSAGE
  printf 'training.sh: %s\n' "$2" >&2
  exit "$1"
}

joined() { (IFS=, && echo "$*"); }  # with commas

# ---- the command line ----------------------------------------------------------------------------------------------

enter_root() {  # Slurm runs a copy of this file from its spool folder; the checkout is then where sbatch was called
  local root
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
  if [[ ! -f $root/cmake/setup.sh ]]; then root=${SLURM_SUBMIT_DIR:-$root}; fi
  if [[ ! -f $root/cmake/setup.sh ]]; then fail 2 "$root is not the repository: call sbatch from its root"; fi
  cd "$root"
  mkdir -p logs
}

whole_number() {  # whole_number NAME DEFAULT: the variable NAME, at least 1
  declare -g "$1=${!1:-$2}"
  if [[ ! ${!1} =~ ^[1-9][0-9]{0,8}$ ]]; then fail 2 "$1=${!1}: not a whole number of at least 1"; fi
}

check_variables() {
  whole_number MASTER_PORT 29525
  whole_number VLLM_PORT 8000
  whole_number VLLM_TP_SIZE 1
  whole_number VLLM_MAX_LEN 2048
  whole_number VLLM_HEALTH_TIMEOUT 900
  whole_number STOP_GRACE 240
  if [[ -n ${NPROC+set} ]]; then whole_number NPROC ""; fi
  VLLM_MEM_UTIL=${VLLM_MEM_UTIL:-0.90}
  LOG_PREFIX=${LOG_PREFIX:-logs/liv}
  recipe=${RECIPE:-${CONFIG:-}}
  if [[ -n $recipe && ! -f $recipe ]]; then fail 2 "recipe not found: $recipe"; fi
  case ${VLLM_SERVER_IMPL:-} in
    "" | none | trl | vllm | grpo_serve) ;;
    *) fail 2 "VLLM_SERVER_IMPL=$VLLM_SERVER_IMPL: one of trl, vllm, grpo_serve, none" ;;
  esac
}

submit() {  # submit [SBATCH OPTION]... [-- TRAINER OPTION...]
  local options=() nodes="" command
  while (($#)) && [[ $1 != -- ]]; do
    case $1 in
      --nodes=* | -N[0-9]*) nodes=${1#--nodes=} nodes=${nodes#-N} ;;
      --nodes | -N) nodes=${2:-} ;;
    esac
    options+=("$1")
    shift
  done
  # One task a node; with the header's --ntasks=1 Slurm would take one node.
  if [[ $nodes =~ ^[0-9]+$ ]]; then options+=("--ntasks=$nodes"); fi
  command=(sbatch "${options[@]}" training.sh "${@:2}")
  if ((dry_run)); then printf '%q ' "${command[@]}" && echo && exit 0; fi
  if ! command -v sbatch >/dev/null; then fail 2 "sbatch is not on PATH: is this a login node of the cluster?"; fi
  exec "${command[@]}"
}

set_up() {  # sets bin and trainer
  bin=${GRPO_BIN:-build/release/bin}
  local name=grpo_train
  if [[ ${MAXENT:-0} == 1 ]]; then name=maxent_grpo_train; fi
  name=${TRAIN_ENTRYPOINT:-$name}
  trainer=$name
  if [[ $name != */* ]]; then trainer=$bin/$name; fi
  if [[ -z ${GRPO_BIN:-} ]] && ((!dry_run)); then bash cmake/setup.sh release; fi
  if ((setup_only)); then exit 0; fi
  if [[ ! -x $trainer ]]; then fail 2 "no trainer $trainer; 'bash training.sh --setup-only' builds the programs"; fi
}

asks_only() {  # the trainer answers and ends
  local word
  for word in "$@"; do
    case $word in --help | -h | --version | --print_config | --dry_run) return 0 ;; esac
  done
  return 1
}

is_a_rank() {  # torchrun, mpirun or srun has started this script as one of several
  [[ -n ${RANK:-} && -n ${WORLD_SIZE:-} || ${OMPI_COMM_WORLD_SIZE:-${PMI_SIZE:-1}} -gt 1 ]] ||
    [[ ${SLURM_STEP_ID:-} =~ ^[0-9]+$ && ${SLURM_STEP_NUM_TASKS:-1} -gt 1 ]]
}

find_config() {  # find_config TRAINER OPTION...: sets shown_recipe, of --config or of the environment
  shown_recipe=$recipe
  while (($#)); do
    case $1 in
      --config) shown_recipe=${2:-} ;;
      --config=*) shown_recipe=${1#--config=} ;;
    esac
    shift
  done
  if [[ -n $recipe && $shown_recipe != "$recipe" ]]; then
    fail 2 "two recipes: $recipe in the environment, and --config $shown_recipe"
  fi
}

main() {
  local setup_only=0 dry_run=0
  enter_root
  check_variables
  while (($#)); do
    case $1 in
      --setup-only) setup_only=1 ;;
      --dry-run) dry_run=1 ;;
      --submit) shift && submit "$@" ;;
      *) break ;;
    esac
    shift
  done
  set_up
  trainer_words=()
  if [[ -n $recipe ]]; then trainer_words+=(--config "$recipe"); fi
  if [[ -n ${RUN_NAME:-} ]]; then trainer_words+=(--run_name "$RUN_NAME"); fi
  if [[ -n ${SEED:-} ]]; then trainer_words+=(--seed "$SEED"); fi
  find_config "$@"
  trainer_words+=("$@")
  if asks_only "$@" || is_a_rank; then exec "$trainer" "${trainer_words[@]}"; fi

  # shellcheck source=apps/launch/plan.sh
  source apps/launch/plan.sh
  # shellcheck source=apps/launch/supervise.sh
  source apps/launch/supervise.sh
  make_plan
  if ((dry_run)); then show_commands && exit 0; fi
  if is_direct; then exec "$trainer" "${trainer_words[@]}"; fi
  run
}

main "$@"
