#!/usr/bin/env python3
"""One of four ranks is killed in each phase of a step, or gets a signal while it samples: python3 tests/e2e/kill_ranks_test.py FOLDER_WITH_THE_PROGRAMS

Which phase a rank is in is what it tells the other ranks, at their meeting point; this test reads it there. Needs torch.
"""

import datetime
import json
import pathlib
import signal
import socket
import sys
import time
import unittest

import torch.distributed as distributed

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from ranks import ALL_END_WITHIN, RankCase  # noqa: E402

VICTIM, RANKS = 2, 4
PHASES = {"sample": 3, "reward": 0, "reference": 1, "train": 2, "optimizer": 2, "checkpoint": 1}  # with which zero_stage


class KillRanks(RankCase):
    def phase_of(self, store):
        return store.get(f"watch/beat/{VICTIM}").decode().split("\n")[3]

    def signal_in(self, phase, ranks, number):
        """Stops the victim as it tells the phase, looks whether it is still in it, and only then sends the signal."""
        store = distributed.TCPStore("127.0.0.1", ranks.port, None, False, datetime.timedelta(seconds=30), wait_for_workers=False)
        victim, end = ranks.processes[VICTIM], time.monotonic() + 60
        while time.monotonic() < end:
            if self.phase_of(store) != phase:
                continue
            victim.send_signal(signal.SIGSTOP)
            while pathlib.Path(f"/proc/{victim.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
                time.sleep(0.001)
            if self.phase_of(store) == phase:
                victim.send_signal(number)
                victim.send_signal(signal.SIGCONT)
                return time.monotonic()
            victim.send_signal(signal.SIGCONT)
            time.sleep(0.01)
        self.fail(f"never met in {phase}")

    def killed_and_resumed(self, phase):
        out = self.dir / phase
        words = ("--zero_stage", PHASES[phase], "--save_steps", 1, "--save_total_limit", 2)
        ranks = self.ranks(out, RANKS, *words, "--max_steps", 100000)
        try:
            self.until_step(out, 2)
            killed = self.signal_in(phase, ranks, signal.SIGKILL)
            codes, _, errs = ranks.wait(ALL_END_WITHIN - (time.monotonic() - killed))
        finally:
            for process in ranks.processes:
                if process.poll() is None:
                    process.kill()
        for rank in range(RANKS):
            if rank == VICTIM:
                self.assertEqual(codes[rank], -signal.SIGKILL)
                continue
            self.assertEqual(codes[rank], 4, errs[rank])
            self.assertIn(f"rank {VICTIM} of {RANKS} on {socket.gethostname()} is gone", errs[rank])
            self.assertIn(f'it was last in phase "{phase}"', errs[rank])
        done = len(self.metrics(out))
        self.run_ranks(out, RANKS, *words, "--max_steps", done + 2)
        self.assertEqual([line["step"] for line in self.metrics(out)], list(range(1, done + 3)))

    def test_signal_while_sampling_stops_the_step_and_loses_nothing(self):
        straight = self.dir / "undisturbed"
        longer = ("--max_steps", 20)
        self.run_ranks(straight, RANKS, *longer)
        out = self.dir / "disturbed"
        finished = []
        for step, number in ((2, signal.SIGTERM), (5, signal.SIGUSR1), (8, signal.SIGTERM), (11, signal.SIGUSR1), (14, signal.SIGTERM)):
            ranks = self.ranks(out, RANKS, *longer)
            self.until_step(out, step)
            self.signal_in("sample", ranks, number)
            codes, _, errs = ranks.wait(ALL_END_WITHIN)
            self.assertEqual(codes, [75] * RANKS, errs)
            last = max(out.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
            kept = last / "finished.jsonl"  # none if the signal came before the first group had ended, or behind the last
            finished += [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
            if finished and number == signal.SIGUSR1:
                break
        self.assertGreater(len(finished), 0, "what the ranks had finished when they heard of it")
        self.assertTrue(all(len(group["completions"]) == 4 for group in finished))
        self.run_ranks(out, RANKS, *longer)
        self.assertEqual(self.metrics(straight), self.metrics(out))

    def test_sample(self):
        self.killed_and_resumed("sample")

    def test_reward(self):
        self.killed_and_resumed("reward")

    def test_reference(self):
        self.killed_and_resumed("reference")

    def test_train(self):
        self.killed_and_resumed("train")

    def test_optimizer(self):
        self.killed_and_resumed("optimizer")

    def test_save(self):
        self.killed_and_resumed("checkpoint")


if __name__ == "__main__":
    unittest.main()
