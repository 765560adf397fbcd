#!/usr/bin/env python3
"""Holds the library against its map: python3 cmake/check_layers.py [REPOSITORY]

Prints one "file:line: what is wrong" per violation and exits 1 if there is any. Rules, for every file under libgrpo/:
  - a room includes only rooms of a lower layer, or itself; paths start at the repository root ("libgrpo/room/file.hpp")
  - rooms of grpo::core include neither torch nor a room outside grpo::core
  - public headers include no third-party header that a user would then need
  - the library never prints, exits or aborts
Plain text search on code without comments and strings; no preprocessor runs.
"""

import pathlib
import re
import sys

# Layer of each room; the rooms of grpo::core come first. docs/tour.md draws the same map.
CORE = {"base": 0, "types": 1, "config": 1, "metrics": 1, "format": 1, "text": 2, "data": 3, "reward": 3, "eval": 4, "hub": 4}
TORCH = {"tensor": 1, "dist": 1, "rollout": 2, "objective": 3, "policy": 3, "sampler": 4, "checkpoint": 4, "trainer": 5,
         "remote": 5, "serve": 5, "assemble": 6}
LAYER = {**CORE, **TORCH}

TORCH_HEADER = re.compile(r"(ATen|torch|c10|caffe2)/")
# In a .cpp they are fine. ATen/ATen.h and torch/torch.h cost 10 and 30 s in every file that includes the header.
PRIVATE_HEADER = re.compile(
    r"toml\+\+/|toml\.hpp|yaml-cpp/|CLI/|nlohmann/|fmt/|boost/|pcre2|Eigen/|unsupported/Eigen/|"
    r"torch/(torch|extension|all|nn)\.h|ATen/ATen\.h")
FORBIDDEN_CALL = re.compile(
    r"\bstd\s*::\s*(cout|cerr|clog|wcout|wcerr|terminate)\b"
    r"|(?<![\w.>:~])(?:(?:std)?\s*::\s*)?(printf|fprintf|vprintf|vfprintf|puts|putchar|perror|exit|quick_exit|abort)\s*\(")

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
COMMENT = re.compile(r'R"([^\s()\\]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*.*?\*/', re.DOTALL)


def blank(text, strings):
    """The text without comments, and without strings too if asked; every line keeps its number."""
    def replace(match):
        is_comment = match.group().startswith("/")
        return "\n" * match.group().count("\n") if is_comment or strings else match.group()
    return COMMENT.sub(replace, text)


def check_include(room, is_header, quoted, angled):
    """What is wrong with one include of a file in this room; None if nothing is."""
    target = quoted or angled
    if quoted and not target.startswith("libgrpo/"):
        return f'"{target}": write the path from the repository root, "libgrpo/room/file.hpp"'
    if target.startswith("libgrpo/"):
        parts = target.split("/")
        other = parts[1] if len(parts) > 2 else None
        if other is None:
            return f'"{target}" is the umbrella for users; include the header that is meant'
        if other not in LAYER:
            return f'"{target}": no room "{other}" on the map'
        if room != other and LAYER[other] >= LAYER[room]:
            return f'"{target}": {room}/ (layer {LAYER[room]}) may not include {other}/ (layer {LAYER[other]})'
        if room in CORE and other not in CORE:
            return f'"{target}": {room}/ is part of grpo::core, {other}/ is not'
        return None
    if room in CORE and TORCH_HEADER.match(target):
        return f"<{target}>: {room}/ is part of grpo::core, which is torch-free"
    if is_header and PRIVATE_HEADER.match(target):
        return f"<{target}> in a public header: move it to the .cpp"
    return None


def check_file(path, root):
    """All violations of one file, as lines of text."""
    relative = path.relative_to(root)
    room = relative.parts[1] if len(relative.parts) > 2 else None
    if room is None:
        return []  # the umbrella header shows every room
    if room not in LAYER:
        return [f'{relative}:1: no room "{room}" on the map: give it a layer in cmake/check_layers.py and docs/tour.md']
    is_header = path.suffix == ".hpp" and path.name != "precompiled.hpp"
    text = path.read_text(encoding="utf-8", errors="replace")
    found = []
    for number, line in enumerate(blank(text, strings=False).split("\n"), 1):
        include = INCLUDE.match(line)
        problem = check_include(room, is_header, *include.groups()) if include else None
        if problem:
            found.append(f"{relative}:{number}: {problem}")
    for number, line in enumerate(blank(text, strings=True).split("\n"), 1):
        call = FORBIDDEN_CALL.search(line)
        if call:
            found.append(f"{relative}:{number}: {call.group().strip(' (')}: the library never prints, exits or aborts")
    return found


def main(arguments):
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parent.parent).resolve()
    files = sorted(p for p in (root / "libgrpo").rglob("*") if p.suffix in (".hpp", ".cpp", ".h", ".cc", ".inl"))
    if not files:
        print(f"{root}: no sources under libgrpo/")
        return 1
    found = [line for path in files for line in check_file(path, root)]
    print("\n".join(found + [f"check_layers: {len(files)} files, {len(found)} violations"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
