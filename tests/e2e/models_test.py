#!/usr/bin/env python3
"""Where models come from, as a user sees it: python3 tests/e2e/models_test.py FOLDER_WITH_THE_PROGRAMS

The Hugging Face cache and the program hf, which a small script stands in for. Standard library only.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from case import BIN, ROOT, Case  # noqa: E402

COMMIT = "c" * 40


class HubModels(Case):
    def setUp(self):
        self.home = self.dir / self.id().split(".")[-1]
        self.bin = self.home / "bin"
        self.bin.mkdir(parents=True)
        self.snapshot = self.home / "hub/models--me--tiny/snapshots" / COMMIT

    def put_into_cache(self):
        shutil.copytree(self.model, self.snapshot)
        refs = self.home / "hub/models--me--tiny/refs"
        refs.mkdir(parents=True)
        (refs / "main").write_text(COMMIT)

    def hf(self, body):
        program = self.bin / "hf"
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)

    def generate(self, **variables):
        environment = {**os.environ, "HF_HOME": str(self.home), "PATH": f"{self.bin}:/usr/bin:/bin", **variables}
        for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
            environment.pop(name, None) if name not in variables else None
        done = subprocess.run([str(BIN / "grpo_generate"), "--model_name_or_path", "me/tiny", "--prompt", "Hi", "--max_completion_length", "4",
                               "--json"], capture_output=True, text=True, cwd=ROOT, timeout=120, env=environment)
        return done.returncode, done.stdout, done.stderr

    def test_a_repository_in_the_cache_is_used(self):
        self.put_into_cache()
        self.hf("echo must not be called; exit 1")
        code, stdout, stderr = self.generate()
        self.assertEqual(code, 0, stderr)
        self.assertIn('"token_ids"', stdout)
        self.assertEqual(self.generate(HF_HUB_OFFLINE="1")[1], stdout)

    def test_hf_fetches_what_is_not_there_and_stdout_stays_ours(self):
        self.hf(f'[ "$*" = "download me/tiny --revision main" ] || exit 9\necho fetching 42 %\necho more >&2\n'
                f'mkdir -p {self.snapshot} {self.home}/hub/models--me--tiny/refs\ncp {self.model}/* {self.snapshot}\n'
                f'printf {COMMIT} > {self.home}/hub/models--me--tiny/refs/main')
        code, stdout, stderr = self.generate()
        self.assertEqual(code, 0, stderr)
        self.assertTrue(stdout.startswith("{"), stdout)
        self.assertIn("fetching 42 %", stderr)
        self.assertIn("more", stderr)

    def test_what_cannot_be_fetched_is_told_whole(self):
        code, _, stderr = self.generate()
        self.assertEqual(code, 3)
        self.assertRegex(stderr, r"me/tiny: no such file.*cache.*pip install huggingface_hub")
        self.hf("echo 'Repository not found: me/tiny' >&2; exit 7")
        code, _, stderr = self.generate()
        self.assertEqual(code, 3)
        self.assertRegex(stderr, r"(?s)Repository not found.*exit code 7")
        code, _, stderr = self.generate(HF_HUB_OFFLINE="1")
        self.assertEqual(code, 3)
        self.assertRegex(stderr, r"HF_HUB_OFFLINE")
        self.assertNotIn("Repository not found", stderr)
        self.hf("exit 0")
        code, _, stderr = self.generate()
        self.assertEqual(code, 3)
        self.assertRegex(stderr, r"another cache")


if __name__ == "__main__":
    unittest.main(verbosity=1)
