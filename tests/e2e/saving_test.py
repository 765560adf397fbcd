#!/usr/bin/env python3
"""When a run saves, and what it does about weights that are not finite: python3 tests/e2e/saving_test.py FOLDER_WITH_THE_PROGRAMS

Standard library only. Kills, full disks and damaged files are in tests/torture/drill.py.
"""

import json
import math
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from case import ROOT, STEPS, Case  # noqa: E402


class Saving(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.straight = cls.dir / "straight"
        code, _, stderr = cls().run_train(cls.straight)
        assert code == 0, stderr

    def runTest(self):
        pass

    def steps(self, out):
        return sorted(int(path.name.split("-")[1]) for path in out.glob("checkpoint-*"))

    def stopped(self, out, *words):
        """A run that gets a signal behind its fifth step; returns what it printed."""
        process = subprocess.Popen(self.command(out, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, text=True)
        path, end = out / "metrics.jsonl", time.monotonic() + 60
        while not path.exists() or path.read_text().count("\n") < 5:
            self.assertIsNone(process.poll())
            self.assertLess(time.monotonic(), end)
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 75, stderr)
        return stdout

    def assert_equals_straight(self, out):
        self.assertEqual(self.metrics(out), self.metrics(self.straight))
        self.assertEqual((out / "model.safetensors").read_bytes(), (self.straight / "model.safetensors").read_bytes())

    def test_a_signal_without_a_save(self):
        for name, words in (("signal", ("--save_steps", 4)), ("nothing", ("--save_strategy", "no"))):
            out = self.dir / name
            stdout = self.stopped(out, *words, "--save_on_signal", "false")
            self.assertIn("nothing was saved for it (save_on_signal = false)", stdout)
            self.assertTrue(all(step % 4 == 0 for step in self.steps(out)), self.steps(out))
            self.assertEqual(bool(self.steps(out)), name == "signal")
            code, stdout, stderr = self.run_train(out, *words)
            self.assertEqual(code, 0, stderr)
            self.assertEqual("resuming" in stdout, name == "signal")
            self.assert_equals_straight(out)

    def test_a_signal_with_a_save(self):
        out = self.dir / "saved"
        stdout = self.stopped(out, "--save_strategy", "no")
        self.assertIn("everything is saved", stdout)
        self.assertEqual(len(self.steps(out)), 1)

    def test_minutes_between_saves(self):
        often, never = self.dir / "often", self.dir / "never"
        words = ("--save_strategy", "no", "--save_total_limit", 100)
        self.assertEqual(self.run_train(often, *words, "--save_interval_minutes", 1e-9)[0], 0)
        self.assertEqual(self.steps(often), list(range(1, STEPS + 1)))
        self.assert_equals_straight(often)
        self.assertEqual(self.run_train(never, *words, "--save_interval_minutes", 1000)[0], 0)
        self.assertEqual(self.steps(never), [])
        code, _, stderr = self.run_train(self.dir / "less", "--save_interval_minutes", -1)
        self.assertEqual(code, 2)
        self.assertRegex(stderr, r"save_interval_minutes.*-1.*>= 0")

    def test_rewards_that_fail_are_no_signal(self):
        """A run that ends because of its rewards is saved even with save_on_signal = false."""
        judge, out = self.dir / "judge.py", self.dir / "judged"
        judge.write_text("import json, sys\nfor n, line in enumerate(sys.stdin):\n    item = json.loads(line)\n"
                         "    print(json.dumps({'id': item['id'], **({'reward': n % 3} if n < 20 else {'error': 'down'})}), flush=True)\n")
        code, _, stderr = self.run_train(out, "--reward_funcs", "judge", "--reward_command", json.dumps({"judge": f"{sys.executable} {judge}"}),
                                         "--reward_workers", 1, "--reward_retries", 0, "--save_strategy", "no", "--save_on_signal", "false")
        self.assertEqual(code, 4, stderr)
        self.assertEqual(len(self.steps(out)), 1, stderr)

    def test_weights_that_are_not_finite_are_named(self):
        model = self.dir / "nan"
        shutil.copytree(self.model, model)
        path = model / "model.safetensors"
        data = bytearray(path.read_bytes())
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + length])
        name = next(name for name in header if "1.mlp.down_proj" in name)
        width = header[name]["shape"][1]
        begin = 8 + length + header[name]["data_offsets"][0] + 4 * 5 * width
        data[begin:begin + 4] = struct.pack("<f", math.nan)
        path.write_bytes(data)
        code, _, stderr = self.run_train(self.dir / "named", "--model_name_or_path", model)
        self.assertEqual(code, 5, stderr)
        self.assertRegex(stderr, r"numeric error: the model's logits are not finite.*layers\.1\.down is nan in row 5 of 32")


if __name__ == "__main__":
    unittest.main(verbosity=1)
