#!/usr/bin/env python3
"""Runs that sample with servers of other kinds: python3 tests/e2e/server_kinds_test.py FOLDER_WITH_THE_PROGRAMS

A proxy in front of a grpo_serve takes away what the kind does not have: a server of TRL's protocol, one of texts, one of another model, one
whose log-probs are off. Standard library only.
"""

import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from served import Proxy, ServedCase  # noqa: E402

NEVER = ("--vllm_sync_interval_steps", 0)


class LikeTrl(Proxy):
    """Knows the routes of `trl vllm-serve` alone."""

    def respond(self, handler, method, data):
        if handler.path not in ("/health/", "/get_world_size/", "/generate/"):
            return handler.reply(404, b'{"detail": "Not Found"}')
        return super().respond(handler, method, data)


class OfTexts(Proxy):
    """OpenAI's /v1/completions: one choice, a text, no ids, no log-probs."""

    def __init__(self, server):
        self.asked = []
        super().__init__(server)

    def respond(self, handler, method, data):
        if handler.path == "/v1/models":
            return handler.reply(200, b'{"data": [{"id": "m"}]}')
        if handler.path != "/v1/completions":
            return handler.reply(404, b"")
        body = json.loads(data)
        self.asked.append(body)
        for name in ("model", "repeat_penalty"):
            body.pop(name, None)
        status, answer = handler.ask(method, json.dumps(body).encode())
        if status != 200:
            return handler.reply(status, answer)
        answer = json.loads(answer)
        choices = [{"index": 0, "text": c["text"], "finish_reason": c["finish_reason"]} for c in answer["choices"][:1]]
        handler.reply(200, json.dumps({"choices": choices, "usage": answer["usage"]}).encode())


class Edited(Proxy):
    """Passes answers to /v1/completions through `edit`."""

    def __init__(self, server, edit):
        self.edit = edit
        super().__init__(server)

    def respond(self, handler, method, data):
        status, body = handler.ask(method, data)
        if handler.path == "/v1/completions" and status == 200:
            answer = json.loads(body)
            self.edit(answer)
            body = json.dumps(answer).encode()
        handler.reply(status, body)


class ServerKinds(ServedCase):
    def front(self, kind, *arguments):
        made = kind(self.serve(), *arguments)
        self.addCleanup(made.stop)
        return made

    def command(self, out, *words):
        """--no-stops takes the stop sequences out."""
        words = [str(w) for w in super().command(out, *words)]
        if "--no-stops" in words:
            words.remove("--no-stops")
            at = words.index("--stop_sequences")
            del words[at : at + 9]
        return words

    def test_trls_server(self):
        out, server = self.dir / "trl", self.front(LikeTrl)
        said, err = self.train(out, *self.by(server), *NEVER, "--max_steps", 3, "--log_completions")
        self.assertIn("whose weights stay as they are", said)
        self.assertIn("TRL's server", err)
        self.assertRegex(err, r"log-probs of a probe differ by at most \S+e-0[5-9]|at most 0")
        lines = self.metrics(out)
        self.assertLess(lines[0]["sampling/sampling_logp_difference/mean"], 1e-5, "the same weights at first")
        self.assertGreater(lines[2]["sampling/sampling_logp_difference/mean"], 1e-4, "and not any more")
        self.assertIn("sampling/importance_sampling_ratio/mean", lines[2])
        self.assertNotIn("sampling/weight_version", lines[0])
        for method in ("files", "memory", "auto"):  # auto: over NCCL, which the proxy has no routes for, if there is one here at all
            _, err = self.train(self.dir / f"trl_{method}", *self.by(server), "--max_steps", 3, "--vllm_sync_method", method, code=4)
            self.assertRegex(err, {"files": "takes no weights from files", "memory": "takes no weights from shared memory"}.get(method, "NCCL|init_communicator"))

    def test_a_server_of_texts(self):
        out, server = self.dir / "texts", self.front(OfTexts)
        _, err = self.train(out, *self.by(server), *NEVER, "--max_steps", 2, "--log_completions", "--no-stops")
        self.assertIn("tells no log-probs", err)
        self.assertIn("tokenized again", err)
        asked = [body for body in server.asked if body["max_tokens"] == 24]
        self.assertEqual(len(asked), 16, "a request for each completion")
        self.assertEqual(len({(body["prompt"], body["seed"]) for body in asked}), 16, "and none drawn twice")
        lines = self.metrics(out)
        self.assertLess(lines[0]["sampling/sampling_logp_difference/mean"], 1e-5, "the policy's own log-probs were taken")
        _, err = self.train(self.dir / "texts_stops", *self.by(server), *NEVER, "--max_steps", 2, code=4)
        self.assertIn("leave stop_sequences", err)

    def test_another_model(self):
        def shift(answer):
            for choice in answer["choices"]:
                choice["prompt_token_ids"] = [i + 1 for i in choice["prompt_token_ids"]]
        _, err = self.train(self.dir / "another", *self.by(self.front(Edited, shift)), "--max_steps", 2, code=4)
        self.assertIn("serves another model", err)

    def test_log_probs_that_are_off(self):
        def lower(answer):
            for choice in answer["choices"]:
                if choice["logprobs"]:
                    choice["logprobs"]["token_logprobs"] = [v - 0.5 for v in choice["logprobs"]["token_logprobs"]]
        out = self.dir / "off"
        _, err = self.train(out, *self.by(self.front(Edited, lower)), "--max_steps", 2)
        self.assertIn("differ by at most 0.5", err)
        self.assertIn("--logprobs-mode processed_logprobs", err)
        for line in self.metrics(out):
            self.assertAlmostEqual(line["sampling/sampling_logp_difference/mean"], 0.5, places=4)


if __name__ == "__main__":
    unittest.main()
