#!/usr/bin/env python3
"""Runs whose server misbehaves: python3 tests/e2e/server_faults_test.py FOLDER_WITH_THE_PROGRAMS

A proxy stands in front of a real grpo_serve and spoils answers, one way after the other. In the end the run must be, to the last bit,
the run without a server: nothing lost, nothing trained on twice, nothing false trained on. Standard library only.
"""

import http.client
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from case import ROOT  # noqa: E402
from served import Proxy, ServedCase  # noqa: E402

STEPS = 12


def change(edit):
    """A fault that edits the JSON of an answer."""
    def spoil(handler, body):
        answer = json.loads(body)
        edit(answer)
        handler.reply(200, json.dumps(answer).encode())
    return spoil


def first(answer):
    return answer["choices"][0]


def half_a_json(handler, body):
    handler.reply(200, body[: len(body) // 2])


def broken_off(handler, body):
    handler.reply(200, body[: len(body) // 2], length=len(body))


def ten_gigabytes(handler, body):
    handler.reply(200, body, length=10 * 2**30)


def without_end(handler, body):
    handler.head(200)
    try:
        while True:
            handler.wfile.write(b" " * 2**20)
    except OSError:
        pass


def slow_loris(handler, body):
    handler.head(200, len(body))
    try:
        for byte in body:
            handler.wfile.write(bytes([byte]))
            time.sleep(0.2)
    except OSError:
        pass


def slow_headers(handler, body):
    try:
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
            handler.wfile.write(bytes([byte]))
            time.sleep(0.2)
    except OSError:
        pass


def headers_without_end(handler, body):
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 40000)
    except OSError:
        pass


FAULTS = {
    "half a JSON": half_a_json,
    "a body that breaks off": broken_off,
    "a Content-Length of 10 GB": ten_gigabytes,
    "a body without end": without_end,
    "a body that drips": slow_loris,
    "headers that drip": slow_headers,
    "headers without end": headers_without_end,
    "no HTTP": lambda handler, body: handler.wfile.write(b"what?\r\n\r\n"),
    "nothing": lambda handler, body: None,
    "500": lambda handler, body: handler.reply(500, b'{"error": {"message": "CUDA error"}}'),
    "503": lambda handler, body: handler.reply(503, b""),
    "429": lambda handler, body: handler.reply(429, b"", retry_after=1),
    "ids behind the vocabulary": change(lambda a: first(a)["token_ids"].__setitem__(0, 10**6)),
    "negative ids": change(lambda a: first(a)["token_ids"].__setitem__(0, -1)),
    "no ids": change(lambda a: first(a).pop("token_ids")),
    "no log-probs": change(lambda a: first(a).__setitem__("logprobs", None)),
    "too few log-probs": change(lambda a: first(a)["logprobs"]["token_logprobs"].pop()),
    "a log-prob that is none": change(lambda a: first(a)["logprobs"]["token_logprobs"].__setitem__(0, None)),
    "a log-prob above 0": change(lambda a: first(a)["logprobs"]["token_logprobs"].__setitem__(0, 3.0)),
    "too few choices": change(lambda a: a["choices"].pop()),
    "too many choices": change(lambda a: a["choices"].append({**first(a), "index": 4})),
    "a choice twice": change(lambda a: a["choices"].__setitem__(1, first(a))),
    "an aborted choice": change(lambda a: first(a).__setitem__("finish_reason", "abort")),
    "other weights": change(lambda a: a.__setitem__("weight_version", 12345)),
    "no choices": change(lambda a: a.__setitem__("choices", None)),
    "a list": lambda handler, body: handler.reply(200, b"[1, 2]"),
}

DOWN = float(os.environ.get("GRPO_DOWN_SECONDS", "6"))  # how long a server answers 500 to everything


class Spoiler(Proxy):
    """Spoils every third answer to a run's /v1/completions, once in each way; then none any more."""

    def __init__(self, server, faults):
        self.lock, self.count, self.left, self.done, self.down_until = threading.Lock(), 0, list(faults.items()), [], 0.0
        self.damage_at = None  # the number of the call for new weights whose answer tells another checksum
        super().__init__(server)

    def respond(self, handler, method, data):
        if time.monotonic() < self.down_until:
            return handler.reply(500, b"down")
        status, body = handler.ask(method, data)
        if handler.path == "/update_weights" and self.damage_at is not None:
            self.damage_at -= 1
            if self.damage_at == 0:
                return handler.reply(status, json.dumps({**json.loads(body), "checksum": "0123456789abcdef"}).encode())
        probed = handler.path == "/v1/completions" and json.loads(data).get("n", 1) < 3
        fault = self.next_fault() if handler.path == "/v1/completions" and not probed else None
        return fault(handler, body) if fault else handler.reply(status, body)

    def next_fault(self):
        with self.lock:
            self.count += 1
            if self.count % 3 or not self.left:
                return None
            name, fault = self.left.pop(0)
            self.done.append(name)
            return fault


class ServerFaults(ServedCase):
    def proxy(self, server, faults):
        made = Spoiler(server, faults)
        self.addCleanup(made.stop)
        return made

    def straight(self, steps):
        out = self.dir / f"straight{steps}"
        if not out.exists():
            self.train(out, "--log_completions", "--max_steps", steps)
        return out

    def assert_as_without_a_server(self, out, steps):
        straight = self.straight(steps)
        self.assertEqual(self.completions(out)[0], self.completions(straight)[0])
        self.assertEqual((out / "model.safetensors").read_bytes(), (straight / "model.safetensors").read_bytes())
        versions = [line["sampling/weight_version"] for line in self.metrics(out)]
        self.assertEqual(versions, list(range(steps)))

    def test_every_fault_once_and_the_run_is_the_same(self):
        out, proxy = self.dir / "faults", self.proxy(self.serve(), FAULTS)
        steps = 3 * len(FAULTS) // 2 // 2 + 30
        _, err = self.train(out, *self.by(proxy), "--vllm_request_timeout", 4, "--vllm_retry_sleep", 0.05, "--vllm_backfill_with_model", "false",
                            "--log_completions", "--max_steps", steps)
        self.assertEqual(proxy.done, list(FAULTS), "each was met")
        self.assert_as_without_a_server(out, steps)
        self.assertGreaterEqual(self.metrics(out)[-1]["servers/retries"], len(FAULTS) - 1, "all but the choice too many")

    def test_weights_that_arrive_damaged_are_given_again(self):
        for method in ("files", "memory"):
            with self.subTest(method):
                out, proxy = self.dir / f"damaged_{method}", self.proxy(self.serve(), {})
                proxy.damage_at = 3
                _, err = self.train(out, *self.by(proxy), "--vllm_sync_method", method, "--log_completions", "--max_steps", STEPS)
                self.assertIn('loaded weights of checksum "0123456789abcdef"', err)
                self.assertIn("damaged on the way", err)
                self.assert_as_without_a_server(out, STEPS)

    def test_500_for_a_while(self):
        out, proxy = self.dir / "down", self.proxy(self.serve(), {})
        process = subprocess.Popen(self.command(out, *self.by(proxy), "--vllm_backfill_with_model", "false", "--log_completions", "--max_steps", STEPS),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        self.addCleanup(process.kill)
        self.until(lambda: self.steps(out) >= 2)
        proxy.down_until = time.monotonic() + DOWN
        _, err = process.communicate(timeout=100 + 2 * DOWN)
        self.assertEqual(process.returncode, 0, err)
        self.assertGreater(time.monotonic(), proxy.down_until)
        self.assert_as_without_a_server(out, STEPS)
        self.assertGreaterEqual(self.metrics(out)[-1]["servers/rests"], 1)

    def test_a_dead_servers_prompts_go_to_the_other(self):
        out, one, other = self.dir / "two", self.serve(), self.serve()
        process = subprocess.Popen(self.command(out, *self.by(one, other), "--vllm_backfill_with_model", "false", "--log_completions", "--max_steps", 30),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        self.addCleanup(process.kill)
        self.until(lambda: self.steps(out) >= 3)
        for server in (one, other):
            with self.subTest(server.url):
                requests = http.client.HTTPConnection("127.0.0.1", server.port)
                self.addCleanup(requests.close)
                requests.request("GET", "/metrics")
                self.assertIn('path="/v1/completions"', requests.getresponse().read().decode(), "both are asked")
        one.kill()
        _, err = process.communicate(timeout=200)
        self.assertEqual(process.returncode, 0, err)
        self.assertIn("did not reach every server", err)
        self.assert_as_without_a_server(out, 30)

    def test_without_any_server_the_engine_here_goes_on_or_the_run_ends(self):
        for backfill in ("true", "false"):
            with self.subTest(backfill=backfill):
                out, server = self.dir / f"alone_{backfill}", self.serve()
                words = ["--vllm_request_timeout", 2, "--vllm_retry_sleep", 0.1, "--vllm_backfill_with_model", backfill, "--log_completions", "--max_steps", STEPS]
                process = subprocess.Popen(self.command(out, *self.by(server), *words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT)
                self.addCleanup(process.kill)
                self.until(lambda: self.steps(out) >= 3)
                server.kill()
                _, err = process.communicate(timeout=200)
                if backfill == "true":
                    self.assertEqual(process.returncode, 0, err)
                    self.assertIn("the engine in this process samples them", err)
                    self.assert_as_without_a_server(out, STEPS)
                    self.assertGreater(self.metrics(out)[-1]["servers/backfilled_completions"], 0)
                else:
                    self.assertEqual(process.returncode, 4, err)
                    self.assertRegex(err, "the server does not load them|the servers failed to give", "whatever it was asked for when it died")
                    self.train(out, *self.by(self.serve()), *words)  # it goes on from its last checkpoint
                    self.assertEqual((out / "model.safetensors").read_bytes(), (self.straight(STEPS) / "model.safetensors").read_bytes())


if __name__ == "__main__":
    unittest.main()
