#!/usr/bin/env python3
"""Every C++ file of the checkout is as .clang-format says: python3 tests/checks/format_test.py. Exit code 77: no clang-format, or no git checkout."""

import concurrent.futures
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FORMATTER = next((str(p) for p in (ROOT / ".venv/bin/clang-format",) if p.exists()), shutil.which("clang-format"))


def main():
    if FORMATTER is None or not (ROOT / ".git").exists():
        print("skipped: no clang-format, or no git checkout")
        return 77
    listed = subprocess.run(["git", "ls-files", "*.cpp", "*.hpp", "*.inl"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    files = [name for name in listed if (ROOT / name).exists()]
    shares = [files[i::16] for i in range(16)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda share: subprocess.run([FORMATTER, "--dry-run", "--Werror", "--style=file", *share], cwd=ROOT, capture_output=True, text=True), shares))
    wrong = sorted({line.split(":")[0] for run in runs for line in run.stderr.splitlines() if ": error:" in line})
    for name in wrong:
        print(f"{name}: not formatted; .venv/bin/clang-format -i {name}")
    print(f"{len(files)} files, {len(wrong)} not formatted")
    return 1 if wrong or any(run.returncode for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
