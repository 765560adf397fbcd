#!/usr/bin/env bash
# clang-tidy with the repository's checks:  bash cmake/tidy.sh FILE_OR_FOLDER...     (build/dev has to be configured)
# One file at a time at low priority: each reads libtorch's headers. Ends with 1 if there is a finding.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [[ ! -f build/dev/compile_commands.json ]]; then echo "no build/dev/compile_commands.json: bash cmake/setup.sh dev" >&2 && exit 2; fi
if ! command -v clang-tidy >/dev/null; then echo "no clang-tidy: apt-get install clang-tidy" >&2 && exit 2; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The precompiled header is g++'s, and so are some warnings' names: clang reads the sources without them.
python3 - "$work/compile_commands.json" <<'END'
import json, re, sys
commands = json.load(open("build/dev/compile_commands.json"))
for entry in commands:
    entry["command"] = re.sub(r" -Winvalid-pch| -include \S*cmake_pch\S*| -Werror| -fopenmp| -Wno-restrict| -Wno-class-memaccess", "", entry["command"])
json.dump(commands, open(sys.argv[1], "w"))
END
mapfile -t files < <(find "$@" -name '*.cpp' | sort)
code=0
for file in "${files[@]}"; do
  nice -n 15 clang-tidy -p "$work" --quiet "$file" 2>/dev/null | grep -v '^$' && code=1
done
exit "$code"
