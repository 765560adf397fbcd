"""docs/guides/bring-your-dataset.md, as written: its recipes and commands are run on a Hugging Face cache made here."""

import json
import os
import re
import subprocess
import unittest

from case import BIN, ROOT, Case

GUIDE = (ROOT / "docs" / "guides" / "bring-your-dataset.md").read_text()
RECIPES = re.findall(r"```toml\n(.*?)```", GUIDE, re.S)


def rows(count, name, **more):
    return "".join(json.dumps({"question": f"{name} {i}?", "problem": f"{name} {i}?", "answer": str(i), "level": i % 5, **more}) + "\n" for i in range(count))


class Guide(Case):
    def setUp(self):
        hub = self.dir / "hub"
        for repo, files in {"openai--gsm8k": {"main/train-00000-of-00001.jsonl": rows(12, "gsm"), "main/test-00000-of-00001.jsonl": rows(5, "held out"),
                                              "socratic/train-00000-of-00001.jsonl": rows(3, "socratic")},
                            "open-r1--OpenR1-Math-220k": {"data/train-00000-of-00002.jsonl": rows(100, "r1"), "data/train-00001-of-00002.jsonl": rows(100, "r1b")}}.items():
            (hub / f"datasets--{repo}" / "refs").mkdir(parents=True, exist_ok=True)
            (hub / f"datasets--{repo}" / "refs" / "main").write_text("0123456789")
            for name, text in files.items():
                path = hub / f"datasets--{repo}" / "snapshots" / "0123456789" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        (self.dir / "data").mkdir(exist_ok=True)
        (self.dir / "data" / "mine.jsonl").write_text(rows(50, "mine"))

    def inspect(self, recipe, *words, hub="hub"):
        (self.dir / "recipe.toml").write_text(recipe)
        command = re.search(r"^    (grpo_inspect .*)$", GUIDE, re.M).group(1).split()
        done = subprocess.run([str(BIN / command[0]), *command[1:], "--model_name_or_path", str(self.model), "--json", "--rows", "999", "--max_completion_length", "8", *words],
                              cwd=self.dir, capture_output=True, text=True, env=dict(os.environ, HF_HUB_CACHE=str(self.dir / hub)))
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    def test_an_id_of_the_hub(self):
        code, prompts, err = self.inspect(RECIPES[0])
        self.assertEqual(code, 0, err)
        self.assertEqual([p["source"] for p in prompts], [f"train-00000-of-00001.jsonl:{i + 1}" for i in range(12)])
        self.assertIn("gsm 0?", prompts[0]["text"])

    def test_an_id_that_was_not_fetched(self):
        code, _, err = self.inspect(RECIPES[0], hub="empty")
        self.assertEqual(code, 3)
        command = re.search(r"^    (hf download .*)$", GUIDE, re.M).group(1)
        self.assertIn(f"Fetch it: {command}\n", err)

    def test_a_mixture(self):
        code, prompts, err = self.inspect(RECIPES[1])
        self.assertEqual(code, 0, err)
        kept = 20 + sum(i % 5 <= 3 for i in range(50))  # a tenth of 200; level <= 3
        self.assertEqual(len(prompts), kept - -(-kept // 10))  # without the held-out tenth, rounded up
        self.assertEqual(len({p["source"] for p in prompts}), len(prompts))
        self.assertTrue(all(int(p["solution"]) % 5 <= 3 for p in prompts if p["source"].startswith("mine")))
        self.assertEqual(prompts, self.inspect(RECIPES[1])[1])

    def test_filters(self):
        words = ("--dataset_name", "data/mine.jsonl", "--filter")
        code, prompts, err = self.inspect("", *words, "level >= 2 and level != 3")
        self.assertEqual((code, len(prompts)), (0, 20), err)
        guide = re.search(r'filter = "(level .*)"', GUIDE).group(1)
        self.assertIn('no column "source"', self.inspect("", *words, guide)[2])  # it parses; the rows have no such column
        code, _, err = self.inspect("", *words, "level <= and 3")
        self.assertEqual(code, 2)
        self.assertIn("filter: expected a value before and; a column of that name is written `and`\n", err)
        line, caret = err.split("\n")[1:3]
        self.assertEqual(caret.index("^"), line.index("and"), err)

    def test_prompts_that_are_too_long(self):
        (self.dir / "data" / "long.jsonl").write_text(rows(3, "x") + rows(1, "long " * 20) + rows(2, "y"))
        words = ("--dataset_name", "data/long.jsonl", "--max_prompt_length", "60")
        code, _, err = self.inspect("", *words)
        self.assertEqual(code, 3)
        self.assertRegex(err, r"long.jsonl:4: the prompt has \d+ tokens, max_prompt_length is 60: .* filter_overlong_prompts")
        code, prompts, err = self.inspect("", *words, "--filter_overlong_prompts")
        self.assertEqual([p["source"].split(":")[1] for p in prompts], ["1", "2", "3", "5", "6"], err)

    def test_built_in_tasks(self):
        for task in re.search(r"\| a built-in task \| (.*) \|", GUIDE).group(1).replace("`", "").split(", "):
            code, prompts, err = self.inspect("", "--dataset_name", task)
            self.assertEqual(code, 0, err)
            self.assertTrue(prompts[0]["source"].startswith(task + ":"), prompts[0])


if __name__ == "__main__":
    unittest.main(verbosity=2)
