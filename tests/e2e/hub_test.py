#!/usr/bin/env python3
"""Uploads to the Hugging Face Hub, with a program in place of hf that writes down what it is given: python3 tests/e2e/hub_test.py FOLDER_WITH_THE_PROGRAMS

Needs huggingface_hub (tests/oracle/requirements.txt) to read the model cards, and its real `hf` to know the options; nothing leaves the machine.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from case import ROOT, Case  # noqa: E402

from huggingface_hub import ModelCard  # noqa: E402

TOKEN = "hf_SecretSecretSecret12"
HF = f"""#!{sys.executable}
import json, os, pathlib, shutil, sys, time
here = pathlib.Path(__file__).resolve().parent
words = sys.argv[1:]
orders = here / "orders"
lines = orders.read_text().splitlines() if orders.exists() else []
orders.write_text("\\n".join(lines[1:]))
order = lines[0] if lines else "ok"
with open(here / "calls.jsonl", "a") as calls:
    calls.write(json.dumps(dict(words=words, token=os.environ.get("HF_TOKEN", ""), order=order)) + "\\n")
if order == "hang":
    time.sleep(600)
if order == "fail":
    sys.exit("Error: the server says 500")
if words[0] == "download":
    if order != "found":
        sys.exit("Error: Revision not found in model.")
if words[0] == "upload":
    place = here / "repo" / words[words.index("--revision") + 1] / words[3]
    place.mkdir(parents=True, exist_ok=True)
    for file in pathlib.Path(words[2]).iterdir():
        shutil.copy(file, place / file.name)
print("https://hub/x")
"""


class Hub(Case):
    def setUp(self):
        self.hub = self.dir / self._testMethodName
        self.hub.mkdir()
        (self.hub / "hf").write_text(HF)
        (self.hub / "hf").chmod(0o755)
        self.out = self.hub / "night-run"

    def order(self, *orders):
        (self.hub / "orders").write_text("\n".join(orders))

    def environment(self, **more):
        return {**os.environ, "PATH": f"{self.hub}{os.pathsep}{os.environ['PATH']}", "HF_TOKEN": TOKEN, **more}

    def train(self, *words, **more):
        done = subprocess.run(self.command(self.out, "--max_steps", 6, *words), capture_output=True, text=True, cwd=ROOT, timeout=300,
                              env=self.environment(**more))
        return done.returncode, done.stdout, done.stderr

    def calls(self):
        file = self.hub / "calls.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def repo(self, place="", branch="main"):
        folder = self.hub / "repo" / branch / place
        return {file.name for file in folder.iterdir() if file.is_file()} if folder.exists() else set()

    def check_nothing_secret(self, *texts):
        for text in texts:
            self.assertNotIn(TOKEN, text)
        for folder in (self.out, self.hub / "repo"):
            for file in folder.rglob("*"):
                if file.is_file():
                    self.assertNotIn(TOKEN.encode(), file.read_bytes(), file)
        for call in self.calls():
            self.assertNotIn(TOKEN, json.dumps(call["words"]))
            self.assertEqual(call["token"], TOKEN)

    def test_saves_and_the_finished_model_go_up_with_a_card(self):
        (self.model / "README.md").write_text("---\nlicense: mit\n---\n# tiny\n")
        self.addCleanup((self.model / "README.md").unlink)
        code, stdout, stderr = self.train("--push_to_hub", "--hub_model_id", "org/x", "--hub_private_repo", "--eval_dataset_name", self.data,
                                          "--eval_num_prompts", 2, "--eval_on_start")
        self.assertEqual(code, 0, stderr)
        uploads = [call["words"] for call in self.calls()]
        self.assertEqual({(w[0], w[1], w[3]) for w in uploads}, {("upload", "org/x", ".")})
        self.assertTrue(all("--private" in words and words[words.index("--revision") + 1] == "main" for words in uploads))
        self.assertTrue({"config.json", "model.safetensors", "tokenizer.json", "README.md", "training_curves.svg", "recipe.resolved.toml",
                         "metrics.jsonl"} <= self.repo())
        self.assertFalse(self.repo() & {"optimizer.safetensors", "trainer_state.json", "manifest.json", "report.html"})
        self.assertEqual((self.hub / "repo/main/model.safetensors").read_bytes(), (self.out / "model.safetensors").read_bytes())
        self.assertIn("is in org/x (main)", stdout + stderr)
        self.assertFalse((self.out / ".hub").exists())
        self.check_nothing_secret(stdout, stderr)
        card = ModelCard.load(self.hub / "repo/main/README.md")
        self.assertEqual((card.data.license, card.data.library_name, card.data.pipeline_tag, card.data.model_name),
                         ("mit", "transformers", "text-generation", "night-run"))
        self.assertEqual((card.data.tags, card.data.base_model), (["grpo", "libgrpo", "reinforcement-learning"], None))
        self.assertIn("num_generations = 4", card.text)
        self.assertIn("| `rewards/format/mean` |", card.text)
        self.assertIn("2402.03300", card.text)
        self.assertTrue((self.hub / "repo/main/training_curves.svg").read_text().startswith("<svg"))

    def test_strategies(self):
        # An upload is under way while the steps go on, so of a short run some saves are superseded; the last one never is.
        for strategy, places in (("end", {"."}), ("checkpoint", {".", "last-checkpoint"}),
                                 ("all_checkpoints", {".", "checkpoint-2", "checkpoint-4", "checkpoint-6"})):
            with self.subTest(strategy):
                self.out = self.hub / strategy
                before = len(self.calls())
                code, stdout, stderr = self.train("--push_to_hub", "--hub_strategy", strategy, "--hub_model_revision", strategy, "--save_total_limit", 1)
                self.assertEqual(code, 0, stderr)
                uploads = [call["words"] for call in self.calls()[before:]]
                self.assertEqual({words[3] for words in uploads}, places)
                self.assertEqual({words[1] for words in uploads}, {strategy})  # the last part of output_dir
                if strategy == "end":
                    self.assertEqual(len(uploads), 1)
                else:
                    whole = "last-checkpoint" if strategy == "checkpoint" else "checkpoint-6"
                    self.assertTrue({"optimizer.safetensors", "trainer_state.json", "manifest.json"} <= self.repo(whole, strategy))
                    self.assertEqual(json.loads((self.hub / "repo" / strategy / whole / "trainer_state.json").read_text())["global_step"], 6)

    def test_failures_are_told_and_tried_again_and_change_nothing(self):
        self.order("fail")
        code, stdout, stderr = self.train("--push_to_hub", "--hub_strategy", "end")
        self.assertEqual(code, 0, stderr)
        self.assertIn("the server says 500; tried again in 5 s", stderr)
        self.assertIn("model.safetensors", self.repo())
        plain = self.hub / "plain"
        done = subprocess.run(self.command(plain, "--max_steps", 6), capture_output=True, text=True, cwd=ROOT, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.metrics(self.out), self.metrics(plain))
        self.assertEqual((self.out / "model.safetensors").read_bytes(), (plain / "model.safetensors").read_bytes())

    def test_an_upload_that_hangs_does_not_hold_a_run_that_is_stopped(self):
        self.order("hang", "hang", "hang")
        process = subprocess.Popen(self.command(self.out, "--push_to_hub", "--max_steps", 100000, "--save_steps", 1), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True, cwd=ROOT, env=self.environment())
        deadline = time.time() + 60
        while not self.calls() and time.time() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        began = time.time()
        _, stderr = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 75, stderr)
        self.assertLess(time.time() - began, 40)
        self.assertIn("by hand: hf upload night-run", stderr)

    def test_without_hf_there_is_one_warning(self):
        bare = self.hub / "bare"
        bare.mkdir()
        code, stdout, stderr = self.train("--push_to_hub", PATH=str(bare))
        self.assertEqual(code, 0, stderr)
        self.assertEqual(stderr.count("hub:"), 1, stderr)
        self.assertIn("no program hf in PATH", stderr)
        self.assertEqual(self.calls(), [])

    def test_offline_there_is_one_warning(self):
        code, stdout, stderr = self.train("--push_to_hub", HF_HUB_OFFLINE="1")
        self.assertEqual((code, stderr.count("hub:"), self.calls()), (0, 1, []), stderr)

    def test_a_branch_with_a_model_is_refused_before_training(self):
        words = ("--push_to_hub_revision", "--hub_model_id", "org/x", "--hub_model_revision", "v01.00")
        self.order("found")
        code, stdout, stderr = self.train(*words)
        self.assertEqual(code, 2, stderr)
        self.assertIn("the branch holds a model already", stderr)
        self.assertEqual((self.out / "metrics.jsonl").read_text(), "")
        code, stdout, stderr = self.train(*words)  # this time the branch is free
        self.assertEqual(code, 0, stderr)
        kinds = [call["words"][0] for call in self.calls()]
        self.assertEqual(kinds, ["download", "download", "upload"])
        self.assertIn("model.safetensors", self.repo(branch="v01.00"))
        before = len(self.calls())
        self.out = self.hub / "again"
        self.order("found")
        code, stdout, stderr = self.train(*words, "--overwrite_hub_revision")
        self.assertEqual(code, 0, stderr)
        self.assertEqual([call["words"][0] for call in self.calls()[before:]], ["upload"])

    def test_a_token_is_no_option(self):
        code, stdout, stderr = self.train("--hub_token", TOKEN)
        self.assertEqual(code, 2)
        self.assertIn("secrets are not options", stderr)
        self.assertNotIn(TOKEN, stdout + stderr)

    def test_the_real_program_knows_the_words(self):
        hf = pathlib.Path(sys.executable).parent / "hf"
        for command, options in (("upload", ("--revision", "--private", "--commit-message")), ("download", ("--revision", "--local-dir"))):
            said = subprocess.run([hf, command, "--help"], capture_output=True, text=True, timeout=120).stdout
            for option in options:
                self.assertIn(option, said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
