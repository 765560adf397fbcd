# Starts what was planned, watches over it, and leaves nothing behind. Sourced by training.sh.
# shellcheck shell=bash
#
# The server and every rank run in process groups of their own; their output goes straight into the logs, so that no
# signal to a pipe's reader can end them. A signal to the script is passed on to the ranks.

# What is started here is told to stop even if this script is killed.
guard=()
if command -v setpriv >/dev/null; then guard=(setpriv --pdeathsig TERM --); fi
server_pid="" rank_pids=() helper_pids=() stop_reason="" stop_at=0 deadline=0

start() {  # start LOG COMMAND...: in a process group of its own; sets started
  local log=$1
  shift
  setsid "${guard[@]}" "$@" </dev/null >>"$log" 2>&1 &
  started=$!
}

alive() { kill -0 "$1" 2>/dev/null; }

exit_code() {  # exit_code PID: sets code, of a child that has ended
  code=0
  wait "$1" 2>/dev/null || code=$?
}

nap() {  # half a second, cut short by a signal
  sleep 0.5 &
  helper_pids[0]=$!
  wait "${helper_pids[0]}" || true
}

signal_group() { kill -"$1" -- "-$2" 2>/dev/null || true; }  # signal_group NAME PID

end_group() {  # end_group PID: SIGTERM, and SIGKILL after ten seconds, to the process and all that it started
  local until=$((SECONDS + 10))
  signal_group TERM "$1"
  while kill -0 -- "-$1" 2>/dev/null && ((SECONDS < until)); do sleep 0.1; done
  signal_group KILL "$1"
}

clean_up() {  # whatever way the script ends
  local pid
  trap '' INT TERM USR1
  for pid in "${rank_pids[@]}"; do signal_group KILL "$pid"; done
  if [[ -n $server_pid ]]; then end_group "$server_pid"; fi
  sleep 0.2  # what the log's follower has not shown yet
  for pid in "${helper_pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
}

stop_ranks() {  # stop_ranks WHY SIGNAL: they save and exit 75
  local pid
  stop_reason=$1 stop_at=$SECONDS deadline=$((SECONDS + STOP_GRACE))
  for pid in "${rank_pids[@]}"; do kill -"$2" "$pid" 2>/dev/null || true; done
}

on_signal() {  # on_signal NAME
  if [[ -z $stop_reason ]]; then
    say "SIG$1: the ranks save and stop, within $STOP_GRACE s"
    stop_ranks "SIG$1" "$1"
  elif ((SECONDS - stop_at >= 2 && deadline > SECONDS + 10)); then  # Slurm may say the same thing twice
    say "SIG$1 again: 10 s left"
    deadline=$((SECONDS + 10))
  fi
}

health() {  # true if GET /health is answered well; by bash, so that no proxy of the cluster is asked
  # shellcheck disable=SC2016  # the inner bash expands it
  timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/$1" && printf "GET /health HTTP/1.0\r\nHost: %s\r\n\r\n" "$0" >&3 &&
    read -r line <&3 && [[ $line == *" 200"* || $line == *" 307"* ]]' "$server_host" "$VLLM_PORT" 2>/dev/null
}

server_failed() {  # server_failed REASON: what its log says, and the reason behind it, where it is seen
  {
    echo "---- the last 80 lines of $server_log"
    tail -n 80 "$server_log"
    echo "----"
  } >&2
  fail 4 "$1"
}

start_server() {
  local begin=$SECONDS
  say "starting the server, its log is $server_log"
  start "$server_log" "${server_command[@]}"
  server_pid=$started
  until health; do
    for _ in 1 2 3 4; do  # every two seconds
      if [[ -n $stop_reason ]]; then return; fi
      if ! alive "$server_pid"; then
        exit_code "$server_pid"
        server_failed "the generation server died before it was healthy (exit code $code)"
      fi
      if ((SECONDS - begin >= VLLM_HEALTH_TIMEOUT)); then
        server_failed "the generation server was not healthy after $VLLM_HEALTH_TIMEOUT s (VLLM_HEALTH_TIMEOUT)"
      fi
      nap
    done
  done
  say "the server is healthy after $((SECONDS - begin)) s"
}

start_ranks() {
  local rank
  say "starting training, its log is $train_log"
  number_ranks
  for rank in "${numbers[@]}"; do
    rank_command "$rank"
    start "$train_log" "${command[@]}"
    rank_pids+=("$started")
  done
  # Slurm's signals go to every process of a job, and this one has to show what the ranks say about them.
  (trap '' INT TERM USR1 && exec "${guard[@]/TERM/KILL}" tail -n +1 -f "$train_log" 2>/dev/null) &
  helper_pids[1]=$!
}

watch_ranks() {  # until all have ended; sets result: the first bad exit code, or else 75 if one of them stopped, or 0
  local running=("${!rank_pids[@]}") left rank who=rank
  if ((${#train_nodes[@]})); then who="srun, which started the ranks,"; fi
  result=0
  while ((${#running[@]})); do
    left=()
    for rank in "${running[@]}"; do
      if alive "${rank_pids[rank]}"; then
        left+=("$rank")
        continue
      fi
      exit_code "${rank_pids[rank]}"
      if ((code != 0 && code != 75 && (result == 0 || result == 75))); then
        result=$code
        say "$who${numbers[rank]:+ $rank} ended with exit code $code" >&2
        if ((deadline == 0)); then deadline=$((SECONDS + (STOP_GRACE < 60 ? STOP_GRACE : 60))); fi  # the others notice it, or hang
      elif ((result == 0)); then
        result=$code
      fi
    done
    running=("${left[@]}")
    if ((${#running[@]} == 0)); then break; fi
    if ((deadline && SECONDS >= deadline)); then
      say "$who${numbers[rank]:+ ${running[*]}} did not end in time: killed" >&2
      for rank in "${running[@]}"; do signal_group KILL "${rank_pids[rank]}"; done
    fi
    if [[ -n $server_pid && -z $stop_reason ]] && ! alive "$server_pid"; then
      exit_code "$server_pid"
      server_code=$code
      say "the generation server died in the middle of training (exit code $code): the ranks save and stop" >&2
      stop_ranks server TERM
    fi
    nap
  done
}

requeue() {  # a job that was stopped from outside goes back into the queue, unless somebody else has already decided about it
  local job
  if [[ -z ${SLURM_JOB_ID:-} || ${REQUEUE:-1} != 1 || $stop_reason == SIGINT ]]; then return; fi
  job=$(scontrol show job -o "$SLURM_JOB_ID" 2>/dev/null) || return 0
  if [[ $job == *" JobState=RUNNING "* && $job == *" Requeue=1 "* && $job == *" BatchFlag=1 "* ]]; then
    say "job $SLURM_JOB_ID goes back into the queue"
    scontrol requeue "$SLURM_JOB_ID" || say "Slurm does not requeue it: submit it again to continue" >&2
  elif [[ $job =~ \ JobState=([A-Z_]+) ]]; then
    say "job $SLURM_JOB_ID is not requeued: its state is ${BASH_REMATCH[1]}"
  fi
}

run() {
  trap clean_up EXIT
  trap 'on_signal INT' INT
  trap 'on_signal TERM' TERM
  trap 'on_signal USR1' USR1
  : >>"$train_log"
  if [[ -n $server ]]; then start_server; fi
  result=75
  if [[ -z $stop_reason ]]; then
    start_ranks
    watch_ranks
  fi
  if [[ -n ${server_code:-} ]]; then
    server_failed "the generation server died in the middle of training (exit code $server_code)"
  fi
  if ((result == 75)) || [[ $result == 137 && -n $stop_reason ]]; then
    trap '' TERM USR1  # Slurm ends a job that it requeues
    requeue
  fi
  exit "$result"
}
