#!/usr/bin/env python3
"""Objectives as a user runs them, on a tiny model: python3 tests/e2e/objectives_test.py FOLDER_WITH_THE_PROGRAMS

Controllers and generation batches in use survive kills; saved groups replay; bad values are refused. Standard library only.
"""

import json
import pathlib
import random
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from case import BIN, ROOT, STEPS, Case  # noqa: E402

RECIPES = ROOT / "tests/config/recipes"
# Everything that has a state: both controllers, a schedule, a moving reference, batches that last for six steps.
STATEFUL = ["--maxent_objective", "hybrid", "--maxent_hybrid_coef_final", 0.1, "--maxent_hybrid_horizon", 10, "--kl_target", 0.01,
            "--kl_horizon", 5, "--kl_ctl_step_size", 0.5, "--maxent_target_weight_entropy", 1.0, "--maxent_tau_lr", 0.3,
            "--maxent_tau_warmup_steps", 2, "--maxent_reference_ema_enabled", "--maxent_reference_ema_update_interval", 3,
            "--maxent_reference_ema_warmup_steps", 2, "--num_iterations", 3, "--steps_per_generation", 2, "--dynamic_sampling",
            "--top_entropy_quantile", 0.9, "--save_steps", 1]


class Resume(Case):
    program = "maxent_grpo_train"

    def test_killed_runs_with_controllers_and_batches_in_use_resume_to_the_same_numbers(self):
        straight = self.dir / "straight"
        start = time.time()
        code, _, stderr = self.run_train(straight, *STATEFUL)
        self.assertEqual(code, 0, stderr)
        whole = time.time() - start
        lines = self.metrics(straight)
        self.assertEqual(len(lines), STEPS)
        self.assertGreater(len({line["tau"] for line in lines}), 5, "tau moves")
        self.assertGreater(len({line["beta"] for line in lines}), 5, "beta moves")
        self.assertTrue((straight / f"checkpoint-{STEPS - 1}" / "rollout.jsonl").exists())
        self.assertTrue((straight / f"checkpoint-{STEPS - 1}" / "reference.safetensors").exists())
        chance = random.Random(7)
        for run in range(3):
            out = self.dir / f"killed-{run}"
            kills = self.run_with_kills(out, whole, chance, *STATEFUL)
            with self.subTest(run=run, kills=kills):
                self.assertEqual(self.metrics(out), lines)
                self.assertEqual((out / "model.safetensors").read_bytes(), (straight / "model.safetensors").read_bytes())


class Replay(Case):
    def inspect(self, *words, groups=None):
        command = [str(BIN / "grpo_inspect"), "loss", *map(str, words)]
        done = subprocess.run(command, input=groups, capture_output=True, text=True, cwd=ROOT, timeout=300)
        return done.returncode, done.stdout, done.stderr

    def test_a_step_of_a_run_replays_to_its_loss_and_gradient_under_its_recipe(self):
        for program, words in (("grpo_train", ["--loss_type", "dr_grpo"]), ("maxent_grpo_train", ["--maxent_tau", 0.5]),
                               ("maxent_grpo_train", ["--maxent_objective", "xdr", "--maxent_tau", 0.05])):
            with self.subTest(program=program, words=words):
                self.program = program
                out = self.dir / f"replay-{program}-{len(words)}"
                code, _, stderr = self.run_train(out, *words, "--log_completions", "--save_steps", 1, "--save_total_limit", 10, "--max_steps", 4)
                self.assertEqual(code, 0, stderr)
                trained = self.metrics(out)[3]
                code, stdout, stderr = self.inspect("--config", out / "recipe.resolved.toml", "--model_name_or_path", out / "checkpoint-3",
                                                    "--groups", out / "completions/step-000004.jsonl")
                self.assertEqual(code, 0, stderr)
                shown = json.loads(stdout)
                for key in ("loss", "grad_norm"):
                    self.assertAlmostEqual(shown[key], trained[key], delta=1e-4 * max(1.0, abs(trained[key])), msg=key)
                self.assertAlmostEqual(shown["metrics"]["kl"], trained["kl"], delta=1e-5)
                self.assertEqual(len(shown["weights" if "weights" in shown else "advantages"]), 2)
                first = json.loads((out / "completions/step-000004.jsonl").read_text().splitlines()[0])
                for got, saved in zip(shown["weights" if "weights" in shown else "advantages"][0], first["completions"]):
                    self.assertAlmostEqual(got, saved["advantage"], places=5)

    def test_any_groups_replay_under_any_objective(self):
        lines = []
        for prompt in ([72, 105], [72, 111, 119]):
            lines.append(json.dumps({"prompt_ids": prompt, "completions": [
                {"ids": [65 + i, 66, 67], "rewards": {"mine": float(i % 2), "other": None}, "truncated": i == 3} for i in range(4)]}))
        groups = "\n".join(lines) + "\n"
        base = ["--model_name_or_path", self.model, "--reward_funcs", "mine", "other", "--num_generations", 4,
                "--per_device_train_batch_size", 8, "--max_completion_length", 8]
        seen = {}
        for words in ([], ["--loss_type", "sapo"], ["--loss_type", "luspo", "--importance_sampling_level", "sequence"],
                      ["--maxent_objective", "listwise"], ["--maxent_objective", "weighted_mle"], ["--maxent_objective", "clip"],
                      ["--maxent_objective", "xdr", "--maxent_tau", "inf"], ["--maxent_objective", "hybrid"],
                      ["--maxent_objective", "token_entropy", "--maxent_alpha", 0.1], ["--beta", 0.1, "--kl_in_reward"],
                      ["--top_entropy_quantile", 0.5, "--entropy_coef", 0.1]):
            code, stdout, stderr = self.inspect(*base, *words, groups=groups)
            self.assertEqual(code, 0, (words, stderr))
            shown = json.loads(stdout)
            seen[" ".join(map(str, words))] = shown
            self.assertEqual((shown["groups"], shown["completions"], shown["tokens"]), (2, 8, 24))
            self.assertGreater(shown["grad_norm"], 0.0)
            self.assertEqual(shown["metrics"]["reward"], 0.5)
        self.assertEqual(seen["--maxent_objective listwise"]["weights"][0][0], seen["--maxent_objective listwise"]["weights"][0][2])
        self.assertAlmostEqual(sum(seen["--maxent_objective clip"]["weights"][1]), 1.0)
        self.assertAlmostEqual(seen[""]["advantages"][0][1], 0.5 / (3 ** -0.5 + 1e-4), places=6)

    def test_bad_groups_are_named_by_line(self):
        base = ["--model_name_or_path", self.model, "--reward_funcs", "mine"]
        good = json.dumps({"prompt_ids": [1], "completions": [{"ids": [2], "rewards": {"mine": 1}}]})
        for groups, pattern in (("", "no groups"), (good + "\n{\n", r"standard input:2:.*JSON"), (good.replace("[2]", "[258]"), r":1:.*ids\[0\].*257"),
                                (good.replace("mine", "yours"), r':1:.*"yours".*reward_funcs')):
            code, _, stderr = self.inspect(*base, groups=groups)
            self.assertEqual(code, 3, stderr)
            self.assertRegex(stderr, pattern)
        code, _, stderr = self.inspect(*base, "--groups", self.dir / "nowhere.jsonl")
        self.assertEqual(code, 3)
        self.assertIn("nowhere.jsonl", stderr)


class Recipes(Case):
    def test_recipes_of_maxent_grpo_load_unmodified(self):
        files = sorted(RECIPES.glob("*.yaml"))
        self.assertGreaterEqual(len(files), 4)
        for path in files:
            for program in ("grpo_train", "maxent_grpo_train"):
                out = self.dir / "recipe"
                # A model and data that are here; everything else is the recipe's. The tiny model's context is short.
                command = [str(BIN / program), "--config", str(path), "--model_name_or_path", str(self.model), "--dataset_name", str(self.data),
                           "--eval_dataset_name", str(self.data), "--max_completion_length", "64", "--system_prompt", "Answer.", "--output_dir",
                           str(out), "--dry_run"]
                rows = "\n".join(json.dumps({"problem": f"What is {i}?", "answer": str(i)}) for i in range(300))
                self.data.write_text(rows + "\n")
                done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
                with self.subTest(recipe=path.name, program=program):
                    if "maxent_target_weight_entropy: 1.4" in path.read_text():
                        # It asks for more entropy than four completions can have: that, and nothing else, is refused.
                        self.assertEqual(done.returncode, 2)
                        self.assertRegex(done.stderr, r"maxent_target_weight_entropy.*1\.4.*1\.386")
                        self.assertEqual(len([line for line in done.stderr.splitlines() if "error" in line or "must" in line]), 1, done.stderr)
                        command += ["--maxent_target_weight_entropy", "1.3"]
                        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertIn("MaxEnt-GRPO listwise" if program == "maxent_grpo_train" else "objective  GRPO", done.stdout)
                    self.assertFalse(out.exists())


class BadValues(Case):
    def test_bad_values_are_refused_with_key_value_and_range(self):
        conflict = self.dir / "conflict.yaml"
        conflict.write_text("beta: 0.1\ninit_kl_coeff: 0.2\n")
        misspelt = self.dir / "misspelt.toml"
        misspelt.write_text('scale_rewards = "goup"\n')
        for words, pattern in ((["--maxent_tau", -1], r"maxent_tau.*-1.*>= 0"), (["--maxent_tau", "nan"], r"maxent_tau.*nan"),
                               (["--epsilon", 0], r"epsilon.*0.*> 0"), (["--epsilon", -0.2], r"epsilon.*-0\.2.*> 0"),
                               (["--maxent_q_epsilon", 0], r"maxent_q_epsilon.*0.*> 0"),
                               (["--maxent_target_weight_entropy", 1.5], r"maxent_target_weight_entropy.*1\.5.*1\.386"),
                               (["--config", conflict], r"init_kl_coeff.*0\.2.*beta.*0\.1"),
                               (["--beta", 0.1, "--init_kl_coeff", 0.2], r"init_kl_coeff.*0\.2.*beta.*0\.1"),
                               (["--config", misspelt], r"scale_rewards.*goup.*group, batch or none"),
                               (["--kl_target", 0.1, "--kl_horizon", 10, "--kl_ctl_step_size", 0.1, "--beta", 0], r"beta"),
                               (["--num_iterations", 0], r"num_iterations.*0.*>= 1")):
            with self.subTest(words=words):
                # without --beta of the shared command line, which would settle the conflict
                command = self.command(self.dir / "bad")
                at = command.index("--beta")
                command = command[:at] + command[at + 2:] + list(map(str, words))
                done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertRegex(done.stderr, pattern)
                self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
                self.assertFalse((self.dir / "bad").exists())


class Learning(Case):
    program = "maxent_grpo_train"

    def test_progress_and_metrics_show_tau_beta_weight_entropy_and_kl(self):
        out = self.dir / "shown"
        code, stdout, stderr = self.run_train(out, "--max_steps", 3)
        self.assertEqual(code, 0, stderr)
        for words in ("MaxEnt-GRPO listwise, tau 0.2, beta 0.02", "tau 0.2", "beta 0.02", "weight-entropy", "kl "):
            self.assertIn(words, stdout)
        for line in self.metrics(out):
            for key in ("tau", "beta", "kl", "maxent/active_group_frac"):
                self.assertIn(key, line)


if __name__ == "__main__":
    unittest.main(verbosity=1)
