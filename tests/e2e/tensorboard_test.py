#!/usr/bin/env python3
"""Event files, read back by TensorBoard's own reader: python3 tests/e2e/tensorboard_test.py FOLDER_WITH_THE_PROGRAMS

Needs the package tensorboard (tests/oracle/requirements.txt).
"""

import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from case import Case  # noqa: E402

from tensorboard.backend.event_processing import event_accumulator  # noqa: E402
from tensorboard.util import tensor_util  # noqa: E402


class EventFiles(Case):
    def read(self, out):
        everything = event_accumulator.EventAccumulator(str(out / "tensorboard"), size_guidance={
            event_accumulator.SCALARS: 0, event_accumulator.HISTOGRAMS: 0, event_accumulator.TENSORS: 0})
        return everything.Reload()

    def assert_equals_metrics(self, out, events):
        rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        for name in ("reward", "loss", "kl", "grad_norm", "completions/mean_length", "rewards/format/mean"):
            expected = [(row["step"], row[name]) for row in rows if name in row]
            got = [(event.step, event.value) for event in events.Scalars("train/" + name)]
            self.assertEqual([step for step, _ in got], [step for step, _ in expected], name)
            for (_, a), (_, b) in zip(got, expected):
                self.assertAlmostEqual(a, b, delta=1e-6 * max(1.0, abs(b)))

    def test_scalars_histograms_and_text(self):
        out = self.dir / "plain"
        code, _, stderr = self.run_train(out, "--max_steps", 4, "--report_to", "tensorboard", "--log_completions", "--eval_dataset_name", self.data,
                                         "--eval_num_prompts", 2, "--eval_on_start")
        self.assertEqual(code, 0, stderr)
        events = self.read(out)
        self.assert_equals_metrics(out, events)
        self.assertEqual([e.step for e in events.Scalars("eval/rewards/format/mean")], [0, 4])
        lengths = events.Histograms("train/completion_length")
        self.assertEqual([e.step for e in lengths], [1, 2, 3, 4])
        for event in lengths:
            group_lengths = [len(c["ids"]) for line in (out / f"completions/step-{event.step:06}.jsonl").read_text().splitlines()
                             for c in json.loads(line)["completions"]]
            histogram = event.histogram_value
            self.assertEqual((histogram.num, histogram.min, histogram.max, histogram.sum),
                             (len(group_lengths), min(group_lengths), max(group_lengths), sum(group_lengths)))
            self.assertEqual(sum(histogram.bucket), len(group_lengths))
            self.assertEqual(histogram.bucket_limit[-1], max(group_lengths))
        recipe = tensor_util.make_ndarray(events.Tensors("recipe")[0].tensor_proto)[0].decode()
        self.assertIn("num_generations = 4", recipe)
        self.assertIn("train/completions", events.Tags()["tensors"])

    def test_a_resumed_run_replaces_what_came_after_its_checkpoint(self):
        out = self.dir / "resumed"
        words = ("--report_to", "tensorboard")
        self.assertEqual(self.run_train(out, *words, "--max_steps", 7)[0], 0)  # checkpoints 4 and 6; the last step is without
        code, _, stderr = self.run_train(out, *words, "--max_steps", 9)
        self.assertEqual(code, 0, stderr)
        self.assertEqual(len(list((out / "tensorboard").iterdir())), 2)
        self.assert_equals_metrics(out, self.read(out))

    def test_a_folder_that_cannot_be_written_ends_nothing(self):
        out = self.dir / "blocked"
        out.mkdir()
        (out / "tensorboard").write_text("a file where the folder should be")
        code, _, stderr = self.run_train(out, "--report_to", "tensorboard", "--max_steps", 2)
        self.assertEqual(code, 0, stderr)
        self.assertIn("without TensorBoard", stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
