#!/usr/bin/env bash
# Serve a model and ask it:  bash examples/070-serve-and-query/run.sh [MODEL]
# Starts grpo_serve on a free port of 127.0.0.1 with a key, asks it as a client of OpenAI's API would (curl), looks at what comes
# back, and ends it. MODEL: a folder, a .gguf file or a repository id. Needs curl; GRPO_BIN: the folder of the programs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
model=${1:-models/SmolLM2-135M-Instruct.Q4_1.gguf}
bin=${GRPO_BIN:-build/release/bin}
work=$(mktemp -d)
GRPO_SERVE_API_KEY=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')  # by the environment: a command line is for all to see
export GRPO_SERVE_API_KEY

: >"$work/out"
"$bin/grpo_serve" --model_name_or_path "$model" --port 0 >"$work/out" 2>"$work/err" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
for ((i = 0; i < 600; ++i)); do
  url=$(sed -n 's/^listening on //p' "$work/out")
  if [[ -n $url ]]; then break; fi
  if ! kill -0 "$server" 2>/dev/null; then cat "$work/err" >&2 && exit 1; fi
  sleep 0.1
done
if [[ -z $url ]]; then echo "no server after a minute" >&2 && exit 1; fi

ask() {  # ask ROUTE JSON
  curl -sS --fail-with-body "$url$1" -H "Authorization: Bearer $GRPO_SERVE_API_KEY" -H 'Content-Type: application/json' -d "$2"
}

echo "served at $url"
request='{"prompt": "One, two,", "max_tokens": 8, "temperature": 1.0, "seed": 1, "n": 2}'
first=$(ask /v1/completions "$request")
printf '%s\n' "$first"
# A seed says what is drawn: the same request has the same answer. Only its id and its time differ.
choices() { sed 's/.*"choices"://; s/"created".*//; s/"id":"[^"]*"//g' <<<"$1"; }
if [[ $(choices "$(ask /v1/completions "$request")") != "$(choices "$first")" ]]; then echo "another answer to the same seed" >&2 && exit 1; fi
ask /v1/chat/completions '{"messages": [{"role": "user", "content": "What is 3 + 4?"}], "max_tokens": 8, "temperature": 0}' && echo
status=$(curl -s -o /dev/null -w '%{http_code}' "$url/v1/completions" -d "$request")
echo "without the key: HTTP $status"
[[ $status == 401 ]]
