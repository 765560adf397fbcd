"""What SECURITY.md promises of a run: no secret is printed or saved, no pickle is loaded, files have the permissions of the umask."""

import json
import os
import pathlib
import pickle
import shutil
import subprocess
import unittest
import urllib.error
import urllib.request

from case import BIN, ROOT, Case

SECRETS = {"HF_TOKEN": "hf_8bQsecretsecretsecret1", "HUGGING_FACE_HUB_TOKEN": "hf_8bQsecretsecretsecret2", "WANDB_API_KEY": "5eecret5eecret5eecret5eecret5eecret5eecre3",
           "GRPO_SERVE_API_KEY": "sk-secretsecretsecret4", "OPENAI_API_KEY": "sk-secretsecretsecret5"}


class Trap:
    """Unpickling it leaves a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (pathlib.Path.touch, (pathlib.Path(self.path),))


class Security(Case):
    def run_app(self, program, *words, path="", mask=0o022):
        env = dict(os.environ, **SECRETS, PATH=f"{path}:{os.environ['PATH']}", HF_HUB_CACHE=str(self.dir / "hub"))
        done = subprocess.run([BIN / program, *map(str, words)], capture_output=True, text=True, cwd=self.dir, timeout=120, env=env, umask=mask)
        return done.returncode, done.stdout + done.stderr

    def keeps(self, said, *folders):
        """No secret in what was said or saved; not in pieces either: eight characters would do to tell."""
        texts = {"output": said}
        for folder in folders:
            texts.update({str(path): path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()})
        for name, secret in SECRETS.items():
            for place, text in texts.items():
                self.assertNotIn(secret[-10:], text, f"{name} in {place}")
        return len(texts) - 1

    def test_a_run_that_ends_well(self):
        out = self.dir / "well"
        words = self.command(out, "--max_steps", 2, "--log_completions", "--profile")[1:]
        code, said = self.run_app("grpo_train", *words, mask=0o077)
        self.assertEqual(code, 0, said)
        self.assertGreater(self.keeps(said, out), 8)  # metrics, completions, checkpoints, the model, the recipe
        self.assertTrue(any("completions" in str(path) for path in out.rglob("*.jsonl")))
        loose = [path for path in [out, *out.rglob("*")] if path.stat().st_mode & 0o077]
        self.assertEqual(loose, [], "readable by others under umask 077")
        for words in (["--print_config"], ["--dry_run"]):
            self.keeps(self.run_app("grpo_train", *self.command(out)[1:], *words)[1])

    def test_runs_that_fail(self):
        out = self.dir / "fails"
        code, said = self.run_app("grpo_train", *self.command(out)[1:], "--dataset_name", "nowhere.jsonl")
        self.assertEqual(code, 3, said)
        self.keeps(said)
        # `hf` is given the token by inheritance, and what it says is passed on; here it fails without telling.
        tools = self.dir / "tools"
        tools.mkdir()
        (tools / "hf").write_text(f'#!/bin/sh\nprintf %s "$HF_TOKEN" >"{self.dir}/seen"\necho "no such repository" >&2\nexit 1\n')
        (tools / "hf").chmod(0o755)
        code, said = self.run_app("grpo_train", *self.command(out)[1:], "--model_name_or_path", "org/none", path=tools)
        self.assertEqual(code, 3, said)
        self.assertEqual((self.dir / "seen").read_text(), SECRETS["HF_TOKEN"], "hf needs the token")
        self.keeps(said, *([out] if out.exists() else []))

    def test_the_server(self):
        env = dict(os.environ, **SECRETS)
        server = subprocess.Popen([BIN / "grpo_serve", "--model_name_or_path", self.model, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        try:
            url = server.stdout.readline().split()[-1]
            self.assertRegex(url, r"^http://127\.0\.0\.1:\d+$")
            body = json.dumps({"prompt": "a", "max_tokens": 2}).encode()
            answers = []
            for key, status in ((None, 401), ("wrong", 401), (SECRETS["GRPO_SERVE_API_KEY"], 200)):
                request = urllib.request.Request(url + "/v1/completions", body, {"Authorization": f"Bearer {key}"} if key else {})
                try:
                    answer = urllib.request.urlopen(request, timeout=60)
                except urllib.error.HTTPError as error:
                    answer = error
                self.assertEqual(answer.status, status)
                answers.append(answer.read().decode())
        finally:
            server.terminate()
            out, err = server.communicate(timeout=60)
        self.keeps(out + err + "".join(answers))

    def test_no_pickle_is_loaded(self):
        trapped = self.dir / "trapped"
        for name in ("pytorch_model.bin", "model.pt", "pytorch_model-00001-of-00001.bin"):
            folder = self.dir / f"pickled-{name}"
            shutil.copytree(self.model, folder, ignore=shutil.ignore_patterns("*.safetensors"))
            (folder / name).write_bytes(pickle.dumps(Trap(trapped)))
            code, said = self.run_app("grpo_generate", "--model_name_or_path", folder, "--prompt", "a")
            self.assertEqual(code, 3, said)
            self.assertIn("safetensors", said)
        self.assertFalse(trapped.exists())
        pickle.loads(pickle.dumps(Trap(trapped)))  # the trap is one
        self.assertTrue(trapped.exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
