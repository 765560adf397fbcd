#!/usr/bin/env python3
"""What each rank of a run needs, stage by stage: python3 benchmarks/ranks.py [--bin FOLDER] [--ranks 1,2,4] [--stages 0,1,2,3]

Ranks are processes of this machine with one thread each, SmolLM2-135M in float32 on the built-in sums, with an entropy term so that every completion has a gradient. Prints a Markdown table: peak
resident memory of the rank with most and of the others (getrusage, of the process), and medians over steps of what metrics.jsonl says
of rank 0. docs/scaling.md has a copy. Standard library only.
"""

import argparse
import json
import os
import pathlib
import socket
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
MODEL = ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf"
COMPLETIONS, STEPS = 16, 3
PHASES = ("sample", "train", "sum", "optimizer")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(folder, ranks, stage, out):
    """(peak bytes of each rank, lines of metrics.jsonl)"""
    command = [folder / "grpo_train", "--model_name_or_path", MODEL, "--dataset_name", "sums", "--num_generations", "4", "--per_device_train_batch_size",
               str(COMPLETIONS // ranks), "--min_completion_length", "32", "--max_completion_length", "32", "--max_steps", str(STEPS), "--save_strategy", "no",
               "--entropy_coef", "0.001", "--html_report", "false", "--zero_stage", str(stage), "--output_dir", out]
    around = {**os.environ, "OMP_NUM_THREADS": "1", "WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    with open(out.with_suffix(".log"), "w") as log:
        started = [subprocess.Popen(list(map(str, command)), env={**around, "RANK": str(rank)}, stdout=log, stderr=log, cwd=ROOT) for rank in range(ranks)]
        peaks = []
        for process in started:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            peaks.append(usage.ru_maxrss * 1024)
    if any(process.returncode for process in started):
        raise SystemExit(f"a rank failed:\n{out.with_suffix('.log').read_text()[-2000:]}")
    return peaks, [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    options.add_argument("--ranks", default="1,2,4")
    options.add_argument("--stages", default="0,1,2,3")
    given = options.parse_args()
    print("| ranks | `zero_stage` | most, GB | least, GB | " + " | ".join(f"{name}, s" for name in PHASES) + " |")
    print("|" + "---|" * (4 + len(PHASES)))
    with tempfile.TemporaryDirectory() as scratch:
        for ranks in map(int, given.ranks.split(",")):
            for stage in map(int, given.stages.split(",")) if ranks > 1 else [0]:
                peaks, lines = run(given.bin.resolve(), ranks, stage, pathlib.Path(scratch) / f"{ranks}-{stage}")
                seconds = [statistics.median(line.get(f"time/{name}", 0.0) for line in lines[1:]) for name in PHASES]
                print(f"| {ranks} | {stage} | {max(peaks) / 1e9:.2f} | {min(peaks) / 1e9:.2f} | " + " | ".join(f"{s:.2f}" for s in seconds) + " |", flush=True)


if __name__ == "__main__":
    main()
