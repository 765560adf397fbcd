"""Which rows a run trains on, seen in the completions it logs: a mixture with a filter, several epochs, kills in the middle of them."""

import collections
import json
import random
import time
import unittest

from case import Case

PER_STEP, ROWS, STEPS = 2, 25, 36  # 12 steps an epoch, one row left over; three epochs


class DataOrder(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, count in (("a", 40), ("b", 30)):
            (cls.dir / f"{name}.jsonl").write_text("".join(json.dumps({"problem": f"{name}{i}", "answer": "1", "level": i % 6}) + "\n" for i in range(count)))
        # a: half of 40; b: 15 of the 30 rows pass, a third of them are kept
        mixture = {"seed": 3, "datasets": [{"id": str(cls.dir / "a.jsonl"), "weight": 0.5, "columns": ["problem", "answer"]},
                                           {"id": str(cls.dir / "b.jsonl"), "weight": 0.34, "columns": ["problem", "answer"], "filter": "level < 3"}]}
        cls.mixture = json.dumps(mixture)

    def command(self, out, *words):
        line = super().command(out, "--dataset_mixture", self.mixture, "--log_completions", "--max_steps", STEPS, "--save_steps", "1", *words)
        at = line.index("--dataset_name")
        return line[:at] + line[at + 2:]

    def prompts(self, out):
        """The questions of every step, in the order in which they were trained on."""
        steps = []
        for path in sorted((out / "completions").glob("step-*.jsonl")):
            steps.append([json.loads(line)["prompt"] for line in path.read_text().rstrip("\n").split("\n")])
        return steps

    def test_every_row_once_an_epoch_whatever_happens(self):
        straight = self.dir / "straight"
        start = time.time()
        code, _, err = self.run_train(straight)
        whole = time.time() - start
        self.assertEqual(code, 0, err)
        steps = self.prompts(straight)
        self.assertEqual([len(step) for step in steps], [PER_STEP] * STEPS)
        per_epoch = ROWS // PER_STEP
        seen = collections.Counter()
        for epoch in range(3):
            rows = [prompt for step in steps[epoch * per_epoch:(epoch + 1) * per_epoch] for prompt in step]
            self.assertEqual(len(set(rows)), len(rows), "a row came twice in an epoch")
            seen.update(rows)
        self.assertEqual(len(seen), ROWS)
        self.assertNotEqual(steps[:per_epoch], steps[per_epoch:2 * per_epoch])

        again = self.dir / "again"
        self.assertEqual(self.run_train(again)[0], 0)
        self.assertEqual(self.prompts(again), steps)

        chance, kills, run = random.Random(4), 0, 0
        while kills <= 3 and run < 10:  # how many there are depends on how busy the machine is
            out, run = self.dir / f"killed-{run}", run + 1
            kills += self.run_with_kills(out, whole, chance)
            self.assertEqual(self.prompts(out), steps, "a run that went on repeated or skipped a row")
        self.assertGreater(kills, 3)

        # As in transformers: the resumed run has its weights and its step, and meets its epoch's prompts from the first one on.
        anew, cut = self.dir / "anew", per_epoch + 5
        for words in (("--max_steps", cut), ("--ignore_data_skip",)):
            self.assertEqual(self.run_train(anew, "--lr_scheduler_type", "constant", *words)[0], 0)
        self.assertEqual(self.prompts(anew), steps[:cut] + steps[per_epoch:STEPS - 5])

        other = self.dir / "other"
        self.assertEqual(self.run_train(other, "--seed", "43")[0], 0)
        self.assertNotEqual(self.prompts(other), steps)


if __name__ == "__main__":
    unittest.main(verbosity=2)
