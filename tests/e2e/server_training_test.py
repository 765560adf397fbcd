#!/usr/bin/env python3
"""Runs that sample with grpo_serve on loopback: python3 tests/e2e/server_training_test.py FOLDER_WITH_THE_PROGRAMS

The same run by the engine in the process and by a server, on one rank and on two; weights at every step; what happens where the server
is none, takes no weights, or starts anew in the middle. Standard library only.
"""

import os
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
            same = lambda metrics: {k: v for k, v in metrics.items() if k not in OWN and not k.startswith("servers/")}
            self.assertEqual(same(line), same(other))
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
        counts = {k: v for k, v in self.metrics(out)[-1].items() if k.startswith("servers/")}
        self.assertEqual(counts, {"servers/retries": 0, "servers/backfilled_completions": 0, "servers/rests": 0, "servers/given_weights_again": 0})

    def test_through_shared_memory_it_is_the_same_run(self):
        out, server = self.dir / "memory", self.serve()
        self.train(out, *self.by(server), "--vllm_sync_method", "memory", "--log_completions", "--max_steps", STEPS)
        self.assert_same_run(out, self.alone())
        self.assertEqual([line["sampling/weight_version"] for line in self.metrics(out)], list(range(STEPS)))
        self.assertFalse((out / "weights_for_servers").exists())

    def test_shared_memory_is_gone_after_a_kill(self):
        out, server = self.dir / "killed", self.serve()
        process = subprocess.Popen(self.command(out, *self.by(server), "--vllm_sync_method", "memory", "--max_steps", 500), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, cwd=ROOT)
        self.addCleanup(process.kill)
        self.until(lambda: self.steps(out) >= 2)
        names = lambda pid: [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd") if os.path.exists(f"/proc/{pid}/fd/{n}")]
        self.assertEqual(sum("memfd:grpo-weights" in name for name in names(process.pid)), 2, "the newest and the one before")
        process.kill()
        process.wait()
        self.assertEqual(sum("memfd:grpo-weights" in name for name in names(server.process.pid)), 0, "the server keeps none open")

    def test_adapters_alone_draw_the_very_bits(self):
        lora = ("--use_peft", "true", "--lora_r", 4, "--lora_target_modules", "all-linear", "--lora_dropout", 0, "--log_completions", "--max_steps", 4)
        here, there, sync = self.dir / "adapters_here", self.dir / "adapters_there", self.dir / "sync"
        self.train(here, *lora)
        server = self.serve()
        self.train(there, *self.by(server), *lora, "--vllm_sync_method", "adapters", "--vllm_sync_dir", sync)
        self.assertEqual(self.completions(there)[0], self.completions(here)[0], "texts, ids, log-probs, rewards, advantages: to the last bit")
        self.assertEqual([line["sampling/weight_version"] for line in self.metrics(there)], list(range(4)))
        self.assertEqual((there / "adapter_model.safetensors").read_bytes(), (here / "adapter_model.safetensors").read_bytes())
        self.assertFalse(sync.exists(), "nothing is left behind")
        _, err = self.train(self.dir / "none", *self.by(server), "--vllm_sync_method", "adapters", code=2)
        self.assertIn("use_peft is false", err)

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
        for method in ("files", "memory"):
            with self.subTest(method):
                self.start_anew(method)

    def start_anew(self, method):
        out, port = self.dir / f"anew_{method}", free_port()
        server = self.serve(port=port)
        process = subprocess.Popen(self.command(out, *self.by(server), "--log_completions", "--max_steps", 40, "--vllm_sync_method", method),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        self.addCleanup(process.kill)
        for step in (3, 10):
            self.until(lambda: self.steps(out) >= step)
            server.kill()
            server = self.serve(port=port)  # with the weights it was started with
        _, err = process.communicate(timeout=200)
        self.assertEqual(process.returncode, 0, err)
        self.assertGreaterEqual(self.metrics(out)[-1]["servers/given_weights_again"], 2)
        straight = self.dir / "straight40"
        if not straight.exists():
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
