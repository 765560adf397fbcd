"""A tiny model, a few rows and a program to run on them: what the end-to-end tests share. Standard library only."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import tiny_model  # noqa: E402

# The test's first argument: the folder with the programs.
BIN = pathlib.Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else ROOT / "build/release/bin"
STEPS = 24
# One thread: the model is too small for two, and threads that wait for each other on a busy machine take minutes.
os.environ["OMP_NUM_THREADS"] = "1"


class Case(unittest.TestCase):
    program = "grpo_train"

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.dir = pathlib.Path(cls.scratch.name)
        cls.model = tiny_model.write(cls.dir / "tiny")
        cls.data = cls.dir / "rows.jsonl"
        cls.data.write_text("".join(json.dumps({"problem": f"What is {i}?", "answer": str(i)}) + "\n" for i in range(40)))

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def command(self, out, *words):
        """A run with a signal in every step: completions that stop early are better, and some letters stop them."""
        return [str(BIN / self.program), "--model_name_or_path", str(self.model), "--dataset_name", str(self.data), "--reward_funcs",
                "soft_overlong_punishment", "format", "--soft_punish_cache", "24", "--stop_sequences", *"abcdefgh", "--num_generations", "4", "--per_device_train_batch_size", "8", "--max_completion_length",
                "24", "--max_steps", str(STEPS), "--learning_rate", "1e-3", "--beta", "0.02", "--save_steps", "2",
                "--save_total_limit", "2", "--output_dir", str(out), *map(str, words)]

    def run_train(self, out, *words):
        done = subprocess.run(self.command(out, *words), capture_output=True, text=True, cwd=ROOT, timeout=300)
        return done.returncode, done.stdout, done.stderr

    def run_with_kills(self, out, whole, chance, *words):
        """Runs to the end, killed up to three times on the way; `whole` is what an undisturbed run takes. Returns the kills."""
        kills = 0
        while True:
            process = subprocess.Popen(self.command(out, *words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=ROOT)
            try:
                _, stderr = process.communicate(timeout=whole * chance.uniform(0.3, 0.9) if kills < 3 else 300)
                self.assertEqual(process.returncode, 0, stderr)
                return kills
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1

    def metrics(self, out):
        """Lines without what depends on the machine's speed."""
        lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        return [{k: v for k, v in line.items() if not k.startswith("time/")} for line in lines]
