#!/usr/bin/env python3
"""Ranks that divide what they hold: python3 tests/e2e/zero_test.py FOLDER_WITH_THE_PROGRAMS

Every zero_stage takes the course of one rank; a checkpoint of four ranks is gone on with by one, three and four; every recipe in
recipes/dist runs; mpirun and torchrun start the ranks. Needs torchrun beside this Python and mpirun on PATH.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from case import ROOT  # noqa: E402
from ranks import RankCase, free_port  # noqa: E402


class Zero(RankCase):
    def straight(self):
        if not hasattr(Zero, "one"):
            Zero.one = self.dir / "one"
            self.run_ranks(Zero.one, 1, "--log_completions")
        return self.metrics(Zero.one)

    def weights(self, out):
        """Names, types and shapes of model.safetensors."""
        with open(out / "model.safetensors", "rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return {name: (entry["dtype"], entry["shape"]) for name, entry in header.items() if name != "__metadata__"}

    def test_every_stage_takes_the_course_of_one_rank_and_leaves_the_same_model(self):
        straight = self.straight()
        for stage in (1, 2, 3):
            out = self.dir / f"stage{stage}"
            self.run_ranks(out, 4, "--log_completions", "--zero_stage", stage, "--ddp_bucket_cap_mb", 1, "--token_budget", 96)
            self.assert_same_course(straight, self.metrics(out))
            self.assertEqual(self.first_completions(Zero.one), self.first_completions(out), "texts are equal to the last bit")
            self.assertEqual(self.weights(Zero.one), self.weights(out))
            self.assertEqual((Zero.one / "config.json").read_text(), (out / "config.json").read_text())

    def test_a_checkpoint_of_four_ranks_is_gone_on_with_by_any_number(self):
        straight = self.straight()
        for stage in (1, 2, 3):
            first = self.dir / f"four{stage}"
            self.run_ranks(first, 4, "--zero_stage", stage, "--save_steps", 4, "--save_total_limit", 5)
            whole = self.metrics(first)
            checkpoint = first / "checkpoint-4"
            shards = sorted(path.name for path in checkpoint.glob("optimizer*"))
            self.assertEqual(shards, [f"optimizer-{r:05}-of-00004.safetensors" for r in range(1, 5)])
            manifest = json.loads((checkpoint / "manifest.json").read_text())["files"]
            self.assertLessEqual(set(shards) | {"model.safetensors", "config.json", "tokenizer.json"}, set(manifest))
            for size in (1, 3, 4):
                out = self.dir / f"four{stage}to{size}"
                shutil.copytree(first, out)
                shutil.rmtree(out / "checkpoint-8")
                self.run_ranks(out, size, "--zero_stage", stage, "--save_total_limit", 5)
                if size == 4:
                    self.assertEqual(whole, self.metrics(out), "the same number of ranks goes on bit for bit")
                self.assert_same_course(straight, self.metrics(out))
        # And the other way: one rank's checkpoint, four ranks with a stage.
        out = self.dir / "one_to_four"
        self.run_ranks(out, 1, "--max_steps", 8, "--save_steps", 4, "--save_total_limit", 5)
        shutil.rmtree(out / "checkpoint-8")
        self.run_ranks(out, 4, "--zero_stage", 2)
        self.assert_same_course(straight, self.metrics(out))

    def test_a_missing_share_of_the_optimizer_sends_the_run_back_to_the_checkpoint_before(self):
        out = self.dir / "missing"
        self.run_ranks(out, 2, "--zero_stage", 1, "--save_steps", 3, "--save_total_limit", 5)
        (out / "checkpoint-6/optimizer-00002-of-00002.safetensors").unlink()
        _, _, errs = self.ranks(out, 2, "--zero_stage", 1).wait()
        self.assertIn("optimizer-00002-of-00002.safetensors is missing; the checkpoint before it is used", errs[0])
        self.assert_same_course(self.straight(), self.metrics(out))

    def test_moments_in_bfloat16_train_and_are_half_as_large(self):
        sizes = {}
        for dtype in ("float32", "bfloat16"):
            out = self.dir / f"moments_{dtype}"
            self.run_ranks(out, 2, "--zero_stage", 1, "--optim_moments_dtype", dtype, "--save_steps", 8)
            sizes[dtype] = sum(path.stat().st_size for path in (out / "checkpoint-8").glob("optimizer*"))
        self.assertAlmostEqual(sizes["bfloat16"] / sizes["float32"], 0.5, delta=0.05)
        losses = [[line["loss"] for line in self.metrics(self.dir / f"moments_{dtype}")] for dtype in sizes]
        self.assertEqual(losses[0][:2], losses[1][:2], "the first update is that of the gradient's sign")
        self.assertLess(max(abs(a - b) for a, b in zip(*losses)), 0.02)

    def test_every_recipe_runs(self):
        for recipe in sorted((ROOT / "recipes/dist").glob("*.toml")):
            out = self.dir / recipe.stem
            words = self.command(out, "--config", recipe, "--max_steps", 2, "--gradient_accumulation_steps", 1, "--save_steps", 1,
                                 "--dataset_prompt_column", "problem", "--dataset_solution_column", "answer", "--reward_weights", 1, 1)
            environment = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
            ranks = [subprocess.Popen(words, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      env={**environment, "RANK": str(rank)}) for rank in range(2)]
            errs = [rank.communicate(timeout=120)[1] for rank in ranks]
            self.assertEqual([rank.returncode for rank in ranks], [0, 0], errs)
            resolved = (out / "recipe.resolved.toml").read_text()
            stage = {"ddp": 0, "zero1": 1, "zero2": 2, "zero3": 3}[recipe.stem]
            self.assertRegex(resolved, rf"(?m)^zero_stage = {stage}\b")
            self.assertEqual(len(self.metrics(out)), 2)

    def launched(self, out, *launcher):
        environment = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}
        words = self.command(out, "--per_device_train_batch_size", 12, "--max_steps", 8, "--log_completions", "--zero_stage", 1)
        done = subprocess.run([*map(str, launcher), *words], cwd=ROOT, text=True, capture_output=True, timeout=120,
                              env={**environment, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assert_same_course(self.straight(), self.metrics(out))
        self.assertEqual(self.first_completions(Zero.one), self.first_completions(out))
        self.assertTrue(list(out.glob("checkpoint-*/optimizer-00002-of-00002.safetensors")), "two ranks wrote it")

    def test_torchrun_starts_the_ranks(self):
        torchrun = pathlib.Path(sys.executable).parent / "torchrun"
        self.launched(self.dir / "torchrun", torchrun, "--no-python", "--nproc_per_node", 2, "--master_port", free_port())

    def test_mpirun_starts_the_ranks(self):
        as_root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
        self.launched(self.dir / "mpirun", "mpirun", *as_root, "--oversubscribe", "-n", 2)


if __name__ == "__main__":
    unittest.main()
