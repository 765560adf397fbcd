"""Several ranks of grpo_train as real processes: what the tests of many ranks share. Standard library only."""

import json
import os
import socket
import subprocess
import time

from case import ROOT, Case

ALL_END_WITHIN = 30  # seconds


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Ranks:
    """One process for each command, started by hand."""

    def __init__(self, commands):
        self.port = free_port()
        environment = {**os.environ, "WORLD_SIZE": str(len(commands)), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(self.port)}
        self.processes = [subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                           env={**environment, "RANK": str(rank)}) for rank, command in enumerate(commands)]

    def wait(self, timeout=120):
        """Exit codes, stdout and stderr of each; a rank that does not end is killed and fails the test."""
        end, codes, outs, errs = time.monotonic() + timeout, [], [], []
        try:
            for process in self.processes:
                out, err = process.communicate(timeout=max(0.1, end - time.monotonic()))
                codes, outs, errs = codes + [process.returncode], outs + [out], errs + [err]
        finally:
            for process in self.processes:
                if process.poll() is None:
                    process.kill()
        return codes, outs, errs


class RankCase(Case):
    def ranks(self, out, size, *words):
        """24 completions in each step, whatever the number of ranks."""
        return Ranks([self.command(out, "--per_device_train_batch_size", 24 // size, "--max_steps", 8, *words)] * size)

    def run_ranks(self, out, size, *words):
        codes, outs, errs = self.ranks(out, size, *words).wait()
        self.assertEqual(codes, [0] * size, errs)
        return outs

    def until_step(self, out, step, timeout=60):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            path = out / "metrics.jsonl"
            if path.exists() and path.read_text().count("\n") >= step:
                return
            time.sleep(0.02)
        self.fail(f"no step {step} within {timeout} s")

    def assert_same_course(self, one, other):
        self.assertEqual([line["step"] for line in one], [line["step"] for line in other])
        for a, b in zip(one, other):
            for key in ("loss", "reward", "grad_norm", "completions/mean_length", "kl", "num_tokens"):
                self.assertAlmostEqual(a[key], b[key], delta=1e-4 * abs(a[key]) + 1e-7, msg=f"{key} at step {a['step']}")

    def first_completions(self, out):
        lines = (out / "completions/step-000001.jsonl").read_text().splitlines()
        return [[c["ids"] for c in json.loads(line)["completions"]] for line in lines]
