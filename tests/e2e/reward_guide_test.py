"""docs/guides/rewards.md, as written: its programs, server, library and jail judge a real run; what fails is told, and too much of it stops the run, saved."""

import json
import os
import re
import shlex
import socket
import subprocess
import time
import unittest

from case import BIN, ROOT, Case

GUIDE = (ROOT / "docs" / "guides" / "rewards.md").read_text()


def section(title):
    return re.search(rf"^## {title}\n(.*?)^## ", GUIDE, re.S | re.M).group(1)


def commands(title):
    return re.search(r"```bash\n(.*?)```", section(title), re.S).group(1).splitlines()


def processes(word):
    """Command lines that hold the word."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = open(f"/proc/{pid}/cmdline", "rb").read().decode(errors="replace")
        except OSError:
            continue
        if word in line and int(pid) != os.getpid():
            found.append(line)
    return found


def none_left(word):
    for _ in range(100):
        if not processes(word):
            return []
        time.sleep(0.05)
    return processes(word)


class Guide(Case):
    def train(self, out, words, *more, steps=2):
        """The guide's options on the tiny model."""
        command = self.command(out, *more)
        for option in ("--reward_funcs",):
            at = command.index(option)
            del command[at:next(i for i in range(at + 1, len(command)) if command[i].startswith("--"))]
        command[command.index("--max_steps") + 1] = str(steps)
        given = {w for w in words if w.startswith("--")}
        for option in ("--dataset_name",):
            if option in given:
                del command[command.index(option):command.index(option) + 2]
        done = subprocess.run([*command, *words], capture_output=True, text=True, cwd=ROOT, timeout=200)
        return done

    def metrics_of(self, out):
        return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]

    def test_a_program(self):
        words = shlex.split(commands("A program")[0])[1:]
        out = self.dir / "program"
        done = self.train(out, words)
        self.assertEqual(done.returncode, 0, done.stderr)
        for line in self.metrics_of(out):
            self.assertIn("rewards/word_count/mean", line)
            self.assertNotIn("rewards/word_count/failed", line)
            self.assertIn("time/reward/word_count", line)
        self.assertEqual(none_left("word_count.py"), [])

    def test_its_lines(self):
        asked, answered = [json.loads(line) for line in re.search(r"```json\n(.*?)```", section("A program"), re.S).group(1).splitlines()]
        script = shlex.split(commands("A program")[0])[-1]
        command = json.loads(script)["word_count"]
        done = subprocess.run(command, shell=True, cwd=ROOT, input=json.dumps({**asked, "completion": "w " * 80}) + "\n" + json.dumps({**asked, "completion": " "}) + "\n", capture_output=True, text=True)
        first, second = map(json.loads, done.stdout.splitlines())
        self.assertEqual(first, {"id": 7, "reward": 0.5, "reason": "80 words"})
        self.assertEqual(set(first), set(answered))
        self.assertEqual(second, {"id": 7, "not_applicable": True})

    def test_an_endpoint(self):
        server, train = commands("An HTTP endpoint")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        process = subprocess.Popen(shlex.split(server.rstrip("& ").replace("8123", port)), cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            self.assertIn("listening", process.stdout.readline())
            out = self.dir / "endpoint"
            done = self.train(out, shlex.split(train.replace("8123", port))[1:])
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(all("rewards/word_count/mean" in line and "rewards/word_count/failed" not in line for line in self.metrics_of(out)))
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()

    def test_a_shared_library(self):
        build, train = commands("A shared library")
        library = str(self.dir / "libbrevity.so")
        subprocess.run(shlex.split(build.replace("libbrevity.so", library)), cwd=ROOT, check=True)
        out = self.dir / "library"
        done = self.train(out, shlex.split(train.replace("./libbrevity.so", library))[1:])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(all(0 < line["rewards/brevity/mean"] <= 1 for line in self.metrics_of(out)))
        done = self.train(self.dir / "library2", shlex.split(train)[1:])  # ./libbrevity.so is not there
        self.assertEqual(done.returncode, 2)
        self.assertIn("reward_library: brevity = ./libbrevity.so", done.stderr)

    def test_code_in_a_jail(self):
        rows = self.dir / "mbpp.jsonl"
        rows.write_text("".join(json.dumps({"problem": f"Add {i}.", "answer": "", "tests": ["assert add(1, 2) == 3"]}) + "\n" for i in range(20)))
        train = commands("Code in a jail")[0].replace("mbpp.jsonl", str(rows))
        out = self.dir / "jail"
        done = self.train(out, shlex.split(train)[1:])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(all(line["rewards/python_unit_tests/mean"] == 0.0 for line in self.metrics_of(out)))  # a tiny model writes no code

    def test_failures_are_told_and_training_goes_on(self):
        flaky = self.dir / "flaky.py"
        flaky.write_text("import json, os, sys\nfor n, line in enumerate(sys.stdin):\n    item = json.loads(line)\n    if len(item['completion']) % 5 == 0: os.kill(os.getpid(), 9)\n"
                         "    print(json.dumps({'id': item['id'], 'reward': len(item['completion'])}), flush=True)\n")
        out = self.dir / "flaky"
        done = self.train(out, ["--reward_funcs", "flaky", "--reward_command", json.dumps({"flaky": f"python3 {flaky}"}), "--max_reward_failures", "1"], steps=4)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout + done.stderr, r"step \d: reward flaky: \d+ of 8 failed; first: the program (was killed by signal 9|exited with 137: Killed) \(rows\.jsonl:\d+\); these completions are left out of the loss")
        self.assertTrue(any(line.get("rewards/flaky/failed", 0) > 0 for line in self.metrics_of(out)))
        self.assertEqual(len(self.metrics_of(out)), 4)
        self.assertEqual(none_left("flaky.py"), [])

    def test_too_many_failures_stop_the_run_saved_and_it_goes_on_exactly(self):
        judge = self.dir / "judge.py"
        broken = self.dir / "broken"
        judge.write_text("import json, os, sys\nfor line in sys.stdin:\n    item = json.loads(line)\n"
                         f"    seen = open('{self.dir}/count', 'a'); seen.write('x'); seen.close()\n"
                         f"    down = os.path.exists('{broken}') and os.path.getsize('{self.dir}/count') > 24\n"
                         "    print(json.dumps({'id': item['id'], 'error': 'the judge is down'} if down else {'id': item['id'], 'reward': len(item['completion'])}), flush=True)\n")
        words = ["--reward_funcs", "judge", "--reward_command", json.dumps({"judge": f"python3 {judge}"}), "--save_strategy", "no"]
        whole, out = self.dir / "whole", self.dir / "stopped"
        self.assertEqual(self.train(whole, words, steps=5).returncode, 0)
        (self.dir / "count").unlink()
        broken.write_text("")
        done = self.train(out, words, steps=5)
        self.assertEqual(done.returncode, 4, done.stdout + done.stderr)
        self.assertRegex(done.stderr, r"reward judge: 8 of 8 failed; first: the judge is down \(rows\.jsonl:\d+\)\. That is more than max_reward_failures 0\.5 allows")
        self.assertTrue((out / "checkpoint-3").is_dir(), os.listdir(out))
        broken.unlink()
        done = self.train(out, words, steps=5)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.metrics(out), self.metrics(whole))

    def test_a_hanging_program_stops_the_run_too(self):
        out = self.dir / "hanging"
        begun = time.monotonic()
        done = self.train(out, ["--reward_funcs", "mine", "--reward_command", '{"mine": "exec sleep 1000"}', "--reward_timeout", "0.2"])
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertLess(time.monotonic() - begun, 60)
        self.assertIn("no answer within", done.stderr)
        self.assertTrue((out / "checkpoint-0").is_dir(), os.listdir(out))


if __name__ == "__main__":
    unittest.main(verbosity=2)
