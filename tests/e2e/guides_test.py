"""docs/guides/evaluate.md, as written: every command in it is run, on a tiny model and a Hugging Face cache made here."""

import json
import os
import re
import shlex
import subprocess
import unittest

from case import BIN, ROOT, Case, tiny_model

GUIDE = (ROOT / "docs" / "guides" / "evaluate.md").read_text()
COMMANDS = re.findall(r"^    (grpo_\w+ .*)$", GUIDE, re.M)


def rows(count, **columns):
    return "".join(json.dumps({key: value.format(i=i) for key, value in columns.items()}) + "\n" for i in range(count))


class Evaluate(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        hub = cls.dir / "hub"
        for repo, name in {"openai--gsm8k": "main/test-00000-of-00001.jsonl", "HuggingFaceH4--aime_2024": "data/train-00000-of-00001.jsonl"}.items():
            path = hub / f"datasets--{repo}" / "snapshots" / "0123456789" / name
            path.parent.mkdir(parents=True)
            (hub / f"datasets--{repo}" / "refs").mkdir()
            (hub / f"datasets--{repo}" / "refs" / "main").write_text("0123456789")
            column = "question" if "gsm8k" in repo else "problem"
            path.write_text(rows(7, **{column: "What is {i}?", "answer": "#### {i}"}))
        (cls.dir / "data").mkdir()
        (cls.dir / "data" / "test.jsonl").write_text(rows(9, question="What is {i}?", answer="#### {i}"))
        (cls.dir / "data" / "mine.jsonl").write_text(rows(4, problem="What is {i}?", answer="{i}"))
        tiny_model.write(cls.dir / "models" / "base")
        trained = tiny_model.write(cls.dir / "outputs" / "run")
        (trained / "recipe.resolved.toml").write_text('dataset_name = "sums"\nmodel_name_or_path = "models/base"\n')
        (cls.dir / "recipe.toml").write_text('dataset_name = "data/mine.jsonl"\nmodel_name_or_path = "models/base"\n'
                                             'eval_dataset_name = "data/mine.jsonl"\nreward_funcs = ["answer_accuracy", "format"]\n')

    def command(self, line, *words):
        done = subprocess.run([str(BIN / word) if i == 0 else word for i, word in enumerate(shlex.split(line))] + ["--max_completion_length", "8", *words],
                              cwd=self.dir, capture_output=True, text=True, timeout=300, env=dict(os.environ, HF_HUB_CACHE=str(self.dir / "hub")))
        self.assertEqual(done.returncode, 0, f"{line}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def test_every_command(self):
        self.assertGreaterEqual(len(COMMANDS), 6)
        for line in COMMANDS:
            with self.subTest(line):
                out = self.command(line)
                self.assertIn('"figures"' if "--json" in line else "| accuracy" if "--n 8" not in line and "countdown" not in line else "| mean@8", out)
                self.assertNotIn("nan", out)

    def test_what_is_left_in_the_folder(self):
        self.command(COMMANDS[0])
        folder = self.dir / "outputs" / "run" / "eval"
        for name in re.findall(r"^\| `([\w.]+)`(?:, `([\w.]+)`)? \| ", GUIDE[:GUIDE.index("**Killed?")], re.M):
            for one in filter(None, name):
                self.assertTrue((folder / one).exists(), one)
        told = json.loads((folder / "results.json").read_text())
        self.assertEqual([(r["benchmark"], r["questions"], r["n"]) for r in told["results"]], [("gsm8k", 7, 1), ("aime24", 7, 8)])
        self.assertEqual([c["role"] for c in told["results"][0]["contestants"]], ["model", "untrained", "random guess"])
        self.assertIn("## aime24", (folder / "results.md").read_text())
        # The two are the same model here, and so were asked the same.
        self.assertEqual(told["results"][1]["contestants"][1]["model_is_ahead_by"]["high"], 0.0)

    def test_the_table_of_benchmarks_is_the_programs(self):
        code = (ROOT / "libgrpo" / "eval" / "benchmarks.cpp").read_text()
        known = re.findall(r'^      \{"(\w+)", "([^"]+)", "[^"]*", "(\w+)", "\w+", "\w+", [^,]+, "(\w+)"(?:, (\d+))?\}', code, re.M)
        self.assertGreaterEqual(len(known), 10)
        for name, dataset, split, verdict, n in known:
            row = next((line for line in GUIDE.splitlines() if line.startswith("|") and f"`{name}`" in line.split("|")[1]), "")
            cells = [cell.strip() for cell in row.split("|")[1:-1]]
            self.assertTrue(cells, f"{name} is not in the guide's table")
            built_in = "/" not in dataset
            self.assertTrue(cells[1].startswith("built in" if built_in else f"`{dataset}`"), row)
            self.assertEqual(cells[2:], ["held out" if built_in else split, f"`{verdict}`", n or "1"], row)


if __name__ == "__main__":
    unittest.main(verbosity=2)
