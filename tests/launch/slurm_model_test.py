#!/usr/bin/env python3
"""SmolLM2 under a real Slurm over loopback: python3 tests/launch/slurm_model_test.py FOLDER_WITH_THE_PROGRAMS

sbatch training.sh with seven GPUs that are names: grpo_serve on the first of them samples, two ranks train for three steps. On one
node, and on two of which the last one serves. Standard library only.
"""

import json
import pathlib
import sys
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / name) for name in ("launch", "e2e")]
import slurm_cluster  # noqa: E402
from case import BIN, ROOT  # noqa: E402
from stubs import Checkout  # noqa: E402

MODEL = ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf"
MISSING = slurm_cluster.missing() or (None if MODEL.exists() else MODEL.name)
if MISSING:
    print(f"skipped: {MISSING} is not installed")
    sys.exit(77)
OPTIONS = ("--model_name_or_path", MODEL, "--dataset_name", "sums", "--reward_funcs", "answer_accuracy", "repetition_penalty", "--num_generations", 4, "--per_device_train_batch_size", 4,
           "--max_completion_length", 8, "--max_steps", 3, "--save_strategy", "no", "--seed", 7)


class SlurmModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = slurm_cluster.Cluster(nodes=2)
        cls.addClassCleanup(cls.cluster.stop)

    def train(self, nodes):
        made = Checkout(programs=())
        self.addCleanup(made.remove)
        out = made.dir / "out"
        environment = {k: v for k, v in made.environment(GRPO_BIN=BIN, VLLM_SERVER_IMPL="grpo_serve", NPROC=2).items() if k not in ("SLURM_CONF", "PATH")}
        done = self.cluster.call("bash", made.dir / "training.sh", "--submit", *([f"--nodes={nodes}"] if nodes > 1 else []), "--",
                                 *OPTIONS, "--run_name", "smol", "--output_dir", out, env=environment | {"PATH": slurm_cluster.PATH, "OMP_NUM_THREADS": "1"},
                                 cwd=made.dir)
        self.assertIn("Submitted batch job", done.stdout, done.stderr)
        number = done.stdout.split()[-1]
        job = self.cluster.wait(number, "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", seconds=240)
        text = "".join((made.dir / f"logs/slurm_{number}.{end}").read_text() for end in ("out", "err"))
        self.assertEqual((job["JobState"], job["ExitCode"], job["NumNodes"]), ("COMPLETED", "0:0", str(nodes)), text + made.log("train").read_text())
        self.assertIn("the server is healthy after", text)
        self.assertIn("trained    3 steps", made.log("train").read_text())
        self.assertIn("listening on http://", made.log("vllm").read_text())
        self.assertTrue((out / "model.safetensors").exists())
        lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        self.assertEqual([line["sampling/weight_version"] for line in lines], [0, 1, 2], "weights of every step")
        self.assertEqual(made.processes(), [])
        return lines, text

    def test_one_node_and_two_give_the_same_steps(self):
        one, _ = self.train(1)
        two, text = self.train(2)
        self.assertIn("127.0.0.2", text, "the last node serves")
        for a, b in zip(one, two, strict=True):
            self.assertEqual([a[k] for k in ("reward", "loss", "grad_norm")], [b[k] for k in ("reward", "loss", "grad_norm")])


if __name__ == "__main__":
    unittest.main(verbosity=1)
