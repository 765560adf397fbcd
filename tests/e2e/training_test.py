#!/usr/bin/env python3
"""grpo_train as a user runs it, on a tiny model: python3 tests/e2e/training_test.py FOLDER_WITH_THE_PROGRAMS

Kills, signals, resumes, bad input. Standard library only.
"""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from case import ROOT, STEPS, Case  # noqa: E402


class Outputs(Case):
    def test_a_run_leaves_what_was_promised(self):
        out = self.dir / "outputs"
        code, stdout, stderr = self.run_train(out, "--log_completions", "--eval_dataset_name", self.data, "--eval_num_prompts", 3,
                                              "--eval_on_start", "--max_steps", 3)
        self.assertEqual(code, 0, stderr)
        for name in ("config.json", "model.safetensors", "tokenizer.json", "README.md", "recipe.resolved.toml", "metrics.jsonl",
                     "completions/step-000003.jsonl", "checkpoint-2/manifest.json", "checkpoint-2/trainer_state.json"):
            self.assertTrue((out / name).exists(), name)
        for words in ("2 prompts x 4 generations = 8 completions", "memory", "step 1/3", "held-out prompts", "grpo_generate"):
            self.assertIn(words, stdout)
        line = self.metrics(out)[1]
        for key in ("step", "loss", "grad_norm", "learning_rate", "epoch", "reward", "reward_std", "frac_reward_zero_std", "kl",
                    "rewards/format/mean", "rewards/format/std", "completions/mean_length", "completions/clipped_ratio", "entropy",
                    "num_tokens", "clip_ratio/region_mean"):
            self.assertIn(key, line)
        group = json.loads((out / "completions/step-000003.jsonl").read_text().splitlines()[0])
        self.assertEqual(len(group["completions"]), 4)
        self.assertEqual(len(group["completions"][0]["ids"]), len(group["completions"][0]["old_logprobs"]))

    def test_dry_run_and_print_config_train_nothing(self):
        out = self.dir / "dry"
        code, stdout, _ = self.run_train(out, "--dry_run")
        self.assertEqual((code, out.exists()), (0, False))
        self.assertIn("optimizer steps", stdout)
        code, stdout, _ = self.run_train(out, "--print_config")
        self.assertEqual((code, out.exists()), (0, False))
        self.assertIn("num_generations = 4", stdout)


class Resume(Case):
    def setUp(self):
        if not hasattr(Resume, "straight"):
            Resume.straight = self.dir / "straight"
            code, _, stderr = self.run_train(Resume.straight)
            self.assertEqual(code, 0, stderr)
            self.assertGreater(min(line["grad_norm"] for line in self.metrics(Resume.straight)), 0.0, "a run that learns")

    def assert_equals_straight(self, out):
        self.assertEqual(self.metrics(out), self.metrics(Resume.straight))
        self.assertEqual((out / "model.safetensors").read_bytes(), (Resume.straight / "model.safetensors").read_bytes())

    def test_a_run_repeats_itself(self):
        self.assertEqual(self.run_train(self.dir / "again")[0], 0)
        self.assert_equals_straight(self.dir / "again")

    def test_killed_runs_resume_to_the_same_numbers(self):
        chance = random.Random(5)
        start = time.time()
        self.assertEqual(self.run_train(self.dir / "timed")[0], 0)
        whole = time.time() - start
        for run in range(5):
            out = self.dir / f"killed-{run}"
            kills = self.run_with_kills(out, whole, chance)
            with self.subTest(run=run, kills=kills):
                self.assert_equals_straight(out)

    def test_a_signal_saves_everything_and_exits_75(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            out = self.dir / f"signal-{int(number)}"
            process = subprocess.Popen(self.command(out, "--save_strategy", "no"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
                                       text=True)
            while not (out / "metrics.jsonl").exists() or len((out / "metrics.jsonl").read_text().splitlines()) < 2:
                self.assertIsNone(process.poll())
                time.sleep(0.01)
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 75, stderr)
            self.assertIn("Run the same command again", stdout)
            code, stdout, stderr = self.run_train(out, "--save_strategy", "no")
            self.assertEqual(code, 0, stderr)
            self.assertIn("resuming", stdout)
            self.assert_equals_straight(out)

    def test_a_damaged_checkpoint_is_skipped(self):
        out = self.dir / "damaged"
        shutil.copytree(Resume.straight, out)
        last = out / f"checkpoint-{STEPS}"
        os.truncate(last / "optimizer.safetensors", 100)
        code, stdout, stderr = self.run_train(out)
        self.assertEqual(code, 0, stderr)
        self.assertIn(f"checkpoint-{STEPS}: optimizer.safetensors has 100 bytes", stderr)
        self.assert_equals_straight(out)

    def test_a_finished_run_says_so(self):
        code, stdout, _ = self.run_train(Resume.straight)
        self.assertEqual(code, 0)
        self.assertIn("nothing left to do", stdout)


class BadInput(Case):
    def bad(self, code, pattern, *words):
        got, _, stderr = self.run_train(self.dir / "bad", *words)
        self.assertEqual(got, code, stderr)
        self.assertRegex(stderr, pattern)
        self.assertEqual(len(stderr.strip().splitlines()), 1, stderr)
        self.assertFalse((self.dir / "bad").exists(), "nothing is written before everything was checked")

    def copy_of_model(self, name):
        folder = self.dir / name
        shutil.copytree(self.model, folder)
        return folder

    def test_recipe(self):
        self.bad(2, r"num_generationz.*num_generations", "--num_generationz", 4)
        self.bad(2, r"max_steps.*many", "--max_steps", "many")
        self.bad(2, r"per_device_train_batch_size.*-8", "--per_device_train_batch_size", -8)
        self.bad(2, r"num_generations.*2", "--num_generations", 1)
        self.bad(2, r"num_generations", "--per_device_train_batch_size", 6)
        self.bad(2, r"reward.*answer_accuracy", "--reward_funcs", "answer_accurac")
        self.bad(2, r"nowhere.toml", "--config", "nowhere.toml")

    def test_data(self):
        self.bad(3, r"nowhere.jsonl", "--dataset_name", "nowhere.jsonl")
        empty = self.dir / "empty.jsonl"
        empty.write_text("")
        self.bad(3, r"empty.jsonl", "--dataset_name", empty)
        self.bad(3, r"rows.jsonl.*question", "--dataset_prompt_column", "question")
        lacks = self.dir / "lacks.jsonl"
        lacks.write_text('{"problem": "a", "answer": "b"}\n' * 19 + '{"problem": "a"}\n')
        self.bad(3, r"lacks.jsonl:20.*answer", "--dataset_name", lacks)
        few = self.dir / "few.jsonl"
        few.write_text('{"problem": "a", "answer": "b"}\n')
        self.bad(3, r"1 rows.*2 prompts", "--dataset_name", few)

    def test_lengths(self):
        self.bad(2, r"max_completion_length 512.*context of 512", "--max_completion_length", 512)
        long = self.dir / "long.jsonl"
        long.write_text(json.dumps({"problem": "x" * 600, "answer": "b"}) + "\n" + '{"problem": "a", "answer": "b"}\n' * 3)
        self.bad(3, r"long.jsonl:1\b.*6\d\d.*488", "--dataset_name", long)

    def test_model_files(self):
        self.bad(3, r"nowhere.*model", "--model_name_or_path", "nowhere")
        truncated = self.copy_of_model("truncated")
        os.truncate(truncated / "model.safetensors", 5000)
        self.bad(3, r"model.safetensors", "--model_name_or_path", truncated)
        magic = self.dir / "magic.gguf"
        magic.write_bytes(b"GGML" + b"\0" * 100)
        self.bad(3, r"magic.gguf.*(magic|GGUF)", "--model_name_or_path", magic)


if __name__ == "__main__":
    unittest.main(verbosity=1)
