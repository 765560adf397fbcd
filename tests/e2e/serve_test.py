#!/usr/bin/env python3
"""grpo_serve as its clients meet it, on a tiny model: python3 tests/e2e/serve_test.py FOLDER_WITH_THE_PROGRAMS

Standard library only, but for the class that runs the openai package and is skipped where that is not installed.
"""

import concurrent.futures
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import tiny_model  # noqa: E402

BIN = pathlib.Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else ROOT / "build/release/bin"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.pop("GRPO_SERVE_API_KEY", None)


class Server:
    """A running grpo_serve; its port is whatever was free."""

    def __init__(self, model, *words, env=None):
        self.process = subprocess.Popen([str(BIN / "grpo_serve"), "--model_name_or_path", str(model), "--served_model_name", "tiny", "--port", "0",
                                         *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
        line = self.process.stdout.readline()
        if "http://127.0.0.1:" not in line:
            raise AssertionError(f"no server: {line!r} {self.process.communicate()}")
        self.port = int(line.rsplit(":", 1)[1])

    def call(self, method, path, body=None, headers=None, timeout=30):
        """(status, headers, text)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
        reply = connection.getresponse()
        text = reply.read().decode()
        connection.close()
        return reply.status, dict(reply.getheaders()), text

    def post(self, path, body):
        status, _, text = self.call("POST", path, body)
        if status != 200:
            raise AssertionError(f"{path}: {status} {text}")
        return json.loads(text) if text else None

    def metric(self, name):
        for line in self.call("GET", "/metrics")[2].splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise AssertionError(name)

    def raw(self, data, wait=10.0):
        """What comes back for these bytes, until the server closes or `wait` is over, and how long that took."""
        begin = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as s:
            s.sendall(data)
            got = b""
            try:
                while piece := s.recv(65536):
                    got += piece
            except TimeoutError:
                pass
        return got, time.monotonic() - begin

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        _, stderr = self.process.communicate(timeout=30)
        return self.process.returncode, stderr


class Case(unittest.TestCase):
    words = ()
    env = None

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.dir = pathlib.Path(cls.scratch.name)
        cls.model = tiny_model.write(cls.dir / "tiny")
        cls.server = Server(cls.model, *cls.words, env=cls.env)

    @classmethod
    def tearDownClass(cls):
        if cls.server.process.poll() is None:
            cls.server.stop()
        cls.scratch.cleanup()

    def wait_until(self, good, seconds=10.0):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if good():
                return
            time.sleep(0.02)
        self.fail("it did not happen")


def prompt_id_of(text):
    """The id that grpo_generate gives its one prompt: FNV-1a over the text and the row's index, eight bytes of zero."""
    value = 0xCBF29CE484222325
    for byte in text.encode() + bytes(8):
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


class Answers(Case):
    def test_the_text_is_that_of_grpo_generate(self):
        done = subprocess.run([str(BIN / "grpo_generate"), "--model_name_or_path", str(self.model), "--prompt", "Once", "--n", "3", "--json",
                               "--max_completion_length", "40", "--temperature", "0.9", "--seed", "11"], capture_output=True, text=True, check=True)
        alone = [json.loads(line) for line in done.stdout.splitlines()]
        answer = self.server.post("/v1/completions", {"prompt": "Once", "n": 3, "seed": 11, "prompt_id": prompt_id_of("Once"), "max_tokens": 40,
                                                      "temperature": 0.9, "logprobs": 0, "return_token_ids": True})
        for choice, own in zip(answer["choices"], alone, strict=True):
            self.assertEqual(choice["token_ids"], own["token_ids"])
            self.assertEqual(choice["text"], own["text"])
            single = [struct.pack("<f", value) for value in own["logprobs"]]
            self.assertEqual([struct.pack("<f", value) for value in choice["logprobs"]["token_logprobs"]], single)

    def test_sixteen_clients_at_once_get_what_each_gets_alone(self):
        bodies = [{"prompt": f"A shared beginning of some length, then {i}", "n": 1 + i % 3, "seed": i, "temperature": 0.7 + i / 20, "max_tokens": 30 + i,
                   "logprobs": 0, "return_token_ids": True, **({"stop": ["a", "xyz"]} if i % 4 == 0 else {})} for i in range(16)]
        choices = lambda body: self.server.post("/v1/completions", body)["choices"]
        alone = [choices(body) for body in bodies]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            for _ in range(2):
                self.assertEqual(list(pool.map(choices, bodies)), alone)
        self.assertGreater(self.server.metric("grpo_serve_prefix_tokens_found_total"), 0)

    def test_a_stream_comes_piece_by_piece(self):
        body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 60, "min_tokens": 60, "seed": 4}
        whole = self.server.post("/v1/chat/completions", body)
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        connection.request("POST", "/v1/chat/completions", json.dumps({**body, "stream": True}))
        reply = connection.getresponse()
        self.assertEqual(reply.getheader("Content-Type"), "text/event-stream")
        events = [line[6:] for line in reply.read().decode().split("\n\n") if line]
        self.assertEqual(events.pop(), "[DONE]")
        deltas = [json.loads(event)["choices"][0] for event in events]
        self.assertEqual(deltas[0]["delta"]["role"], "assistant")
        self.assertEqual("".join(d["delta"]["content"] for d in deltas), whole["choices"][0]["message"]["content"])
        self.assertGreater(len(deltas), 10)
        self.assertEqual(deltas[-1]["finish_reason"], "length")

    def test_what_operators_ask(self):
        for path in ("/health", "/health/"):
            self.assertEqual(json.loads(self.server.call("GET", path)[2])["status"], "ok")
        self.assertEqual(json.loads(self.server.call("GET", "/get_world_size/")[2]), {"world_size": 1})
        model = json.loads(self.server.call("GET", "/v1/models")[2])["data"][0]
        self.assertEqual((model["id"], model["max_model_len"]), ("tiny", 512))
        self.assertRegex(json.loads(self.server.call("GET", "/version")[2])["version"], r"^\d+\.\d+\.\d+$")
        text = self.server.call("GET", "/metrics")[2]
        for name in ("grpo_serve_requests_total{", "grpo_serve_generation_tokens_total", "grpo_serve_requests_waiting", "grpo_serve_rows_running",
                     'grpo_serve_request_seconds_bucket{le="+Inf"}'):
            self.assertIn(name, text)

    def test_the_requests_of_trls_client(self):
        # As trl.extras.vllm_client of TRL 1.10 sends them.
        body = {"prompts": ["one", "two"], "images": None, "n": 2, "repetition_penalty": 1.0, "temperature": 1.0, "top_p": 1.0, "top_k": -1, "min_p": 0.0,
                "max_tokens": 16, "logprobs": 0, "structured_outputs_regex": None, "generation_kwargs": {}}
        answer = self.server.post("/generate/", body)
        self.assertEqual(answer["prompt_ids"], [list(b"one"), list(b"two")])
        self.assertEqual(len(answer["completion_ids"]), 4)
        for ids, values in zip(answer["completion_ids"], answer["logprobs"], strict=True):
            self.assertEqual([len(v) for v in values], [1] * len(ids))
        del body["prompts"]
        chat = self.server.post("/chat/", {**body, "messages": [[{"role": "user", "content": "hi"}]], "chat_template_kwargs": {}, "tools": None})
        self.assertEqual(len(chat["completion_ids"]), 2)
        self.assertEqual(self.server.post("/reset_prefix_cache/", {}), {"success": True})
        status, _, text = self.server.call("POST", "/init_communicator/", {"host": "0.0.0.0", "port": 51216, "world_size": 2, "client_device_uuid": "x"})
        self.assertEqual(status, 501)
        self.assertIn("files or memory", text)
        self.assertEqual(self.server.call("POST", "/update_weights", {"path": str(self.model)})[0], 403)


class OpenAi(Case):
    words = ("--api_key", "secret")

    def test_the_openai_package(self):
        try:
            import openai
        except ImportError:
            self.skipTest("the openai package is not installed")
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{self.server.port}/v1", api_key="secret", max_retries=0)
        self.assertEqual([m.id for m in client.models.list()], ["tiny"])
        done = client.completions.create(model="tiny", prompt=["a", "b"], n=2, max_tokens=8, seed=1, logprobs=1, extra_body={"return_token_ids": True})
        self.assertEqual(len(done.choices), 4)
        self.assertEqual(len(done.choices[0].logprobs.token_logprobs), len(done.choices[0].token_ids))
        messages = [{"role": "user", "content": "hi"}]
        chat = client.chat.completions.create(model="tiny", messages=messages, max_completion_tokens=30, seed=2, logprobs=True, top_logprobs=2)
        self.assertEqual(len(chat.choices[0].logprobs.content[0].top_logprobs), 2)
        stream = client.chat.completions.create(model="tiny", messages=messages, max_completion_tokens=30, seed=2, stream=True,
                                                stream_options={"include_usage": True})
        chunks = list(stream)
        self.assertEqual("".join(c.choices[0].delta.content or "" for c in chunks if c.choices), chat.choices[0].message.content)
        self.assertEqual(chunks[-1].usage.completion_tokens, chat.usage.completion_tokens)
        with self.assertRaises(openai.BadRequestError) as caught:
            client.completions.create(model="tiny", prompt="a", temperature=-1)
        self.assertEqual(caught.exception.param, "temperature")
        with self.assertRaises(openai.AuthenticationError):
            openai.OpenAI(base_url=client.base_url, api_key="wrong", max_retries=0).models.list()
        self.assertEqual(self.server.call("GET", "/health")[0], 200)
        self.assertEqual(self.server.call("POST", "/v1/completions", {"prompt": "a"})[0], 401)


class Hostile(Case):
    words = ("--request_timeout", "2", "--max_body_mb", "1", "--max_num_seqs", "2", "--max_waiting_requests", "3")

    def head(self, length, path="/v1/completions"):
        return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()

    def tearDown(self):
        self.assertEqual(self.server.post("/v1/completions", {"prompt": "still here", "max_tokens": 2, "seed": 1})["choices"][0]["index"], 0)

    def test_bodies(self):
        got, took = self.server.raw(self.head(10 * 2**30))
        self.assertIn(b" 413 ", got)
        self.assertLess(took, 1.5)  # nothing of it is waited for
        self.assertIn(b" 413 ", self.server.raw(self.head("9" * 30))[0])
        self.assertIn(b" 400 ", self.server.raw(self.head("-5"))[0])
        half = b'{"prompt": "a", "n'
        self.assertIn(b"no JSON", self.server.raw(self.head(len(half)) + half, 1.5)[0])
        chunk = b"%x\r\n" % 2**19 + b" " * 2**19 + b"\r\n"
        got = self.server.raw(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 3 + b"0\r\n\r\n")[0]
        self.assertIn(b" 413 ", got)
        self.assertEqual(self.server.call("POST", "/v1/completions", b"[" * 10000)[0], 400)
        self.assertIn(b" 400 ", self.server.raw(b"no HTTP at all\r\n\r\n")[0])

    def test_headers_without_end_and_slow_ones(self):
        got, _ = self.server.raw(b"GET /health HTTP/1.1\r\n" + b"A: b\r\n" * 20000)
        self.assertNotIn(b" 200 ", got)
        # A body that stops halfway, and headers that drip: both are over when the time is, however busy the client looks.
        got, took = self.server.raw(self.head(100) + b"{", 6)
        self.assertIn(b" 408 ", got)
        self.assertLess(took, 4)
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=5) as s:
            begin = time.monotonic()
            try:
                for byte in b"GET /health HTTP/1.1\r\nX: " + b"y" * 100:
                    s.sendall(bytes([byte]))
                    time.sleep(0.1)
            except OSError:
                pass
            self.assertLess(time.monotonic() - begin, 5)

    def test_a_client_that_leaves_frees_its_places(self):
        for stream in (False, True):
            body = json.dumps({"prompt": "a", "n": 64, "max_tokens": 500, "min_tokens": 500, "stream": stream}).encode()
            with socket.create_connection(("127.0.0.1", self.server.port)) as s:
                s.sendall(self.head(len(body)) + body)
                self.wait_until(lambda: self.server.metric("grpo_serve_rows_running") == 2)
            self.wait_until(lambda: self.server.metric("grpo_serve_rows_running") == 0)
            self.assertEqual(self.server.metric("grpo_serve_requests_running"), 0)

    def test_too_many_requests(self):
        long = {"prompt": "a", "n": 40, "max_tokens": 400, "min_tokens": 400}
        sockets = []
        for _ in range(4):  # one runs, three wait
            body = json.dumps(long).encode()
            s = socket.create_connection(("127.0.0.1", self.server.port))
            s.sendall(self.head(len(body)) + body)
            sockets.append(s)
            self.wait_until(lambda: self.server.metric("grpo_serve_requests_running") + self.server.metric("grpo_serve_requests_waiting") == len(sockets))
        status, headers, text = self.server.call("POST", "/v1/completions", {"prompt": "a"})
        self.assertEqual((status, headers.get("Retry-After")), (429, "1"), text)
        for s in sockets:
            s.close()
        self.wait_until(lambda: self.server.metric("grpo_serve_requests_waiting") == 0)


class Weights(Case):
    words = ("--enable_weight_updates",)

    def other_model(self, name):
        folder = self.dir / name
        shutil.copytree(self.model, folder)
        data = bytearray((folder / "model.safetensors").read_bytes())
        begin = 8 + struct.unpack_from("<Q", data)[0]
        for at in range(begin, begin + 4000, 4):
            struct.pack_into("<f", data, at, -struct.unpack_from("<f", data, at)[0])
        (folder / "model.safetensors").write_bytes(data)
        return folder

    def ask(self):
        answer = self.server.post("/v1/completions", {"prompt": "a" * 100, "seed": 1, "max_tokens": 20, "logprobs": 0})
        return answer["weight_version"], answer["choices"][0]["logprobs"]["token_logprobs"]

    def test_updates(self):
        version, old = self.ask()
        self.assertEqual(version, 0)
        other = self.other_model("other")
        answer = self.server.post("/update_weights", {"path": str(other), "version": 7})
        self.assertEqual(answer["weight_version"], 7)
        self.assertRegex(answer["checksum"], "^[0-9a-f]{16}$")
        version, new = self.ask()
        self.assertEqual(version, 7)
        self.assertNotEqual(new, old)
        self.assertEqual(json.loads(self.server.call("GET", "/weight_info")[2])["weight_version"], 7)
        fresh = Server(other)
        same = fresh.post("/v1/completions", {"prompt": "a" * 100, "seed": 1, "max_tokens": 20, "logprobs": 0})
        fresh.stop()
        self.assertEqual(new, same["choices"][0]["logprobs"]["token_logprobs"])  # nothing of the old weights is left in the prefix cache

        damaged = self.other_model("damaged")
        (damaged / "model.safetensors").write_bytes((damaged / "model.safetensors").read_bytes()[:-1000])
        for bad in (damaged, self.dir / "missing"):
            status, _, text = self.server.call("POST", "/update_weights", {"path": str(bad), "version": 8})
            self.assertEqual(status, 400)
            self.assertIn("old weights stay", text)
        self.assertEqual(self.ask(), (7, new))
        # As vLLM takes them, in a pause that keeps what runs.
        self.server.post("/pause?mode=keep", None)
        self.assertTrue(json.loads(self.server.call("GET", "/is_paused")[2])["is_paused"])
        self.assertEqual(self.server.post("/collective_rpc", {"method": "reload_weights", "kwargs": {"weights_path": str(self.model)}}), {"results": [None]})
        self.server.post("/reset_prefix_cache", None)
        self.server.post("/resume", None)
        self.assertEqual(self.ask(), (8, old))


class Stopping(Case):
    words = ("--drain_timeout", "20")

    def test_a_signal_lets_what_runs_end(self):
        answers = []
        body = {"prompt": "a", "n": 30, "max_tokens": 300, "min_tokens": 300, "seed": 1}
        thread = threading.Thread(target=lambda: answers.append(self.server.post("/v1/completions", body)))
        thread.start()
        self.wait_until(lambda: self.server.metric("grpo_serve_rows_running") > 0)
        code, stderr = self.server.stop()
        thread.join()
        self.assertEqual(code, 0, stderr)
        self.assertEqual([c["finish_reason"] for c in answers[0]["choices"]], ["length"] * 30)
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", self.server.port), timeout=1)

    def test_what_takes_too_long_is_cut_short(self):
        server = Server(self.model, "--drain_timeout", "0", "--max_num_seqs", "1")
        answers = []
        body = {"prompt": "a", "n": 200, "max_tokens": 400, "min_tokens": 400, "seed": 1}
        thread = threading.Thread(target=lambda: answers.append(server.post("/v1/completions", body)))
        thread.start()
        self.wait_until(lambda: server.metric("grpo_serve_rows_running") > 0)
        self.assertEqual(server.stop()[0], 0)
        thread.join()
        self.assertEqual(answers[0]["choices"][-1]["finish_reason"], "abort")

    def test_the_port_of_another(self):
        done = subprocess.run([str(BIN / "grpo_serve"), "--model_name_or_path", str(self.model), "--port", str(Stopping.taken())], capture_output=True, text=True)
        self.assertEqual(done.returncode, 4)
        self.assertIn("cannot listen", done.stderr)

    @classmethod
    def taken(cls):
        cls.holder = socket.socket()
        cls.holder.bind(("127.0.0.1", 0))
        cls.holder.listen()
        cls.addClassCleanup(cls.holder.close)
        return cls.holder.getsockname()[1]


if __name__ == "__main__":
    unittest.main(verbosity=1)
