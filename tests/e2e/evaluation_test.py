"""grpo_eval as a user runs it: killed and run again, controls, errors; and evaluation in training. A tiny model, standard library only."""

import json
import math
import os
import random
import shutil
import signal
import socket
import subprocess
import time
import unittest

from case import BIN, Case, tiny_model


class Evaluation(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.rows = cls.dir / "questions.jsonl"
        cls.rows.write_text("".join(json.dumps({"problem": f"Name a letter of word {i}", "answer": "[a-m]"}) + "\n" for i in range(60)))

    def words(self, *words):
        return [str(BIN / "grpo_eval"), "--model_name_or_path", str(self.model), "--dataset_name", str(self.rows), "--reward_funcs", "regex", "format",
                "--max_completion_length", "12", *map(str, words)]

    def run_eval(self, *words, code=0):
        done = subprocess.run(self.words(*words), capture_output=True, text=True, timeout=300, cwd=self.dir)
        self.assertEqual(done.returncode, code, f"{done.stdout}\n{done.stderr}")
        return done.stdout if code == 0 else done.stderr

    def results(self, *words):
        return json.loads(self.run_eval(*words, "--json"))["results"]

    def lines(self, path):
        return [json.loads(line) for line in path.read_text().splitlines()]

    def test_figures_are_those_of_what_was_written(self):
        out = self.dir / "figures"
        figures = self.results("--n", "6", "--k", "1,3,6", "--output", out)[0]["contestants"][0]["figures"]
        questions = self.lines(out / "questions.jsonl.model.jsonl")[1:]
        self.assertEqual(sorted(q["question"] for q in questions), list(range(60)))
        right = [sum(c["rewards"]["regex"] >= 1 for c in q["completions"]) for q in questions]
        self.assertTrue(0 < sum(right) < 360)
        self.assertAlmostEqual(figures["mean@6"]["mean"], sum(right) / 360)
        for k in (1, 3, 6):
            self.assertAlmostEqual(figures[f"pass@{k}"]["mean"], sum(1 - math.comb(6 - c, k) / math.comb(6, k) for c in right) / 60)
        self.assertLess(figures["mean@6"]["low"], figures["mean@6"]["mean"])
        self.assertLess(figures["mean@6"]["mean"], figures["mean@6"]["high"])
        self.assertAlmostEqual(figures["tokens"]["mean"], sum(c["tokens"] for q in questions for c in q["completions"]) / 360)

    def test_killed_runs_answer_every_question_once(self):
        words = ("--n", "4", "--min_completion_length", "12", "--control_model", "none", "--random_guess", "false")
        straight, out = self.dir / "straight", self.dir / "killed"
        start = time.time()
        self.run_eval(*words, "--output", straight)
        whole = time.time() - start
        journal, chance, kills, seen = out / "questions.jsonl.model.jsonl", random.Random(1), 0, []
        for _ in range(40):
            process = subprocess.Popen(self.words(*words, "--output", out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self.dir)
            try:
                _, err = process.communicate(timeout=whole * chance.uniform(0.4, 0.9) if kills < 4 else 300)
                self.assertEqual(process.returncode, 0, err)
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1
            before = journal.read_bytes() if journal.exists() else b""
            whole_lines = before[:before.rfind(b"\n") + 1]
            # What was written stays as it is: nothing is asked twice.
            if seen:
                self.assertTrue(whole_lines.startswith(seen[-1]))
            seen.append(whole_lines)
        self.assertGreater(kills, 0)
        self.assertTrue(journal.read_bytes().startswith(seen[-1]))
        by_question = lambda path: sorted(path.read_text().splitlines())
        self.assertEqual(by_question(journal), by_question(straight / journal.name))
        without_seconds = lambda path: [line for line in (path / "results.json").read_text().splitlines() if '"seconds"' not in line]
        self.assertEqual(without_seconds(out), without_seconds(straight))

    def test_a_file_cut_anywhere_goes_on(self):
        out = self.dir / "cut"
        words = ("--control_model", "none", "--eval_num_prompts", "12", "--output", out)
        self.run_eval(*words)
        journal = out / "questions.jsonl.model.jsonl"
        whole = journal.read_bytes()
        for keep in (0, 10, len(whole) // 3, len(whole) - 1):
            journal.write_bytes(whole[:keep])
            self.run_eval(*words)
            self.assertEqual(sorted(journal.read_bytes().splitlines()), sorted(whole.splitlines()))

    def ranks(self, size, port, *words):
        """The standard output of each rank."""
        ranks = [subprocess.Popen(self.words(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.dir,
                                  env=dict(os.environ, RANK=str(rank), WORLD_SIZE=str(size), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)))
                 for rank in range(size)]
        ended = [(rank.communicate(timeout=120), rank.returncode) for rank in ranks]
        self.assertEqual([code for _, code in ended], [0] * size, ended)
        return [out for (out, _), _ in ended]

    def test_ranks_share_the_questions(self):
        words = ("--n", "3", "--control_model", "none", "--eval_num_prompts", "21", "--json")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        alone, shared = self.dir / "alone", self.dir / "shared"
        without_seconds = lambda text: [line for line in text.splitlines() if '"seconds"' not in line]
        expected = without_seconds(self.run_eval(*words, "--output", alone))
        outs = self.ranks(2, port, *words, "--output", shared)
        self.assertEqual((without_seconds(outs[0]), outs[1]), (expected, ""))
        files = [shared / "questions.jsonl.model.jsonl", shared / "questions.jsonl.model.rank1.jsonl"]
        self.assertEqual([len(self.lines(file)) for file in files], [12, 11])  # with a head each
        before = [file.read_bytes() for file in files]
        # One rank goes on where two were, and asks nothing.
        self.assertEqual(without_seconds(self.run_eval(*words, "--output", shared)), expected)
        self.assertEqual([file.read_bytes() for file in files], before)
        files[1].unlink()
        self.assertEqual(without_seconds(self.run_eval(*words, "--output", shared)), expected)
        self.assertEqual(len(self.lines(files[0])), 22)

    def test_more_questions_later(self):
        out = self.dir / "more"
        self.run_eval("--eval_num_prompts", "5", "--output", out)
        first = (out / "questions.jsonl.model.jsonl").read_bytes()
        self.assertEqual(self.results("--eval_num_prompts", "9", "--output", out)[0]["questions"], 9)
        self.assertTrue((out / "questions.jsonl.model.jsonl").read_bytes().startswith(first))
        # And fewer: the others are not counted.
        self.assertEqual(self.results("--eval_num_prompts", "3", "--output", out)[0]["contestants"][0]["figures"]["accuracy"]["questions"], 3)

    def test_files_of_another_run_are_refused(self):
        out = self.dir / "other"
        self.run_eval("--eval_num_prompts", "3", "--output", out)
        self.assertIn("max_completion_length: 12 there, 13 here", self.run_eval("--eval_num_prompts", "3", "--output", out, "--max_completion_length", "13", code=2))
        self.assertIn("n: 1 there, 2 here", self.run_eval("--n", "2", "--output", out, code=2))
        other = tiny_model.write(self.dir / "changed")
        weights = bytearray((other / "model.safetensors").read_bytes())
        weights[-1] ^= 1
        (other / "model.safetensors").write_bytes(weights)
        self.assertIn("model: ", self.run_eval("--output", out, "--model_name_or_path", other, code=2))
        text = self.rows.read_text()
        try:
            self.rows.write_text(text.replace("word 1", "phrase 1", 1))
            self.assertIn("question 1 (questions.jsonl:2) is not the one", self.run_eval("--eval_num_prompts", "3", "--output", out, code=3))
        finally:
            self.rows.write_text(text)

    def test_wrong_options(self):
        for pattern, *words in (("did you mean gsm8k?", "--benchmarks", "gsm8"), ("is none of --benchmarks", "--benchmarks", "sums", "--benchmark_paths", "gsm8k=x"),
                                ("expected NAME=PATH", "--benchmarks", "gsm8k", "--benchmark_paths", "x"), ("--k=9", "--n", "8", "--k", "9"),
                                ("--confidence=1", "--confidence", "1"), ("greedy completions are all the same", "--n", "8", "--temperature", "0")):
            self.assertIn(pattern, self.run_eval(*words, code=2))
        self.assertIn("hf download --repo-type dataset HuggingFaceH4/MATH-500", self.run_eval("--benchmarks", "math_500", code=3))

    def test_modes_and_chance(self):
        results = self.results("--benchmarks", "graph_colouring,sums", "--greedy", "--dataset_name", "sums", "--reward_funcs", "graph_colouring", "--eval_num_prompts", "20")
        self.assertEqual([(r["benchmark"], r["n"], r["temperature"]) for r in results], [("graph_colouring", 8, 1.0), ("graph_colouring", 1, 0.0), ("sums", 1, 0.0)])
        guess = results[0]["contestants"][-1]
        self.assertEqual(guess["role"], "random guess")
        self.assertAlmostEqual(guess["figures"]["coverage@8"]["mean"], 1 - (26 / 27) ** 8, delta=0.08)
        self.assertGreater(guess["figures"]["pass@8"]["mean"], 0.5)
        # The verifier that was named is not for sums: nothing can be right, so chance is not told.
        self.assertEqual([c["role"] for c in results[2]["contestants"]], ["model"])


class WhileTraining(Case):
    def metrics_of(self, name, *words):
        out = self.dir / name
        code, _, err = self.run_train(out, "--eval_dataset_name", self.data, "--eval_num_prompts", "6", *words)
        self.assertEqual(code, 0, err)
        return {line["step"]: line for line in self.metrics(out) if "eval_reward" in line}

    def test_every_epoch(self):
        # 40 rows, 2 prompts a step: an epoch is 20 steps.
        lines = self.metrics_of("epoch", "--eval_strategy", "epoch", "--max_steps", "45", "--save_steps", "100")
        self.assertEqual(sorted(lines), [20, 40, 45])
        line = lines[20]
        self.assertLessEqual(line["eval_accuracy/low"], line["eval_accuracy"])
        self.assertLessEqual(line["eval_accuracy"], line["eval_accuracy/high"])
        self.assertFalse(any("@" in name for name in line))

    def test_every_epoch_after_a_stop_in_the_middle(self):
        # Two updates a generation batch; what is left is stopped between the two that end the first epoch.
        words = ("--eval_dataset_name", self.data, "--eval_num_prompts", "6", "--eval_strategy", "epoch", "--num_iterations", "2", "--max_steps", "42",
                 "--save_steps", "1", "--save_total_limit", "50")
        out = self.dir / "epoch-39"
        code, _, err = self.run_train(out, *words)
        self.assertEqual(code, 0, err)
        straight = self.metrics(out)
        self.assertEqual([line["step"] for line in straight if "eval_reward" in line], [40, 42])
        for number in (40, 41, 42):
            shutil.rmtree(out / f"checkpoint-{number}")
        code, stdout, err = self.run_train(out, *words)
        self.assertEqual(code, 0, err)
        self.assertIn("39 of them done: resuming", stdout)
        self.assertEqual(self.metrics(out), straight)

    def test_sampled_too(self):
        lines = self.metrics_of("sampled", "--eval_strategy", "steps", "--eval_steps", "3", "--max_steps", "5", "--eval_on_start", "--num_generations_eval", "4")
        self.assertEqual(sorted(lines), [0, 3, 5])
        for line in lines.values():
            for name in ("eval_accuracy", "eval_mean@4", "eval_pass@4", "eval_maj@4", "eval_distinct@4"):
                for part in ("", "/low", "/high"):
                    self.assertIn(name + part, line)
            self.assertLessEqual(line["eval_mean@4"], line["eval_pass@4"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
