#!/usr/bin/env python3
"""The memory that a plan predicts, and the profile of a run: python3 tests/e2e/memory_test.py FOLDER_WITH_THE_PROGRAMS

On a tiny model, where the program itself is what needs memory, and on the quick start's, where weights and activations are. Standard
library only.
"""

import json
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from case import ROOT, Case  # noqa: E402

SMOL = ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf"
UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}


def memory(text, words):
    """The bytes that follow some words: "about 3.3 GB"."""
    number, unit = re.search(rf"^{words}\s+([\d.]+) ([kMG]?B)", text, re.MULTILINE).groups()
    return float(number) * UNITS[unit]


class Memory(Case):
    def assert_predicted(self, stdout):
        predicted, needed = memory(stdout, r"memory\s+about"), memory(stdout, "peak memory")
        self.assertLess(abs(predicted / needed - 1), 0.15, f"predicted {predicted / 1e6:.0f} MB, needed {needed / 1e6:.0f} MB\n{stdout}")

    def phases(self, stdout):
        """name -> the columns of its line, of a printed profile"""
        table = stdout[stdout.index("phase  "):]
        return {line[:14].strip(): line[14:].split() for line in table.splitlines()[1:] if line.strip()}

    def test_a_tiny_model(self):
        code, stdout, stderr = self.run_train(self.dir / "tiny-run", "--profile", "--max_steps", 3, "--save_strategy", "no")
        self.assertEqual(code, 0, stderr)
        self.assert_predicted(stdout)

    def test_a_profile_has_every_phase_with_its_figures(self):
        out = self.dir / "profiled"
        code, stdout, stderr = self.run_train(out, "--profile", "--max_steps", 3, "--save_strategy", "no")
        self.assertEqual(code, 0, stderr)
        phases = self.phases(stdout)
        for name in ("sample", "reference", "train", "forward", "backward", "optimizer", "other", "between steps", "after the last"):
            self.assertIn(name, phases)
        for name in ("sample", "reference", "train"):  # s/step, share %, tokens/s, GFLOP/s, of peak %, memory
            seconds, share, _, tokens, speed, of_peak, _, amount, unit = phases[name]
            self.assertGreater(float(tokens), 0.0, name)
            self.assertGreater(float(amount) * UNITS[unit], 1e7, name)
            self.assertLessEqual(float(of_peak), 100.0, name)
        lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        measured = sum(line["time/train"] for line in lines) / len(lines)
        self.assertLess(abs(float(phases["train"][0]) - measured), 0.002)
        inside = float(phases["forward"][0]) + float(phases["backward"][0])
        self.assertLessEqual(inside, measured + 0.002)
        self.assertGreater(inside, 0.5 * measured - 0.001)  # two figures of three digits behind the point
        self.assertRegex(stdout, r"GEMM peak +[1-9][\d.]* GFLOP/s")

    def test_the_quick_starts_model(self):
        if not SMOL.exists():
            self.skipTest(f"{SMOL} is not there; bash training.sh --setup-only brings it")
        # Completions fill one part of the pass with gradients, as those of longer runs do.
        code, stdout, stderr = self.run_train(self.dir / "smol", "--model_name_or_path", SMOL, "--profile", "--max_steps", 1, "--save_strategy", "no",
                                              "--num_generations", 8, "--min_completion_length", 80, "--max_completion_length", 80,
                                              "--soft_punish_cache", 40, "--token_budget", 512)
        self.assertEqual(code, 0, stderr)
        self.assert_predicted(stdout)
        self.assertLess(memory(stdout, "peak memory"), 3.2e9, "a reference of 538 MB in memory, or activations that could be made again")


if __name__ == "__main__":
    unittest.main()
