#!/usr/bin/env python3
"""Training with a real vLLM: python3 tests/e2e/server_vllm_test.py FOLDER_WITH_THE_PROGRAMS

SmolLM2-135M, five steps, new weights before each through a folder. vLLM is the program that GRPO_VLLM names, or `vllm` on PATH (its build for CPUs:
benchmarks/peers/requirements-vllm.txt); without it, or without the model, the test is skipped. Standard library only.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from case import BIN, ROOT  # noqa: E402
from served import ServedCase, free_port  # noqa: E402

MODEL = ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf"
VLLM = os.environ.get("GRPO_VLLM") or shutil.which("vllm")
MISSING = "no vLLM (set GRPO_VLLM, or put vllm on PATH)" if not VLLM else f"{MODEL} is not there" if not MODEL.exists() else ""
if MISSING:
    print(f"skipped: {MISSING}")
    sys.exit(77)

# As docs/guides/generation-servers.md says, with little memory and no compiling.
ENVIRONMENT = {"VLLM_SERVER_DEV_MODE": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}


class Vllm(ServedCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = cls.dir / "smollm2"
        subprocess.run([str(BIN / "grpo_export"), "--model_name_or_path", str(MODEL), "--output", str(cls.folder)], check=True, capture_output=True)
        cls.port = free_port()
        cls.log = open(cls.dir / "vllm.log", "w")
        cls.server = subprocess.Popen([VLLM, "serve", str(cls.folder), "--dtype", "float32", "--host", "127.0.0.1", "--port", str(cls.port), "--max-model-len", "512",
                                       "--enforce-eager", "--logprobs-mode", "processed_logprobs", "--max-logprobs", "-1"], stdout=cls.log,
                                      stderr=subprocess.STDOUT, env={**os.environ, **ENVIRONMENT}, start_new_session=True)
        cls.addClassCleanup(cls.end_server)
        end = time.monotonic() + 400
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{cls.port}/health", timeout=5):
                    return
            except OSError:
                if time.monotonic() > end or cls.server.poll() is not None:
                    raise AssertionError((cls.dir / "vllm.log").read_text()[-3000:]) from None
                time.sleep(1)

    @classmethod
    def end_server(cls):
        for number in (signal.SIGTERM, signal.SIGKILL):  # it starts processes of its own
            try:
                os.killpg(cls.server.pid, number)
                cls.server.wait(30)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        cls.log.close()

    def command(self, out, *words):
        return [str(BIN / "grpo_train"), "--model_name_or_path", str(self.folder), "--dataset_name", "sums", "--system_prompt",
                "Answer the question. Put only the final number inside <answer> and </answer> tags.", "--few_shot", "What is 3 + 4?",
                "<answer>7</answer>", "--reward_funcs", "answer_accuracy", "format",
                "--reward_weights", "1.0", "0.2", "--num_generations", "4", "--per_device_train_batch_size", "16", "--max_completion_length", "16",
                "--beta", "0.01", "--learning_rate", "3e-5", "--lr_scheduler_type", "constant", "--temperature", "0.9", "--save_strategy", "no", "--output_dir", str(out),
                *self.by(f"http://127.0.0.1:{self.port}"), *map(str, words)]

    def test_five_steps_with_new_weights_before_each(self):
        out = self.dir / "five"
        _, err = self.train(out, "--max_steps", 5, "--log_completions")
        self.assertIn("vLLM 0.", err)
        self.assertIn("log-probs of a probe differ by at most", err)
        lines = self.metrics(out)
        self.assertEqual([line["sampling/weight_version"] for line in lines], list(range(5)))
        drifts = [line["sampling/sampling_logp_difference/mean"] for line in lines]
        self.assertLess(drifts[0], 1e-4, "vLLM and this engine agree on the weights both began with")
        # Without the head under its own name in the folder (weight_folders.hpp) they grow to 0.0025.
        self.assertLess(max(drifts), 1e-4, f"vLLM samples with the policy's weights at every step: {drifts}")
        self.assertGreater(max(line["grad_norm"] for line in lines), 0.0, "which do change")
        old = self.dir / "old"
        self.train(old, "--max_steps", 3, "--vllm_sync_interval_steps", 3)
        stale = [line["sampling/sampling_logp_difference/mean"] for line in self.metrics(old)]
        self.assertGreater(stale[2], 20 * max(drifts), f"weights that stay behind are seen: {stale}")


if __name__ == "__main__":
    unittest.main()
