#!/usr/bin/env python3
"""grpo_export, as a user runs it: python3 tests/e2e/export_test.py FOLDER_WITH_THE_PROGRAMS. Standard library only."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from case import BIN, ROOT, Case  # noqa: E402


class Export(Case):
    def run_program(self, name, *words):
        done = subprocess.run([str(BIN / name), *map(str, words)], capture_output=True, text=True, cwd=ROOT, timeout=120)
        return done.returncode, done.stdout, done.stderr

    def export(self, output, *words, model=None):
        return self.run_program("grpo_export", "--model_name_or_path", model or self.model, "--output", output, *words)

    def greedy(self, model):
        code, stdout, stderr = self.run_program("grpo_generate", "--model_name_or_path", model, "--chat", "What is 3 + 4?", "--temperature", "0",
                                                "--max_completion_length", "24", "--json")
        self.assertEqual(code, 0, stderr)
        return json.loads(stdout)

    def test_a_folder_becomes_a_gguf_and_that_a_folder_again(self):
        gguf, folder = self.dir / "out.gguf", self.dir / "again"
        code, stdout, stderr = self.export(gguf, "--outtype", "f32")
        self.assertEqual(code, 0, stderr)
        self.assertRegex(stdout, r"out\.gguf: \d+ tensors, F32, ")
        self.assertFalse(list(self.dir.glob("*.partial")))
        whole = self.greedy(self.model)
        self.assertEqual(self.greedy(gguf), whole)
        code, _, stderr = self.export(folder, model=gguf)
        self.assertEqual(code, 0, stderr)
        self.assertTrue((folder / "config.json").exists())
        self.assertEqual(self.greedy(folder), whole)

    def test_every_type_is_written_and_read(self):
        sizes = {}
        for outtype in ("f32", "f16", "bf16", "q8_0"):
            path = self.dir / f"{outtype}.gguf"
            code, _, stderr = self.export(path, "--outtype", outtype)
            self.assertEqual(code, 0, stderr)
            self.assertEqual(len(self.greedy(path)["prompt_token_ids"]), len(self.greedy(self.model)["prompt_token_ids"]))
            sizes[outtype] = path.stat().st_size
        self.assertLess(sizes["q8_0"], sizes["f16"])
        self.assertEqual(sizes["f16"], sizes["bf16"])
        self.assertLess(sizes["f16"], sizes["f32"])

    def test_nothing_is_replaced_unless_asked(self):
        path = self.dir / "there.gguf"
        path.write_text("mine")
        code, _, stderr = self.export(path)
        self.assertEqual((code, path.read_text()), (2, "mine"))
        self.assertRegex(stderr, r"there\.gguf is there already; give --overwrite")
        code, stdout, _ = self.export(path, "--overwrite", "--dry_run")
        self.assertEqual((code, path.read_text()), (0, "mine"))
        self.assertRegex(stdout, "would be written")
        self.assertEqual(self.export(path, "--overwrite")[0], 0)
        self.assertTrue(path.read_bytes().startswith(b"GGUF"))
        code, _, stderr = self.export(self.model)
        self.assertEqual(code, 2)
        self.assertRegex(stderr, "is there already")

    def test_what_cannot_be_done_is_said(self):
        for words, why in (((), "nowhere to write"), (("--output", self.dir / "x.gguf", "--outtype", "q4_0"), "expected f32, f16, bf16 or q8_0"),
                           (("--output", self.dir / "x", "--outtype", "f16"), "--outtype is for GGUF")):
            code, _, stderr = self.run_program("grpo_export", "--model_name_or_path", self.model, *words)
            self.assertEqual(code, 2, why)
            self.assertIn(why, stderr)
        gemma = self.dir / "gemma"
        shutil.copytree(ROOT / "tests/oracle/families/gemma2", gemma)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(self.model / name, gemma)
        code, _, stderr = self.export(self.dir / "x.gguf", model=gemma)
        self.assertEqual(code, 3)
        self.assertRegex(stderr, "export of family gemma2 to GGUF is not supported")
        self.assertFalse(os.path.exists(self.dir / "x.gguf"))
        tokenizer = json.loads((self.model / "tokenizer.json").read_text())
        tokenizer["normalizer"] = {"type": "NFKC"}
        odd = self.dir / "odd"
        shutil.copytree(self.model, odd)
        (odd / "tokenizer.json").write_text(json.dumps(tokenizer))
        code, _, stderr = self.export(self.dir / "x.gguf", model=odd)
        self.assertEqual(code, 3)
        self.assertRegex(stderr, "this tokenizer cannot be written as GGUF: 'gpt-2' cuts|llama.cpp has no name")


if __name__ == "__main__":
    unittest.main(verbosity=1)
