# What training.sh will run, worked out from what is there: GPUs, Slurm, vLLM, the recipe, what the trainer can do.
# shellcheck shell=bash
# Sourced by training.sh. Nothing is started here; whatever is wrong ends the script with one message.

# ---- what is there -------------------------------------------------------------------------------------------------

find_gpus() {  # sets gpus: what this job may use, as CUDA_VISIBLE_DEVICES names it, or all that nvidia-smi shows
  local present=() gpu seen=, list
  gpus=()
  if command -v nvidia-smi >/dev/null; then
    mapfile -t present < <(nvidia-smi --query-gpu=index,uuid --format=csv,noheader 2>/dev/null || true)
  fi
  if [[ -z ${CUDA_VISIBLE_DEVICES+set} ]]; then
    gpus=("${present[@]%%,*}")
    return
  fi
  list=${CUDA_VISIBLE_DEVICES// /}
  case $list in -1 | none | void | NoDevFiles) return ;; esac
  IFS=, read -ra gpus <<<"$list"
  for gpu in "${gpus[@]}"; do
    if [[ $seen == *",$gpu,"* ]]; then fail 2 "GPU $gpu is listed twice in CUDA_VISIBLE_DEVICES=$list"; fi
    seen+=$gpu,
    # Without nvidia-smi the list is believed; it does not show the parts of a split GPU (MIG).
    if ((${#present[@]} == 0)) || [[ $gpu == MIG-* ]]; then continue; fi
    if ! printf '%s\n' "${present[@]}" | grep -qE "^$gpu,|, $gpu"; then
      fail 2 "GPU $gpu of CUDA_VISIBLE_DEVICES=$list is absent: nvidia-smi shows $(joined "${present[@]%%,*}")"
    fi
  done
}

find_nodes() {  # sets nodes: the hosts of a Slurm job that has several
  nodes=()
  if [[ -n ${SLURM_JOB_ID:-} && ${SLURM_JOB_NUM_NODES:-1} -gt 1 ]]; then
    mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
  fi
}

ask_trainer() {  # sets abilities and resolved; a recipe with errors ends here, with the trainer's own message
  abilities=$("$trainer" --help)
  resolved=$("$trainer" --print_config "$@" 2>/dev/null) || exec "$trainer" --print_config "$@" >/dev/null
}

can() { [[ $abilities == *"--$1 "* ]]; }  # can OPTION: the trainer has it

read_option() {  # read_option NAME: sets value, and named if a recipe or the command line gave it
  local pattern="(^|"$'\n'")$1 = ([^"$'\n'"]*[^ ]) +# ([^#"$'\n'"]*)"
  value="" named=0
  if [[ $resolved =~ $pattern ]]; then
    value=${BASH_REMATCH[2]#\"}
    value=${value%\"}
    if [[ ${BASH_REMATCH[3]} != default && ${BASH_REMATCH[3]} != built-in* ]]; then named=1; fi
  fi
}

program() {  # program NAME: prints where it is; fails if it is nowhere
  command -v "$1" || { [[ -x .venv/bin/$1 ]] && echo ".venv/bin/$1"; }
}

needs_answers() {  # what the trainer can do and what the recipe says matters only where several processes may run
  [[ -n ${SLURM_JOB_ID:-} || ${NPROC:-1} != 1 || ${VLLM_SERVER_IMPL:-none} != none ]] || ((${#gpus[@]} > 1))
}

# ---- what will run -------------------------------------------------------------------------------------------------

choose_server() {  # sets server: trl, vllm, grpo_serve or nothing; and generation, which says why
  local option
  server="" generation="no server is started"
  for option in vllm_server_base_url vllm_server_host vllm_url; do
    read_option "$option"
    if ((named)) && [[ -z ${VLLM_SERVER_IMPL:-} ]]; then
      generation="by the server of --$option $value, which must run already"
      return
    fi
  done
  if [[ -n ${VLLM_SERVER_IMPL:-} ]]; then
    want_server "$VLLM_SERVER_IMPL"
    return
  fi
  read_option use_vllm
  if ((named)) && [[ $value == false ]]; then return; fi
  read_option vllm_mode
  if ((named)) && [[ $value == colocate ]]; then return; fi
  if ((${#gpus[@]} == 0 || ${#gpus[@]} < 2 && ${#nodes[@]} == 0)); then return; fi
  if ! program vllm >/dev/null && ! program trl >/dev/null; then
    generation+=" (no vLLM installed)"
  elif ! can vllm_server_base_url; then
    generation+=" (vLLM is installed, but ${trainer##*/} has no --vllm_server_base_url)"
  elif program vllm >/dev/null; then
    server=vllm
  else
    server=trl
  fi
}

want_server() {  # want_server NAME: the user's choice is carried out or refused
  if [[ $1 == none ]]; then return; fi
  if ! can vllm_server_base_url; then
    fail 2 "VLLM_SERVER_IMPL=$1: ${trainer##*/} cannot use a server (it has no --vllm_server_base_url)"
  fi
  if [[ $1 == grpo_serve ]]; then
    if [[ ! -x $bin/grpo_serve ]]; then fail 2 "VLLM_SERVER_IMPL=grpo_serve: there is no $bin/grpo_serve"; fi
  elif ! program "$1" >/dev/null; then
    fail 2 "VLLM_SERVER_IMPL=$1: $1 is neither on PATH nor in .venv/bin"
  fi
  server=$1
}

choose_gpus() {  # sets server_gpus, train_gpus and train_nodes
  local share=$VLLM_TP_SIZE
  server_gpus=() train_gpus=("${gpus[@]}") train_nodes=("${nodes[@]}")
  if [[ -z $server ]]; then return; fi
  if [[ $server == grpo_serve ]]; then share=$((${#gpus[@]} > 1)); fi
  if ((${#nodes[@]})); then  # the last node serves
    unset 'train_nodes[-1]'
    server_gpus=("${gpus[@]:0:share}")
  else
    server_gpus=("${gpus[@]:0:share}") train_gpus=("${gpus[@]:share}")
    if [[ $server != grpo_serve ]] && ((${#train_gpus[@]} == 0)); then
      fail 2 "too few GPUs: $server needs $share (VLLM_TP_SIZE) and training at least 1, but there are ${#gpus[@]}"
    fi
  fi
  if ((${#server_gpus[@]} < share)); then
    fail 2 "too few GPUs: VLLM_TP_SIZE=$share, but the node that serves has ${#gpus[@]}"
  fi
}

choose_ranks() {  # sets nproc (on each node) and ranks (of all nodes)
  local hosts=${#train_nodes[@]}
  if ((hosts == 0)); then hosts=1; fi
  nproc=${NPROC:-${#train_gpus[@]}}
  if ((nproc == 0)); then nproc=1; fi
  if ((${#gpus[@]} && nproc > ${#train_gpus[@]})); then
    fail 2 "too few GPUs: NPROC=$nproc ranks, but ${#train_gpus[@]} GPUs to train on"
  fi
  ranks=$((nproc * hosts))
  if ((ranks > 1)) && ! can ddp_timeout; then
    if [[ -n ${NPROC:-} ]] || ((hosts > 1)); then
      fail 2 "${trainer##*/} trains on one rank only (it has no --ddp_timeout), but $ranks are wanted"
    fi
    say "${trainer##*/} trains on one rank only (it has no --ddp_timeout): $((nproc - 1)) GPUs stay idle"
    nproc=1 ranks=1
  fi
}

choose_model() {  # sets served, and tells the trainer of it where nothing else names a model
  read_option model_name_or_path
  served=$value
  if [[ -n ${VLLM_MODEL:-} ]]; then
    served=$VLLM_MODEL
    if ((named)) && [[ $value != "$served" ]]; then
      fail 2 "VLLM_MODEL=$served, but the run trains $value: the server must serve the model that is trained"
    fi
  elif ((!named)) && [[ $server != grpo_serve || -z $served ]]; then
    served=Qwen/Qwen2.5-1.5B-Instruct
  fi
  if [[ $served != "$value" ]]; then trainer_words+=(--model_name_or_path "$served"); fi
  check_model "$served"
}

check_model() {  # check_model NAME: a folder, a file or a repository id
  local cache=${HF_HUB_CACHE:-${HF_HOME:-${HOME:-}/.cache/huggingface}/hub}
  if [[ -f $1 || -f $1/config.json ]]; then return; fi
  if [[ -d $1 ]]; then fail 3 "model not found: $1 holds no config.json"; fi
  if [[ ! $1 =~ ^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9._-]+$ || $1 == *.gguf || -d ${1%%/*} ]]; then
    fail 3 "model not found: $1 is no folder, no file and no repository id"
  fi
  if [[ ${HF_HUB_OFFLINE:-0} == 1 && ! -d $cache/models--${1/\//--} ]]; then
    fail 3 "model not found: HF_HUB_OFFLINE=1, and $1 is not in $cache"
  fi
}

# shellcheck disable=SC2016  # the inner bash expands it
port_is_taken() { timeout 2 bash -c ': <>"/dev/tcp/$0/$1"' "$1" "$2" 2>/dev/null; }  # port_is_taken HOST PORT

check_ports() {
  if [[ -n $server ]] && port_is_taken "$server_host" "$VLLM_PORT"; then
    fail 2 "VLLM_PORT=$VLLM_PORT is in use on $server_host: set VLLM_PORT to a free port"
  fi
  if ((ranks > 1)) && port_is_taken "$master" "$MASTER_PORT"; then
    fail 2 "MASTER_PORT=$MASTER_PORT is in use on $master: set MASTER_PORT to a free port"
  fi
}

plan_server() {  # sets server_command and generation, and tells the trainer where the server is
  local bind=127.0.0.1 extra=() variables=() words
  read -ra extra <<<"${VLLM_EXTRA_ARGS:-}"
  if ((${#nodes[@]})); then bind=0.0.0.0; fi
  case $server in
    vllm)  # new weights come through the endpoints of its developer mode; log-probs of what was really sampled from
      variables=(VLLM_SERVER_DEV_MODE=1 VLLM_WORKER_MULTIPROC_METHOD=spawn)
      words=("$(program vllm)" serve "$served" --host "$bind" --port "$VLLM_PORT" --dtype float16
        --tensor-parallel-size "$VLLM_TP_SIZE" --max-model-len "$VLLM_MAX_LEN" --gpu-memory-utilization "$VLLM_MEM_UTIL"
        --logprobs-mode processed_logprobs --max-logprobs -1 --weight-transfer-config '{"backend":"nccl"}')
      ;;
    trl)
      words=("$(program trl)" vllm-serve --model "$served" --host "$bind" --port "$VLLM_PORT" --dtype float16
        --tensor_parallel_size "$VLLM_TP_SIZE" --max_model_len "$VLLM_MAX_LEN" --gpu_memory_utilization "$VLLM_MEM_UTIL")
      ;;
    grpo_serve) words=("$bin/grpo_serve" --model_name_or_path "$served" --host "$bind" --port "$VLLM_PORT" --enable_weight_updates) ;;
  esac
  if ((${#server_gpus[@]})); then variables+=("CUDA_VISIBLE_DEVICES=$(joined "${server_gpus[@]}")"); fi
  server_command=(env "${variables[@]}" "${words[@]}" "${extra[@]}")
  if ((${#nodes[@]})); then
    server_command=(srun --nodes=1 --ntasks=1 --nodelist="${nodes[-1]}" --overlap
      --cpus-per-task="$cores" --kill-on-bad-exit=0 "${server_command[@]}")
  fi
  generation="$server with $served, at http://$server_host:$VLLM_PORT"
  if ((${#server_gpus[@]})); then generation+=", on GPU $(joined "${server_gpus[@]}")"; fi
  trainer_words+=(--use_vllm true --vllm_server_base_url "http://$server_host:$VLLM_PORT")
}

number_ranks() {  # sets numbers: the ranks to start here; one without a number where srun starts and numbers them all
  if ((${#train_nodes[@]})); then numbers=(""); else mapfile -t numbers < <(seq 0 $((ranks - 1))); fi
}

rank_command() {  # rank_command RANK: sets command
  command=(env "MASTER_ADDR=$master" "MASTER_PORT=$MASTER_PORT" "OMP_NUM_THREADS=${OMP_NUM_THREADS:-$threads}")
  if [[ -n $1 ]]; then command+=("RANK=$1" "LOCAL_RANK=$1" "WORLD_SIZE=$ranks" "LOCAL_WORLD_SIZE=$ranks"); fi
  if ((${#train_gpus[@]})); then command+=("CUDA_VISIBLE_DEVICES=$(joined "${train_gpus[@]:0:nproc}")"); fi
  command+=("$trainer" "${trainer_words[@]}")
  if [[ -n $1 ]]; then return; fi
  # Ranks notice a lost rank by themselves; srun must not end those that are still saving.
  command=(srun --nodes="${#train_nodes[@]}" --ntasks="$ranks" --ntasks-per-node="$nproc"
    --nodelist="$(joined "${train_nodes[@]}")" --overlap --cpus-per-task="$threads" --kill-on-bad-exit=0 --wait=0 "${command[@]}")
}

show_plan() {
  local libtorch where="the CPU" job="no job"
  libtorch=$(compgen -G '.venv/lib/python3*/site-packages/torch-*.dist-info' | head -n 1) || true
  libtorch=${libtorch##*/torch-} libtorch=${libtorch%.dist-info}
  if [[ -n ${Torch_DIR:-} ]]; then libtorch="of Torch_DIR=$Torch_DIR"; fi
  if ((${#train_gpus[@]})); then
    if [[ $(ldd "$trainer" 2>/dev/null) == *libtorch_cuda* ]]; then
      where="GPUs $(joined "${train_gpus[@]:0:nproc}")"
    else
      where="the CPU (${trainer##*/} is built without CUDA)"
    fi
  fi
  if ((${#train_nodes[@]})); then where+=" of each of $(joined "${train_nodes[@]}")"; fi
  if [[ -n ${SLURM_JOB_ID:-} ]]; then
    job="job $SLURM_JOB_ID on ${SLURM_JOB_NODELIST:-this node}, restarted ${SLURM_RESTART_COUNT:-0} times"
  fi
  say "GPUs        $(joined "${gpus[@]:-none}")"
  say "Slurm       $job"
  say "libtorch    ${libtorch:-what the programs of $bin were built with}"
  say "generation  $generation"
  say "recipe      ${shown_recipe:-the built-in quick start}"
  say "training    ${trainer##*/}: $ranks rank(s) on $where"
}

name_logs() {  # sets train_log and server_log
  local name time
  name=${shown_recipe:-quickstart}
  name=${name##*/}
  read_option run_name
  name=${value:-${name%.*}} name=${name//\//_}
  time=$(date +%Y%m%d_%H%M%S)
  train_log=${LOG_PREFIX}_train_${name}_$time.log
  server_log=${LOG_PREFIX}_vllm_${name}_$time.log
  mkdir -p "$(dirname "$train_log")"
}

is_direct() {  # one rank, no server, in nobody's queue: nothing to watch over, and the terminal is the trainer's
  [[ $ranks == 1 && -z $server && -z ${SLURM_JOB_ID:-} ]]
}

show_commands() {  # what --dry-run prints: one command a line, in the order they start
  local rank numbers
  if [[ -n $server ]]; then printf '%q ' "${server_command[@]}" && echo ">>$server_log 2>&1 &"; fi
  if is_direct; then
    printf '%q ' "$trainer" "${trainer_words[@]}" && echo
    return
  fi
  number_ranks
  for rank in "${numbers[@]}"; do
    rank_command "$rank"
    printf '%q ' "${command[@]}" && echo ">>$train_log 2>&1 &"
  done
}

make_plan() {  # everything above, in order
  find_gpus
  abilities="" resolved=""
  if needs_answers; then ask_trainer "${trainer_words[@]}"; fi
  find_nodes
  choose_server
  choose_gpus
  choose_ranks
  cores=${SLURM_CPUS_PER_TASK:-$(nproc)}
  threads=$((cores > nproc ? cores / nproc : 1))
  master=127.0.0.1 server_host=127.0.0.1
  if ((${#nodes[@]})); then master=${train_nodes[0]} server_host=${nodes[-1]}; fi
  if [[ -n $server ]]; then
    choose_model
    plan_server
  fi
  name_logs
  check_ports
  show_plan
}
