#!/usr/bin/env python3
"""Weights & Biases in offline mode, read back with its own message types: python3 tests/e2e/wandb_test.py FOLDER_WITH_THE_PROGRAMS

Needs the package wandb (tests/oracle/requirements.txt); nothing leaves the machine (WANDB_MODE=offline).
"""

import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from case import ROOT, Case  # noqa: E402

from wandb.proto import wandb_internal_pb2  # noqa: E402

os.environ["WANDB_MODE"] = "offline"
os.environ["WANDB_SILENT"] = "true"
os.environ.pop("WANDB_API_KEY", None)
os.environ["PATH"] = str(pathlib.Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]
WORDS = ("--report_to", "wandb", "--wandb_project", "see", "--wandb_entity", "nobody", "--wandb_run_group", "night", "--wandb_tags", "tiny", "test")


def records(file):
    """Records of a .wandb file: LevelDB's log format (blocks of 32 KiB, pieces with checksum, length and kind) behind 7 bytes of head."""
    data, at, whole = file.read_bytes(), 7, b""
    assert data[:4] == b":W&B"
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        whole += data[at + 7:at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last piece of one
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            whole = b""
            yield record


class Offline(Case):
    def files(self, out):
        return sorted((out / "wandb").glob("offline-run-*/run-*.wandb"))

    def history(self, file):
        rows = []
        for record in records(file):
            if record.WhichOneof("record_type") == "history":
                rows.append({".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item})
        return rows

    def test_a_run_and_its_resume_are_one_run(self):
        out = self.dir / "run"
        code, _, stderr = self.run_train(out, *WORDS, "--max_steps", 3, "--log_completions", "--run_name", "first", "--eval_dataset_name", self.data,
                                         "--eval_num_prompts", 2, "--eval_on_start")
        self.assertEqual((code, "wandb" in stderr), (0, False), stderr)
        self.assertEqual(len(self.files(out)), 1)
        run = next(r.run for r in records(self.files(out)[0]) if r.WhichOneof("record_type") == "run")
        run_id = (out / "wandb_run_id").read_text().strip()
        self.assertEqual((run.project, run.entity, run.run_group, run.display_name, sorted(run.tags), run.run_id),
                         ("see", "nobody", "night", "first", ["test", "tiny"], run_id))
        config = {item.key: json.loads(item.value_json) for item in run.config.update}
        self.assertEqual((config["num_generations"], config["learning_rate"], config["loss_type"]), (4, 1e-3, "dapo"))
        rows = self.history(self.files(out)[0])
        for line in (json.loads(text) for text in (out / "metrics.jsonl").read_text().splitlines()):
            for name, value in line.items():
                name = "eval/" + name[5:] if name.startswith("eval_") else "train/" + name
                if name != "train/step" and value is not None:
                    self.assertTrue(any(row.get("train/global_step") == line["step"] and row.get(name) == value for row in rows), (line["step"], name))
        tables = [row["completions.nrows"] for row in rows if "completions.nrows" in row]
        self.assertEqual(tables, [8, 8, 8])
        exits = [r.exit.exit_code for r in records(self.files(out)[0]) if r.WhichOneof("record_type") == "exit"]
        self.assertEqual(exits, [0])
        code, _, stderr = self.run_train(out, *WORDS, "--max_steps", 5)
        self.assertEqual(code, 0, stderr)
        self.assertEqual(len(self.files(out)), 2)
        again = next(r.run for r in records(self.files(out)[1]) if r.WhichOneof("record_type") == "run")
        self.assertEqual(again.run_id, run_id)
        self.assertEqual({row["train/global_step"] for row in self.history(self.files(out)[1])}, {3, 4, 5})

    def test_the_death_of_the_bridge_does_not_end_the_run(self):
        plain, out = self.dir / "plain", self.dir / "killed"
        self.assertEqual(self.run_train(plain)[0], 0)
        process = subprocess.Popen(self.command(out, *WORDS), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        bridge, deadline = None, time.time() + 60
        while bridge is None and time.time() < deadline and process.poll() is None:
            for folder in pathlib.Path("/proc").glob("[0-9]*"):
                try:
                    if int(folder.joinpath("stat").read_text().rsplit(")", 1)[1].split()[1]) == process.pid:
                        bridge = int(folder.name)
                except (OSError, IndexError):
                    continue
        self.assertIsNotNone(bridge, "the bridge is a child of the program")
        os.kill(bridge, signal.SIGKILL)
        _, stderr = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0, stderr)
        self.assertEqual(stderr.count("wandb"), stderr.count("bridge.log") + 1, stderr)
        self.assertIn("training goes on without it", stderr)
        self.assertEqual(self.metrics(out), self.metrics(plain))

    def test_without_the_package_there_is_one_warning(self):
        out, fake = self.dir / "missing", self.dir / "bin"
        fake.mkdir()
        (fake / "python3").write_text("#!/bin/sh\necho no module named wandb\nexit 1\n")
        (fake / "python3").chmod(0o755)
        done = subprocess.run(self.command(out, *WORDS, "--max_steps", 2), capture_output=True, text=True, cwd=ROOT, timeout=120,
                              env={**os.environ, "PATH": str(fake) + os.pathsep + os.environ["PATH"]})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count("warning: wandb"), 1, done.stderr)
        self.assertIn("no module named wandb", (out / "wandb/bridge.log").read_text())


if __name__ == "__main__":
    unittest.main(verbosity=2)
