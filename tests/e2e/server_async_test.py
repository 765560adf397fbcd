#!/usr/bin/env python3
"""Generation by grpo_serve beside training: python3 tests/e2e/server_async_test.py FOLDER_WITH_THE_PROGRAMS

How old weights may be, that every prompt is trained on once, also when a signal or kill -9 comes in between, and what is refused.
Standard library only.
"""

import json
import pathlib
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from case import ROOT  # noqa: E402
from served import ServedCase  # noqa: E402

BESIDE = ("--async_generation", "true", "--max_staleness_steps", 2)


class BesideTraining(ServedCase):
    def prompts(self, out):
        """Ids of the prompts of each step, in order."""
        return [[tuple(json.loads(line)["prompt_ids"]) for line in path.read_text().splitlines()]
                for path in sorted((out / "completions").glob("step-*.jsonl"))]

    def in_turn(self, steps):
        """The prompts of a run by the engine in the process."""
        out = self.dir / f"in_turn{steps}"
        if not out.exists():
            self.train(out, "--log_completions", "--max_steps", steps)
        return self.prompts(out)

    def test_staleness_is_bounded_and_prompts_come_in_order(self):
        out = self.dir / "beside"
        self.train(out, *self.by(self.serve()), *BESIDE, "--log_completions", "--max_steps", 12)
        lines = self.metrics(out)
        self.assertEqual(len(lines), 12)
        stale = [line["sampling/staleness"] for line in lines]
        self.assertTrue(all(0 <= age <= 2 for age in stale), stale)
        self.assertGreater(max(stale), 0, "batches were begun ahead of their turn")
        self.assertEqual(stale, [step - line["sampling/weight_version"] for step, line in enumerate(lines)])
        self.assertTrue(all("sampling/importance_sampling_ratio/mean" in line for line in lines), "older weights are corrected for")
        self.assertEqual(self.prompts(out), self.in_turn(12))

    def test_with_no_staleness_it_is_the_run_in_turn(self):
        out = self.dir / "fresh"
        self.train(out, *self.by(self.serve()), "--async_generation", "true", "--max_staleness_steps", 0, "--log_completions", "--max_steps", 6)
        self.assertEqual([line["sampling/staleness"] for line in self.metrics(out)], [0] * 6)
        self.assertEqual(self.prompts(out), self.in_turn(6))

    def interrupted(self, number, code):
        """A run of 30 steps that gets a signal twice."""
        out, server = self.dir / f"signal{number}", self.serve()
        for step in (6, 14):
            process = subprocess.Popen(self.command(out, *self.by(server), *BESIDE, "--log_completions", "--save_steps", 5, "--max_steps", 30),
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT)
            self.addCleanup(process.kill)
            self.until(lambda: self.steps(out) >= step or process.poll() is not None)
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, code, err)
            if code == 75:
                newest = max(out.glob("checkpoint-*"), key=lambda folder: int(folder.name.split("-")[1]))
                self.assertTrue((newest / "finished.jsonl").exists(), "batches that wait are in the checkpoint")
        self.train(out, *self.by(server), *BESIDE, "--log_completions", "--save_steps", 5, "--max_steps", 30)
        self.assertEqual([line["step"] for line in self.metrics(out)], list(range(1, 31)))
        self.assertTrue(all(0 <= line["sampling/staleness"] for line in self.metrics(out)))
        self.assertEqual(self.prompts(out), self.in_turn(30), "no prompt is left out, none comes twice")

    def test_a_signal_keeps_the_batches_that_wait(self):
        self.interrupted(signal.SIGTERM, 75)

    def test_kill_9(self):
        self.interrupted(signal.SIGKILL, -9)

    def test_what_is_refused(self):
        for words, why in ((("--async_generation", "true"), "samples on a server while this process trains"),
                           ((*self.by(self.serve()), *BESIDE, "--vllm_sync_interval_steps", 4), "too rarely for a batch ever to be begun")):
            _, err = self.train(self.dir / "refused", *words, code=2)
            self.assertIn(why, err)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
