#!/usr/bin/env python3
"""Training with llama.cpp's server: python3 tests/e2e/server_llama_test.py FOLDER_WITH_THE_PROGRAMS

SmolLM2-135M, five steps; the server takes no weights, so the completions are those of the model as it was. The server is the module
llama_cpp.server of the Python that GRPO_LLAMA_PYTHON names, or of this one (pip install "llama-cpp-python[server]==0.3.36"); without it,
or without the model, the test is skipped. Standard library only.
"""

import os
import pathlib
import subprocess
import sys
import time
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from case import BIN, ROOT  # noqa: E402
from served import ServedCase, free_port  # noqa: E402

MODEL = ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf"
PYTHON = os.environ.get("GRPO_LLAMA_PYTHON") or sys.executable
INSTALLED = subprocess.run([PYTHON, "-c", "import llama_cpp.server.app"], capture_output=True, check=False).returncode == 0
MISSING = "no llama_cpp.server (set GRPO_LLAMA_PYTHON)" if not INSTALLED else f"{MODEL} is not there" if not MODEL.exists() else ""
if MISSING:
    print(f"skipped: {MISSING}")
    sys.exit(77)


class LlamaCpp(ServedCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gguf = cls.dir / "smollm2-f32.gguf"
        subprocess.run([str(BIN / "grpo_export"), "--model_name_or_path", str(MODEL), "--output", str(cls.gguf), "--outtype", "f32"], check=True,
                       capture_output=True)
        cls.port = free_port()
        cls.log = open(cls.dir / "llama.log", "w")
        cls.server = subprocess.Popen([PYTHON, "-m", "llama_cpp.server", "--model", str(cls.gguf), "--host", "127.0.0.1", "--port", str(cls.port), "--n_ctx", "512",
                                       "--n_threads", "2"], stdout=cls.log, stderr=subprocess.STDOUT)
        cls.addClassCleanup(cls.end_server)
        end = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{cls.port}/v1/models", timeout=5):
                    return
            except OSError:
                if time.monotonic() > end or cls.server.poll() is not None:
                    raise AssertionError((cls.dir / "llama.log").read_text()[-3000:]) from None
                time.sleep(0.5)

    @classmethod
    def end_server(cls):
        cls.server.kill()
        cls.server.wait()
        cls.log.close()

    def command(self, out, *words):
        return [str(BIN / "grpo_train"), "--model_name_or_path", str(MODEL), "--dataset_name", "sums", "--system_prompt",
                "Answer the question. Put only the final number inside <answer> and </answer> tags.", "--few_shot", "What is 3 + 4?",
                "<answer>7</answer>", "--reward_funcs", "answer_accuracy", "format", "--reward_weights", "1.0", "0.2", "--num_generations", "4",
                "--per_device_train_batch_size", "8", "--max_completion_length", "16", "--beta", "0.01", "--learning_rate", "3e-5",
                "--lr_scheduler_type", "constant", "--temperature", "0.9", "--save_strategy", "no", "--output_dir", str(out),
                *self.by(f"http://127.0.0.1:{self.port}"), *map(str, words)]

    def test_five_steps_by_a_model_that_stays_as_it_is(self):
        out = self.dir / "five"
        _, err = self.train(out, "--max_steps", 5, "--vllm_sync_interval_steps", 0, "--log_completions")
        self.assertIn("a server of texts", err)
        self.assertIn("tells no log-probs", err)
        lines = self.metrics(out)
        self.assertEqual(len(lines), 5)
        self.assertGreater(max(line["grad_norm"] for line in lines), 0.0, "and yet the policy trains")
        self.assertGreater(max(line["reward"] for line in lines), 0.0, "the server read the prompts as they were meant")

    def test_it_is_refused_where_it_would_have_to_take_weights(self):
        code, _, err = self.run_train(self.dir / "refused", "--max_steps", 1)
        self.assertEqual(code, 4, err)
        self.assertIn("--vllm_sync_interval_steps 0", " ".join(err.split()))


if __name__ == "__main__":
    unittest.main()
