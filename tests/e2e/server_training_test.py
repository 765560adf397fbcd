#!/usr/bin/env python3
"""Runs that sample with grpo_serve on loopback: python3 tests/e2e/server_training_test.py FOLDER_WITH_THE_PROGRAMS

The same run by the engine in the process and by a server, on one rank and on two; weights at every step; what happens where the server
is none, takes no weights, or starts anew in the middle. Standard library only.
"""

import pathlib
import subprocess
import sys
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / name) for name in ("launch", "e2e")]
from case import BIN, ROOT  # noqa: E402
from stubs import Checkout  # noqa: E402
from served import ServedCase, free_port  # noqa: E402

STEPS = 8
# The server does not send entropies: the run takes those of its own pass, which may differ in the last bits.
OWN = ("entropy", "sampling/weight_version")


class ServedTraining(ServedCase):
    def alone(self):
        """The run without a server; made once."""
        if not hasattr(ServedTraining, "straight"):
            ServedTraining.straight = self.dir / "alone"
            self.train(ServedTraining.straight, "--log_completions", "--max_steps", STEPS)
        return ServedTraining.straight

    def assert_same_run(self, out, alone):
        self.assertEqual(self.completions(out)[0], self.completions(alone)[0], "texts, ids, log-probs, rewards, advantages: to the last bit")
        ours, theirs = self.metrics(out), self.metrics(alone)
        for line, other in zip(ours, theirs, strict=True):
            self.assertAlmostEqual(line["entropy"], other["entropy"], places=5)
            self.assertEqual({k: v for k, v in line.items() if k not in OWN}, {k: v for k, v in other.items() if k not in OWN})
        self.assertEqual((out / "model.safetensors").read_bytes(), (alone / "model.safetensors").read_bytes())

    def test_a_server_gives_the_run_of_the_engine_in_the_process(self):
        out, server = self.dir / "served", self.serve()
        said, _ = self.train(out, *self.by(server), "--log_completions", "--max_steps", STEPS)
        self.assertIn(f"sampling   by {server.url}", said)
        self.assert_same_run(out, self.alone())
        self.assertGreater(min(line["grad_norm"] for line in self.metrics(out)), 0.0, "a run that learns")
        self.assertEqual([line["sampling/weight_version"] for line in self.metrics(out)], list(range(STEPS)), "weights of every step")
        self.assertEqual(set(self.completions(out)[1]), set(range(STEPS)))
        self.assertFalse((out / "weights_for_servers").exists(), "nothing is left behind")

    def test_adapters_arrive_merged(self):
        lora = ("--use_peft", "true", "--lora_r", 4, "--lora_target_modules", "all-linear", "--lora_dropout", 0, "--log_completions", "--max_steps", 4)
        here, there = self.dir / "lora_here", self.dir / "lora_there"
        self.train(here, *lora)
        self.train(there, *self.by(self.serve()), *lora)
        versions = [line["sampling/weight_version"] for line in self.metrics(there)]
        self.assertEqual(versions, list(range(4)))
        ours, theirs = self.metrics(there), self.metrics(here)
        for line, other in zip(ours, theirs, strict=True):  # a merged model rounds otherwise than one with adapters beside it
            self.assertAlmostEqual(line["reward"], other["reward"], places=4)
            self.assertLess(line["sampling/sampling_logp_difference/mean"], 1e-4)

    def test_two_ranks_ask_for_their_own_prompts(self):
        one, two, server = self.dir / "one", self.dir / "two", self.serve()
        self.train(one, "--log_completions", "--max_steps", STEPS, "--per_device_train_batch_size", 4, ranks=2)
        self.train(two, *self.by(server), "--log_completions", "--max_steps", STEPS, "--per_device_train_batch_size", 4, ranks=2)
        self.assert_same_run(two, one)
        self.assertEqual([line["sampling/weight_version"] for line in self.metrics(two)], list(range(STEPS)))

    def test_weights_every_third_step(self):
        out = self.dir / "third"
        self.train(out, *self.by(self.serve()), "--vllm_sync_interval_steps", 3, "--max_steps", STEPS)
        self.assertEqual([line["sampling/weight_version"] for line in self.metrics(out)], [0, 0, 0, 3, 3, 3, 6, 6])
        drifts = [line["sampling/sampling_logp_difference/mean"] for line in self.metrics(out)]
        self.assertGreater(min(drifts[1:3]), 10 * max(drifts[0], drifts[3]), "old weights are seen as such")

    def test_it_resumes(self):
        out, server = self.dir / "resumed", self.serve()
        self.train(out, *self.by(server), "--max_steps", 4, "--log_completions")
        self.train(out, *self.by(server), "--max_steps", STEPS, "--log_completions")
        straight = self.dir / "straight4"
        self.train(straight, "--max_steps", 4, "--log_completions")
        self.train(straight, "--max_steps", STEPS, "--log_completions")
        self.assert_same_run(out, straight)

    def test_a_server_that_starts_anew_gets_the_newest_weights_first(self):
        out, port = self.dir / "anew", free_port()
        server = self.serve(port=port)
        process = subprocess.Popen(self.command(out, *self.by(server), "--log_completions", "--max_steps", 40), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True, cwd=ROOT)
        self.addCleanup(process.kill)
        for step in (3, 10):
            self.until(lambda: self.steps(out) >= step)
            server.kill()
            server = self.serve(port=port)  # with the weights it was started with
        _, err = process.communicate(timeout=200)
        self.assertEqual(process.returncode, 0, err)
        straight = self.dir / "straight40"
        self.train(straight, "--log_completions", "--max_steps", 40)
        self.assert_same_run(out, straight)

    def test_training_sh_starts_server_and_ranks(self):
        made, out = Checkout(programs=()), self.dir / "launched"
        self.addCleanup(made.remove)
        code, said, err, _ = made.run(*self.command(out, "--max_steps", 3, "--run_name", "launched")[1:], timeout=120, GRPO_BIN=BIN, NPROC=2,
                                      VLLM_SERVER_IMPL="grpo_serve", OMP_NUM_THREADS=1)
        self.assertEqual(code, 0, said + err)
        self.assertIn("the server is healthy after", said)
        self.assertEqual([line["sampling/weight_version"] for line in self.metrics(out)], [0, 1, 2])
        self.assertIn("trained    3 steps", made.log("train").read_text())
        self.assertIn("listening on", made.log("vllm").read_text())
        self.assertEqual(made.processes(), [])

    def test_what_cannot_work_is_said_at_once(self):
        closed = self.serve(updates=False)
        _, err = self.train(self.dir / "closed", *self.by(closed), code=4)
        self.assertIn("--enable_weight_updates", err)
        self.assertIn("the weights of step 0", err)
        _, err = self.train(self.dir / "nobody", *self.by(f"http://127.0.0.1:{free_port()}"), "--vllm_server_timeout", 1, code=4)
        self.assertIn("does not answer after 1 seconds (vllm_server_timeout)", err)
        _, err = self.train(self.dir / "tls", *self.by("https://127.0.0.1:1"), code=2)
        self.assertIn("without TLS", err)
        said = subprocess.run(self.command(self.dir / "dry", *self.by("http://127.0.0.1:1"), "--dry_run"), capture_output=True, text=True, cwd=ROOT)
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertIn("sampling   by http://127.0.0.1:1", said.stdout)


if __name__ == "__main__":
    unittest.main()
