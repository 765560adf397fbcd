#!/usr/bin/env python3
"""The apps as a user runs them, on a tiny model: python3 tests/e2e/apps_test.py FOLDER_WITH_THE_PROGRAMS

Standard library only. The last class asks the quick start's real model and is skipped where it is not installed.
"""

import json
import math
import os
import pathlib
import pty
import select
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import tiny_model  # noqa: E402

BIN = pathlib.Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else ROOT / "build/release/bin"
REAL = ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf"


def run(app, *words, stdin="", cwd=None):
    """(exit code, stdout, stderr); stdin as text or bytes."""
    data = stdin if isinstance(stdin, bytes) else stdin.encode()
    done = subprocess.run([str(BIN / app), *map(str, words)], input=data, capture_output=True, cwd=cwd or ROOT, timeout=300,
                          env={**os.environ, "OMP_NUM_THREADS": "1"})
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.dir = pathlib.Path(cls.scratch.name)
        cls.model = tiny_model.write(cls.dir / "tiny")

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def good(self, app, *words, stdin=""):
        code, out, err = run(app, *words, stdin=stdin)
        self.assertEqual(code, 0, f"{app} {words}\n{out}\n{err}")
        return out

    def bad(self, code, pattern, app, *words, stdin="", lines=1):
        """Ends with `code`, and says `pattern` on stderr in so many lines."""
        got, out, err = run(app, *words, stdin=stdin)
        self.assertEqual(got, code, f"{app} {words}\n{out}\n{err}")
        self.assertRegex(err, pattern)
        self.assertEqual(len(err.strip().splitlines()), lines, err)
        return out

    def objects(self, app, *words, stdin=""):
        return [json.loads(line) for line in self.good(app, *words, stdin=stdin).splitlines()]

    def generate(self, *words):
        return self.objects("grpo_generate", "--model_name_or_path", self.model, "--json", *words)

    def file(self, name, text):
        path = self.dir / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path


class CommandLine(Case):
    def test_help_and_version(self):
        for app in ("grpo_train", "grpo_generate", "grpo_eval", "grpo_inspect"):
            self.assertIn("Usage:" if app != "grpo_inspect" else "tokens", self.good(app, "--help"))
            self.assertRegex(self.good(app, "--version"), rf"^{app} \d+\.\d+\.\d+\n$")
        for own in ("--prompt <text>", "--chat <text>", "--n <completions>", "--json", "[run]", "--num_generations"):
            self.assertIn(own, self.good("grpo_generate", "--help"))
        for command in ("tokens", "prompts", "logprobs", "checkpoint"):
            self.assertIn("--", self.good("grpo_inspect", command, "--help"))

    def test_inspect_without_a_known_command(self):
        for words in ((), ("tokenz",), ("--rows", "3"), ("checkpoint",)):
            code, out, err = run("grpo_inspect", *words)
            self.assertEqual((code, out), (2, ""))
            for command in ("tokens", "prompts", "logprobs", "checkpoint"):
                self.assertEqual(err.count(f"  grpo_inspect {command} "), 1)

    def test_wrong_options(self):
        model = ("--model_name_or_path", self.model)
        self.bad(2, "--promt: unknown option; did you mean prompt", "grpo_generate", *model, "--promt", "x")
        self.bad(2, "--temprature: unknown option; did you mean temperature", "grpo_generate", *model, "--temprature", "1")
        self.bad(2, "--num_generationz: unknown option; did you mean num_generations", "grpo_eval", *model, "--num_generationz", "4")
        self.bad(2, "--n=two: expected an integer", "grpo_generate", *model, "--prompt", "x", "--n", "two")
        self.bad(2, "--n=0: must be >= 1", "grpo_generate", *model, "--prompt", "x", "--n", "0")
        self.bad(2, "--temperature=-1: must be >= 0", "grpo_generate", *model, "--prompt", "x", "--temperature", "-1")
        self.bad(2, "--json=maybe: expected true or false", "grpo_generate", *model, "--prompt", "x", "--json", "maybe")
        self.bad(2, "--prompt=takes one value, got 2.*quotes", "grpo_generate", *model, "--prompt", "two", "words")
        self.bad(2, "--prompt=needs a value", "grpo_generate", *model, "--prompt")
        self.bad(2, "keep one", "grpo_generate", *model, "--prompt", "x", "--chat", "y")
        self.bad(2, "nothing to complete", "grpo_generate", *model)
        self.bad(2, "model_name_or_path: is missing", "grpo_generate", "--prompt", "x")
        self.bad(2, "--k=9: must be a whole number from 1 to n, which is 8", "grpo_eval", *model, "--n", "8", "--k", "1,9")
        self.bad(2, "greedy completions are all the same", "grpo_eval", *model, "--n", "8", "--temperature", "0")

    def test_all_errors_at_once(self):
        self.bad(2, "(?s)--n=two.*--promt.*--learning_rate=-1", "grpo_generate", "--model_name_or_path", self.model, "--n", "two",
                 "--promt", "x", "--learning_rate", "-1", lines=3)


class Generate(Case):
    def test_json(self):
        for one in self.generate("--prompt", "Hello", "--temperature", "0", "--max_completion_length", "8"):
            self.assertEqual(one["prompt_token_ids"], list(b"Hello"))
            self.assertEqual(len(one["token_ids"]), len(one["logprobs"]))
            self.assertEqual(one["finish_reason"], "stop" if one["token_ids"][-1] == tiny_model.IM_END else "length")
            self.assertEqual(one["text"], bytes(t for t in one["token_ids"] if t < 256).decode("utf-8", "replace"))
            self.assertTrue(all(value <= 0 for value in one["logprobs"]))

    def test_lengths(self):
        words = ("--prompt", "a", "--max_completion_length", "40")
        self.assertTrue(all(len(c["token_ids"]) <= 40 for c in self.generate(*words, "--n", "32")))
        forced = self.generate(*words, "--n", "32", "--min_completion_length", "40")
        self.assertEqual({len(c["token_ids"]) for c in forced}, {40})
        default = self.generate("--prompt", "a", "--min_completion_length", "256")
        self.assertEqual(len(default[0]["token_ids"]), 256)

    def test_seeds(self):
        words = ("--prompt", "a", "--n", "4", "--max_completion_length", "12")
        first = self.generate(*words, "--seed", "1")
        self.assertEqual(first, self.generate(*words, "--seed", "1"))
        self.assertNotEqual(first, self.generate(*words, "--seed", "2"))
        self.assertEqual(len({tuple(c["token_ids"]) for c in first}), 4)
        greedy = self.generate(*words, "--temperature", "0")
        self.assertEqual(len({tuple(c["token_ids"]) for c in greedy}), 1)
        alone = self.generate("--prompt", "a", "--n", "1", "--seed", "1", "--max_completion_length", "12")
        self.assertEqual(alone[0]["token_ids"], first[0]["token_ids"])  # draws do not depend on the batch

    def test_text(self):
        words = ("--prompt", "Hi", "--temperature", "0", "--max_completion_length", "6")
        text = self.generate(*words)[0]["text"]
        plain = self.good("grpo_generate", "--model_name_or_path", self.model, *words)
        self.assertEqual(plain, text + "\n")
        three = self.good("grpo_generate", "--model_name_or_path", self.model, *words, "--n", "3")
        self.assertEqual(three.count("--- 2 of 3: "), 1)

    def test_streams_on_a_terminal(self):
        words = ("--model_name_or_path", str(self.model), "--prompt", "Hi", "--temperature", "0", "--max_completion_length", "24")
        text = self.generate(*words)[0]["text"]
        ours, theirs = pty.openpty()
        subprocess.run([str(BIN / "grpo_generate"), *words], stdin=subprocess.DEVNULL, stdout=theirs, timeout=300, check=True,
                       env={**os.environ, "TERM": "xterm", "OMP_NUM_THREADS": "1"})
        os.close(theirs)
        shown = b""
        while select.select([ours], [], [], 1)[0]:
            try:
                shown += os.read(ours, 4096)
            except OSError:  # the other end is closed and everything was read
                break
        os.close(ours)
        harmless = "".join("?" if (c < " " and c not in "\n\t") or c == "\x7f" else c for c in text)
        self.assertEqual(shown.decode(), (harmless + "\n").replace("\n", "\r\n"))

    def test_prompt_from_standard_input(self):
        out = self.objects("grpo_generate", "--model_name_or_path", self.model, "--json", "--prompt", "-", "--max_completion_length", "1",
                           stdin="a\nb")
        self.assertEqual(out[0]["prompt_token_ids"], list(b"a\nb"))

    def test_chat(self):
        recipe = self.file("chat.toml", f'model_name_or_path = "{self.model}"\ndataset_name = "sums"\nfew_shot = ["Q", "A"]\n')
        words = ("--config", recipe, "--chat", "Hi", "--system_prompt", "S", "--dry_run")
        turns = [("system", "S"), ("user", "Q"), ("assistant", "A"), ("user", "Hi")]
        self.assertEqual(self.good("grpo_generate", *words),
                         "".join(f"<|im_start|>{r}\n{t}<|im_end|>\n" for r, t in turns) + "<|im_start|>assistant\n\n")
        ids = self.objects("grpo_generate", *words[:-1], "--json", "--max_completion_length", "1")[0]["prompt_token_ids"]
        self.assertEqual(ids.count(tiny_model.IM_START), 5)
        bare = tiny_model.write(self.dir / "bare")
        (bare / "tokenizer_config.json").write_text("{}")
        self.bad(3, "brings no chat template", "grpo_generate", "--model_name_or_path", bare, "--chat", "Hi")

    def test_bad_models_and_prompts(self):
        self.bad(3, "no such model", "grpo_generate", "--model_name_or_path", self.dir / "none", "--prompt", "x")
        self.bad(3, "grpo_generate: data error: .*not with GGUF", "grpo_generate", "--prompt", "x", "--model_name_or_path",
                 self.file("bad.gguf", b"GGML" + bytes(64)))
        cut = tiny_model.write(self.dir / "cut")
        (cut / "model.safetensors").write_bytes((cut / "model.safetensors").read_bytes()[:-1000])
        self.bad(3, "model.safetensors", "grpo_generate", "--model_name_or_path", cut, "--prompt", "x")
        model = ("--model_name_or_path", self.model)
        self.bad(3, "600 tokens", "grpo_generate", *model, "--prompt", "x" * 600)
        self.bad(3, "no tokens", "grpo_generate", *model, "--prompt", "")
        self.bad(2, "max_completion_length 512 leaves no room", "grpo_generate", *model, "--prompt", "x", "--max_completion_length", "512")


class Inspect(Case):
    def test_tokens(self):
        lines = [{"text": "Hello"}, {"text": ""}, {"text": "<|im_start|>u\u00e9\n"}]
        out = self.objects("grpo_inspect", "tokens", "--model_name_or_path", self.model, stdin="\n".join(map(json.dumps, lines)))
        self.assertEqual(out, [{"ids": list(b"Hello")}, {"ids": []}, {"ids": [tiny_model.IM_START, *"u\u00e9\n".encode()]}])
        path = self.file("texts.jsonl", "\n" + json.dumps(lines[0]) + "\n")
        self.assertEqual(self.objects("grpo_inspect", "tokens", "--model_name_or_path", self.model, "--input", path), out[:1])

    def test_tokens_refuses_bad_lines(self):
        words = ("grpo_inspect", "tokens", "--model_name_or_path", self.model)
        for bad in ("{", "[1]", '{"txt": "a"}', '{"text": 3}', '{"text": "\\ud800"}', "[" * 100000):
            out = self.bad(3, "standard input:3: ", *words, stdin='{"text": "a"}\n\n' + bad + "\n")
            self.assertEqual(out, '{"ids":[97]}\n')
        self.bad(3, "standard input:1: not JSON in UTF-8", *words, stdin=b'{"text": "\xff"}')
        self.bad(3, "none.jsonl", *words, "--input", self.dir / "none.jsonl")

    def test_prompts(self):
        rows = self.file("rows.jsonl", "".join(json.dumps({"problem": f"Q{i}", "answer": str(i)}) + "\n" for i in range(5)))
        recipe = self.file("rows.toml", f'model_name_or_path = "{self.model}"\ndataset_name = "{rows}"\nsystem_prompt = "S"\n'
                                        "max_completion_length = 16\n")
        out = self.objects("grpo_inspect", "prompts", "--config", recipe, "--rows", "2", "--json")
        self.assertEqual([(o["source"], o["solution"]) for o in out], [("rows.jsonl:1", "0"), ("rows.jsonl:2", "1")])
        text = "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ0<|im_end|>\n<|im_start|>assistant\n"
        self.assertEqual(out[0]["text"], text)
        self.assertEqual(out[0]["ids"].count(tiny_model.IM_START), 3)
        people = self.good("grpo_inspect", "prompts", "--config", recipe)
        self.assertIn(text, people)
        self.assertIn("3 of 5 prompts", people)
        self.assertIn("5 of 5 prompts", self.good("grpo_inspect", "prompts", "--config", recipe, "--rows", "99"))
        self.bad(2, "--rows=0: must be >= 1", "grpo_inspect", "prompts", "--config", recipe, "--rows", "0")

    def test_prompts_show_what_the_template_is_told(self):
        tool = {"type": "function", "function": {"name": "clock"}}
        rows = self.file("told.jsonl", "".join(json.dumps({"problem": "Q", "answer": "1", **more}) + "\n" for more in (
            {}, {"chat_template_kwargs": {"enable_thinking": True}}, {"tools": [tool]}, {"tools": json.dumps([tool])}, {"tools": {}})))
        template = self.file("told.jinja", "{% for m in messages %}{{ m.content }}{% endfor %}|{{ enable_thinking }}|"
                                           "{{ tools | map(attribute='function.name') | join if tools }}|{{ strftime_now('%d %b %Y') }}")
        recipe = self.file("told.toml", f'''model_name_or_path = "{self.model}"
dataset_name = "{rows}"
chat_template = "{template}"
chat_template_time = 1700000000
max_completion_length = 16
[data.chat_template_kwargs]
enable_thinking = false
''')
        words = ("grpo_inspect", "prompts", "--config", recipe, "--json")
        out = self.objects(*words, "--rows", "4")
        self.assertEqual([o["text"] for o in out], ["Q|False||14 Nov 2023", "Q|True||14 Nov 2023", "Q|False|clock|14 Nov 2023",
                                                    "Q|False|clock|14 Nov 2023"])
        out = self.objects(*words, "--rows", "1", "--chat_template_kwargs", '{"enable_thinking": "maybe"}')
        self.assertEqual(out[0]["text"], "Q|maybe||14 Nov 2023")
        self.bad(3, 'told.jsonl:5: column "tools" is object, expected a list of tools', *words, "--rows", "5")
        self.bad(2, "chat_template_kwargs", *words, "--chat_template_kwargs", "[1]")

    def test_logprobs_are_those_of_the_sampler(self):
        made = self.generate("--prompt", "Hello", "--n", "70", "--max_completion_length", "20", "--seed", "3")
        lines = [{"prompt_ids": c["prompt_token_ids"], "completion_ids": c["token_ids"]} for c in made]
        lines.insert(5, {"prompt_ids": [1], "completion_ids": []})
        out = self.objects("grpo_inspect", "logprobs", "--model_name_or_path", self.model, stdin="\n".join(map(json.dumps, lines)))
        self.assertEqual(len(out), 71)
        self.assertEqual(out.pop(5), {"logprobs": [], "entropies": []})
        for kept, scored in zip(made, out):
            self.assertEqual(len(kept["logprobs"]), len(scored["logprobs"]))
            self.assertLess(max(abs(a - b) for a, b in zip(kept["logprobs"], scored["logprobs"])), 1e-4)
            self.assertTrue(all(0 <= h <= math.log(tiny_model.VOCABULARY) + 1e-4 for h in scored["entropies"]))

    def test_logprobs_at_a_temperature(self):
        made = self.generate("--prompt", "Hello", "--max_completion_length", "20", "--temperature", "0.5")[0]
        line = json.dumps({"prompt_ids": made["prompt_token_ids"], "completion_ids": made["token_ids"]})
        words = ("grpo_inspect", "logprobs", "--model_name_or_path", self.model)
        for temperature, same in (("0.5", True), ("1.0", False)):
            scored = self.objects(*words, "--temperature", temperature, stdin=line)[0]
            worst = max(abs(a - b) for a, b in zip(made["logprobs"], scored["logprobs"]))
            self.assertEqual(worst < 1e-4, same)

    def test_logprobs_refuses_bad_lines(self):
        words = ("grpo_inspect", "logprobs", "--model_name_or_path", self.model)
        first = '{"prompt_ids": [1], "completion_ids": [2]}\n'
        for bad, why in (('{"prompt_ids": [1]}', 'expected a list "completion_ids"'),
                         ('{"prompt_ids": [], "completion_ids": [1]}', "prompt_ids is empty"),
                         ('{"prompt_ids": [1], "completion_ids": [258]}', r"completion_ids\[0\] is 258.*0 to 257"),
                         ('{"prompt_ids": [1, -1], "completion_ids": [1]}', r"prompt_ids\[1\] is -1"),
                         ('{"prompt_ids": [1.5], "completion_ids": [1]}', r"prompt_ids\[0\] is 1.5"),
                         (json.dumps({"prompt_ids": [1] * 500, "completion_ids": [1] * 13}), "513 tokens exceed"), ("x", "not JSON")):
            out = self.bad(3, "standard input:2: .*" + why, *words, stdin=first + bad)
            self.assertEqual(len(out.splitlines()), 1)


class Train(Case):
    """One short run, and what the other apps make of it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.out = cls.dir / "run"
        cls.words = ["--model_name_or_path", cls.model, "--dataset_name", "sums", "--reward_funcs", "answer_accuracy", "format",
                     "--max_completion_length", "8", "--num_generations", "4", "--per_device_train_batch_size", "8",
                     "--max_steps", "3", "--save_steps", "1", "--learning_rate", "1e-3", "--output_dir", cls.out]
        cls.trained = run("grpo_train", *cls.words)

    def test_trains(self):
        self.assertEqual(self.trained[0], 0, self.trained)
        steps = [json.loads(line) for line in (self.out / "metrics.jsonl").read_text().splitlines()]
        self.assertEqual([s["step"] for s in steps], [1, 2, 3])
        made = self.objects("grpo_generate", "--model_name_or_path", self.out, "--prompt", "a", "--json", "--max_completion_length", "4")
        self.assertEqual(len(made), 1)

    def test_checkpoint(self):
        last = self.out / "checkpoint-3"
        told = json.loads(self.good("grpo_inspect", "checkpoint", last, "--json"))
        self.assertEqual((told["kind"], told["complete"], told["damage"], told["state"]["step"]), ("checkpoint", True, "", 3))
        self.assertEqual(told["files"]["model.safetensors"], (last / "model.safetensors").stat().st_size)
        self.assertEqual(told["model"]["tensors"], {"F32": 20})
        self.assertIn("step       3 of 3", self.good("grpo_inspect", "checkpoint", last))
        whole = json.loads(self.good("grpo_inspect", "checkpoint", self.out, "--json"))
        self.assertEqual((whole["kind"], [c["state"]["step"] for c in whole["checkpoints"]]), ("run", [1, 2, 3]))
        told = json.loads(self.good("grpo_inspect", "checkpoint", self.model, "--json"))
        self.assertEqual((told["kind"], told["model"]["hidden_size"]), ("model", tiny_model.WIDTH))

    def test_damage(self):
        for name in ("optimizer.safetensors", "model.safetensors", "manifest.json"):
            damaged = self.dir / f"checkpoint-{name}"
            subprocess.run(["cp", "-r", str(self.out / "checkpoint-2"), str(damaged)], check=True)
            data = (damaged / name).read_bytes()
            (damaged / name).write_bytes(data[: len(data) // 2])
            code, out, err = run("grpo_inspect", "checkpoint", damaged)
            self.assertEqual(code, 3, out + err)
            self.assertRegex(out, f"DAMAGED: {name}")
        self.bad(3, "no such file or folder", "grpo_inspect", "checkpoint", self.dir / "none")
        self.bad(3, "neither a checkpoint", "grpo_inspect", "checkpoint", ROOT / "apps")
        self.bad(3, "not with GGUF", "grpo_inspect", "checkpoint", self.file("bad2.gguf", b"nothing of the kind, but long enough"))

    def test_bad_input_is_one_line(self):
        def words(*more):
            return ("grpo_train", *self.words[:-2], "--output_dir", self.dir / "never", "--save_strategy", "no", *more)

        rows = self.file("good.jsonl", '{"problem": "Q", "answer": "1"}\n' * 8)
        self.bad(2, "num_generationz: unknown option; did you mean num_generations", *words("--num_generationz", "4"))
        self.bad(2, "--max_steps=many: expected an integer", *words("--max_steps", "many"))
        self.bad(2, "--per_device_train_batch_size=-8: must be", *words("--per_device_train_batch_size", "-8"))
        self.bad(2, "--num_generations=1: must be >= 2", *words("--num_generations", "1"))
        self.bad(2, "no such file", *words("--config", self.dir / "none.toml"))
        self.bad(3, "none.jsonl: no such file", *words("--dataset_name", self.dir / "none.jsonl"))
        self.bad(3, "empty.jsonl: no rows", *words("--dataset_name", self.file("empty.jsonl", "")))
        self.bad(3, "rows.jsonl:1: .*problem", *words("--dataset_name", self.file("rows.jsonl", '{"question": "Q", "answer": "1"}\n')))
        self.bad(3, "hole.jsonl:9: .*answer", *words("--num_train_epochs", "1", "--shuffle_dataset", "false", "--max_steps", "5", "--dataset_name",
                                                      self.file("hole.jsonl", rows.read_text() + '{"problem": "Q"}\n' * 8)))
        self.bad(3, "not with GGUF", *words("--model_name_or_path", self.file("bad.gguf", b"GGML" + bytes(64))))
        cut = tiny_model.write(self.dir / "cut")
        (cut / "model.safetensors").write_bytes((cut / "model.safetensors").read_bytes()[:-1000])
        self.bad(3, "model.safetensors", *words("--model_name_or_path", cut))
        self.bad(3, r"long.jsonl:\d: the prompt has 6\d\d tokens", *words("--dataset_name", self.file(
            "long.jsonl", ('{"problem": "' + "x" * 600 + '", "answer": "1"}\n') * 8)))


class Eval(Case):
    def setUp(self):
        self.rows = self.file("rows.jsonl", "".join(json.dumps({"problem": f"Q{i}", "answer": str(i)}) + "\n" for i in range(5)))
        self.words = ("--model_name_or_path", self.model, "--dataset_name", self.rows, "--reward_funcs", "answer_accuracy", "format",
                      "--max_completion_length", "8")

    def test_greedy(self):
        told = json.loads(self.good("grpo_eval", *self.words, "--json"))["results"][0]
        self.assertEqual((told["questions"], told["n"], told["k"], told["temperature"]), (5, 1, [1], 0))
        for name in ("rewards/answer_accuracy", "rewards/format", "accuracy", "tokens", "cut"):
            self.assertIn(name, told["contestants"][0]["figures"])
        table = self.good("grpo_eval", *self.words)
        for row in ("5 questions", "greedy", "| accuracy", "| rewards/format", "tokens a completion", "random guess"):
            self.assertIn(row, table)

    def test_the_folder_can_be_made_or_not(self):
        self.good("grpo_eval", *self.words, "--output", self.dir / "new" / "folder")
        self.bad(4, "rows.jsonl", "grpo_eval", *self.words, "--output", self.rows)

    def test_sums_are_held_out(self):
        told = self.good("grpo_eval", "--model_name_or_path", self.model, "--dry_run")
        self.assertRegex(told, r"sums: 24 questions")


@unittest.skipUnless(REAL.exists(), f"{REAL.relative_to(ROOT)} is not there; bash training.sh --setup-only brings it")
class RealModel(Case):
    def test_answers(self):
        text = self.good("grpo_generate", "--model_name_or_path", REAL, "--chat", "What is the capital of France?", "--temperature", "0",
                         "--max_completion_length", "24")
        self.assertIn("Paris", text)

    def test_pass_at_k_agrees_with_what_was_written(self):
        path = self.dir / "real"
        told = json.loads(self.good("grpo_eval", "--eval_num_prompts", "6", "--n", "4", "--k", "1,2,4", "--temperature", "1",
                                    "--reward_funcs", "format", "answer_accuracy", "--json", "--output", path))["results"][0]
        questions = [json.loads(line) for line in (path / "sums.model.jsonl").read_text().splitlines()[1:]]
        right = [sum(c["rewards"]["format"] >= 1 for c in q["completions"]) for q in questions]
        self.assertTrue(0 < sum(right) < 24, right)
        for k in (1, 2, 4):
            expected = sum(1 - math.comb(4 - c, k) / math.comb(4, k) for c in right) / 6
            self.assertAlmostEqual(told["contestants"][0]["figures"][f"pass@{k}"]["mean"], expected)

    def test_inspect(self):
        out = self.objects("grpo_inspect", "prompts", "--rows", "1", "--json")
        self.assertIn("What is 3 + 4?", out[0]["text"])
        self.assertEqual(self.objects("grpo_inspect", "tokens", "--model_name_or_path", REAL, stdin=json.dumps({"text": out[0]["text"]})),
                         [{"ids": out[0]["ids"]}])
        told = json.loads(self.good("grpo_inspect", "checkpoint", REAL, "--json"))
        self.assertEqual((told["model"]["num_layers"], told["model"]["parameters"]), (30, 134515008))


if __name__ == "__main__":
    unittest.main(verbosity=1)
