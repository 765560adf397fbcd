#!/usr/bin/env python3
"""report.html in a headless browser: python3 tests/e2e/report_test.py FOLDER_WITH_THE_PROGRAMS

Needs Chromium and the package websocket-client (tests/oracle/requirements.txt). GRPO_SCREENSHOTS=folder keeps pictures.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from case import ROOT, Case  # noqa: E402
from browser import Browser, program  # noqa: E402

SIZES = ((1440, 900), (390, 844))
HOSTILE = ["</script><script>document.title='HACKED'</script><img src=x onerror=\"document.title='HACKED'\"><!--",
           "\u202egnp.exe \u0000 \u001b[31mred\u001b[0m \r\n 👩‍👩‍👧‍👦 👍🏽 العربية עברית 日本語", "x" * 100000, "word " * 5000, "", "\ud83d lone"]


def data_of(page):
    return re.search(r'id="data">\n(.*)\n', page).group(1)


class Report(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.out = cls.dir / "run"
        rows = [{"problem": f"</script><script>document.title='HACKED'</script> What is {i}?", "answer": str(i)} for i in range(40)]
        cls.data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        done = subprocess.run(cls.command(cls, cls.out, "--max_steps", 8, "--html_report_interval", 0, "--run_name", "tiny & <small>", "--eval_dataset_name", cls.data,
                                          "--eval_num_prompts", 2, "--eval_on_start", "--log_completions"), capture_output=True, text=True, cwd=ROOT, timeout=300)
        assert done.returncode == 0, done.stderr
        cls.page = cls.out / "report.html"
        cls.data_json = json.loads(data_of(cls.page.read_text()))

    def shot(self, page, name):
        if folder := os.environ.get("GRPO_SCREENSHOTS"):
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(pathlib.Path(folder) / f"{name}.png")

    def assert_fits(self, page):
        self.assertEqual(*page.evaluate("(e => [e.scrollWidth, e.clientWidth])(document.documentElement)"), "something sticks out sideways")

    def test_the_data_are_those_of_the_run(self):
        data = self.data_json
        rows = [json.loads(line) for line in (self.out / "metrics.jsonl").read_text().splitlines()]
        steps = [row for row in rows if "reward" in row]
        self.assertEqual(data["curves"]["steps"], [row["step"] for row in steps])
        for name in ("reward", "kl", "entropy", "loss", "grad_norm", "learning_rate", "completions/mean_length", "time/tokens_per_second", "time/sample"):
            for got, row in zip(data["curves"]["values"][name], steps):
                self.assertAlmostEqual(got, row[name], delta=1e-5 * abs(row[name]) + 1e-12, msg=name)
        self.assertEqual(data["evaluations"]["steps"], [0, 8])
        self.assertTrue(data["finished"])
        self.assertEqual([r["kind"] for r in data["rewards"]], ["format", "format"])
        for group in data["groups"]:
            saved = json.loads((self.out / f"completions/step-{group['step']:06}.jsonl").read_text().splitlines()[group["index"]])
            self.assertEqual(group["prompt"], saved["prompt"])
            for shown, kept in zip(group["completions"], saved["completions"]):
                self.assertEqual((shown["length"], shown["truncated"]), (len(kept["ids"]), kept["truncated"]))
                self.assertAlmostEqual(shown["advantage"], kept["advantage"], delta=1e-4)
                self.assertEqual([r["value"] for r in shown["rewards"]], [kept["rewards"][r["name"]] for r in data["rewards"]])
                self.assertEqual(len(shown["pieces"]), len(kept["ids"]))
                plain = "".join(piece for i, piece in enumerate(shown["pieces"]) if i not in shown["special"])
                self.assertEqual(plain, kept["text"])
                for a, b in zip(shown["log_probs"] + shown["ref_log_probs"], kept["old_logprobs"] + kept["ref_logprobs"]):
                    self.assertAlmostEqual(a, b, delta=6e-4)

    def test_completions_as_parquet_hold_what_the_json_lines_hold(self):
        import pyarrow.parquet
        for step in (1, 8):
            rows = pyarrow.parquet.read_table(self.out / f"completions/completions_{step:05}.parquet").to_pylist()
            groups = [json.loads(line) for line in (self.out / f"completions/step-{step:06}.jsonl").read_text().splitlines()]
            expected = [(step, group["prompt"], c["text"], c["rewards"]["format"], c["advantage"], len(c["ids"]), c["truncated"]) for group in groups
                        for c in group["completions"]]
            self.assertEqual([(r["step"], r["prompt"], r["completion"], r["format"], r["advantage"], r["tokens"], r["truncated"]) for r in rows], expected)

    @unittest.skipUnless(program(), "no Chromium on PATH")
    def test_every_page_at_every_size_without_an_error_or_a_request(self):
        for dark in (False, True):
            for width, height in SIZES:
                with Browser(width, height, dark) as page:
                    for name in ("curves", "completions", "alarms"):
                        page.open(f"file://{self.page}#{name}")
                        self.assertEqual(page.problems(), [])
                        self.assertEqual(page.evaluate("document.title"), "tiny & <small> · libgrpo")
                        self.assert_fits(page)
                        self.shot(page, f"{name}-{'dark' if dark else 'light'}-{width}")
                    ink, paper = page.evaluate("getComputedStyle(document.documentElement).color"), page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
                    bright = [sum(map(int, re.findall(r"\d+", color)[:3])) for color in (ink, paper)]
                    self.assertEqual(bright[0] > bright[1], dark)

    @unittest.skipUnless(program(), "no Chromium on PATH")
    def test_curves_tell_their_values_under_the_pointer(self):
        with Browser(*SIZES[0]) as page:
            page.open(f"file://{self.page}#curves")
            titles = page.evaluate("[...document.querySelectorAll('.chart h2')].map(h => h.firstChild.textContent)")
            for title in ("Reward", "Held-out prompts", "KL to the reference", "Entropy", "Completion length", "Loss", "Gradient norm", "Learning rate", "Speed", "Time per phase"):
                self.assertIn(title, titles)
            box = page.evaluate("(b => [b.left, b.top, b.width, b.height])(document.querySelector('.chart svg').getBoundingClientRect())")
            left = page.evaluate("Number(document.querySelector('.chart svg .base').getAttribute('x1'))")
            page.move(box[0] + left, box[1] + box[3] / 2)
            text = page.evaluate("document.querySelector('.chart .readout').innerText")
            first = self.data_json["curves"]["values"]["reward"][0]
            self.assertRegex(text, r"step\s*1\b")
            shown = re.search(r"reward\s*([−\d.]+)", text).group(1).replace("−", "-")
            self.assertAlmostEqual(float(shown), first, delta=1e-3)

    @unittest.skipUnless(program(), "no Chromium on PATH")
    def test_completions_are_found_filtered_and_reached_by_keys(self):
        groups, shown = self.data_json["groups"], "document.querySelectorAll('.list button').length"
        with Browser(*SIZES[0]) as page:
            page.open(f"file://{self.page}")
            page.key("2")
            time.sleep(0.2)
            self.assertEqual(page.evaluate(shown), len(groups))
            self.assertEqual(page.evaluate("document.querySelectorAll('.card').length"), 4)
            first = page.evaluate("document.querySelector('.list [aria-current=true]').dataset.key")
            page.key("j")
            self.assertNotEqual(page.evaluate("document.querySelector('.list [aria-current=true]').dataset.key"), first)
            page.key("k")
            self.assertEqual(page.evaluate("document.querySelector('.list [aria-current=true]').dataset.key"), first)
            page.evaluate("(i => { i.value = '8'; i.dispatchEvent(new Event('input')); })(document.getElementById('from'))")
            self.assertEqual(page.evaluate(shown), sum(g["step"] >= 8 for g in groups))
            page.evaluate("(i => { i.value = ''; i.dispatchEvent(new Event('input')); })(document.getElementById('from'))")
            page.evaluate("(i => { i.value = 'no such words'; i.dispatchEvent(new Event('input')); })(document.getElementById('search'))")
            self.assertEqual(page.evaluate(shown), 0)
            page.evaluate("(i => { i.value = 'what is'; i.dispatchEvent(new Event('input')); })(document.getElementById('search'))")
            self.assertEqual(page.evaluate(shown), len(groups))
            page.evaluate("document.getElementById('failed').click()")
            self.assertEqual(page.evaluate(shown), 0)
            group = groups[-1]
            page.open(f"file://{self.page}#completions/{group['step']}/{group['index']}/2")
            self.assertEqual(page.evaluate("document.querySelector('.card.target').id"), "completion-2")
            page.evaluate("[...document.querySelectorAll('.segment button')].find(b => b.textContent === 'Log-prob').click()")
            self.assertEqual(page.evaluate("document.querySelectorAll('#completion-0 .t').length"), group["completions"][0]["length"])
            self.assertEqual(page.problems(), [])

    @unittest.skipUnless(program(), "no Chromium on PATH")
    def test_hostile_completions_stay_text(self):
        data = json.loads(data_of(self.page.read_text()))
        for group in data["groups"]:
            for i, completion in enumerate(group["completions"]):
                for key in ("pieces", "special", "log_probs", "ref_log_probs", "entropies"):
                    completion.pop(key, None)
                completion["text"] = HOSTILE[(group["step"] + i) % len(HOSTILE)]
                completion["rewards"][0] = {"failed": HOSTILE[0]}
        data["alarms"] = [{"id": "a", "title": "Most completions end at the cap", "message": "m", "advice": "a", "rule": "r", "first": 1, "last": 8, "count": 3,
                           "examples": [f"{g['step']}/{g['index']}/1" for g in data["groups"][:3]]}]
        page_file = self.dir / "hostile.html"
        text = self.page.read_text()
        page_file.write_text(text.replace(data_of(text), json.dumps(data).replace("<", "\\u003c")))
        for width, height in SIZES:
            with Browser(width, height) as page:
                for group in data["groups"]:
                    page.open(f"file://{page_file}#completions/{group['step']}/{group['index']}")
                    self.assertEqual(page.problems(), [])
                    self.assertEqual(page.evaluate("document.title"), "tiny & <small> · libgrpo")
                    self.assertEqual(page.evaluate("document.images.length"), 0)
                    self.assert_fits(page)
                page.open(f"file://{page_file}#alarms")
                self.assertEqual(page.evaluate("document.querySelectorAll('.alarm a').length"), 3)
                page.evaluate("document.querySelector('.alarm a').click()")
                time.sleep(0.2)
                self.assertEqual(page.evaluate("document.querySelector('.card.target.flag').id"), "completion-1")
                self.shot(page, f"hostile-{width}")

    def test_a_reader_never_sees_half_a_report_and_a_resumed_one_is_whole(self):
        out = self.dir / "killed"
        process = subprocess.Popen(self.command(out, "--html_report_interval", 0), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
        seen = set()
        while process.poll() is None:
            if (out / "report.html").exists():
                page = (out / "report.html").read_text()
                seen.add(json.loads(data_of(page))["step"])
                self.assertTrue(page.endswith("</html>\n"))
                if max(seen) >= 9:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
        self.assertGreater(len(seen), 2)
        self.assertLess(max(seen), 24)
        code, _, stderr = self.run_train(out)
        self.assertEqual(code, 0, stderr)
        data = json.loads(data_of((out / "report.html").read_text()))
        self.assertEqual(data["curves"]["steps"], list(range(1, 25)))
        self.assertEqual(sorted({g["step"] for g in data["groups"]}), list(range(1, 25)))
        keys = [(g["step"], g["index"]) for g in data["groups"]]
        self.assertEqual(len(keys), len(set(keys)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
