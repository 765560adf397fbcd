#!/usr/bin/env bash
# Formats and checks what is about to be committed:  bash cmake/pre_commit.sh [--install]
#
# --install makes it git's pre-commit hook of this checkout. Staged C++ is formatted in its changed lines and staged again; a file that
# also has changes that are not staged is left alone, and has to be in order by itself. Then, of what is staged: white space at ends of
# lines, conflict marks, files above 1 MB, scripts (bash -n, shellcheck), Python that does not parse, layers.
# clang-format: .venv's (cmake/versions.txt pins it), else the one on PATH; without any, C++ is not formatted and that is said.
set -euo pipefail
cd "$(git rev-parse --show-toplevel)"

if [[ ${1:-} == --install ]]; then
  hook=$(git rev-parse --git-path hooks)/pre-commit
  mkdir -p "$(dirname "$hook")"
  printf '#!/bin/sh\nexec bash cmake/pre_commit.sh\n' >"$hook"
  chmod +x "$hook"
  echo "pre-commit: installed as $hook"
  exit 0
fi

failed=0
complain() {
  printf 'pre-commit: %s\n' "$*" >&2
  failed=1
}

mapfile -d '' -t staged < <(git diff --cached --name-only --diff-filter=ACMR -z)
if ((${#staged[@]} == 0)); then exit 0; fi

# ---- format ----------------------------------------------------------------------------------------------------------
export PATH=$PWD/.venv/bin:$PATH
against=HEAD
if ! git rev-parse -q --verify HEAD >/dev/null; then against=$(git hash-object -t tree /dev/null); fi  # the first commit

changed_lines() {  # changed_lines FILE: --lines=FIRST:LAST for each stretch that differs from the last commit
  git diff --cached -U0 "$against" -- "$1" | sed -nE 's/^@@ -[0-9,]+ \+([0-9]+)(,([0-9]+))? @@.*/\1 \3/p' |
    while read -r first count; do
      if [[ ${count:-1} != 0 ]]; then echo "--lines=$first:$((first + ${count:-1} - 1))"; fi
    done
}

for file in "${staged[@]}"; do
  case $file in *.cpp | *.hpp | *.inl) ;; *) continue ;; esac
  if ! command -v clang-format >/dev/null; then
    echo "pre-commit: no clang-format, C++ is not formatted (pip install clang-format==14.0.6)" >&2
    break
  fi
  mapfile -t lines < <(changed_lines "$file")
  if ((${#lines[@]} == 0)); then continue; fi
  if git diff --quiet -- "$file"; then
    clang-format -i --style=file "${lines[@]}" "$file"
    git add -- "$file"
  elif ! git show ":$file" | clang-format --style=file --assume-filename="$file" "${lines[@]}" | cmp -s - <(git show ":$file"); then
    complain "$file: not formatted, and it has changes that are not staged: clang-format it, then stage it"
  fi
done

# ---- check -----------------------------------------------------------------------------------------------------------
git diff --cached --check >&2 || complain "white space or conflict marks, as listed"
for file in "${staged[@]}"; do
  if (($(git cat-file -s ":$file") > 1000000)); then complain "$file: above 1 MB"; fi
  case $file in
    *.sh)
      git show ":$file" | bash -n || complain "$file: does not parse"
      if command -v shellcheck >/dev/null; then git show ":$file" | shellcheck -s bash - >&2 || complain "$file: shellcheck"; fi
      ;;
    *.py) git show ":$file" | python3 -c 'import ast, sys; ast.parse(sys.stdin.read())' || complain "$file: does not parse" ;;
  esac
done
python3 cmake/check_layers.py . >&2 || complain "layers, as listed"
exit "$failed"
