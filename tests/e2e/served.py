"""grpo_serve and runs that sample with it: what the end-to-end tests of generation servers share. Standard library only."""

import http.client
import http.server
import json
import os
import socket
import subprocess
import threading
import time

from case import BIN, ROOT, Case


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Serve:
    """A running grpo_serve."""

    def __init__(self, model, *words, port=0):
        self.process = subprocess.Popen([str(BIN / "grpo_serve"), "--model_name_or_path", str(model), "--port", str(port), *map(str, words)],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        line = self.process.stdout.readline()
        if "http://127.0.0.1:" not in line:
            raise AssertionError(f"no server: {line!r} {self.process.communicate()}")
        self.port = int(line.rsplit(":", 1)[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def kill(self):
        self.process.kill()
        self.process.communicate()


class Proxy:
    """Stands in front of a server; what becomes of each request and answer is respond()'s."""

    def __init__(self, server):
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.pass_on("GET")

            do_POST = lambda self: self.pass_on("POST")

            def pass_on(self, method):
                self.close_connection = True
                data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                proxy.respond(self, method, data)

            def ask(self, method, data):
                """(status, body) of the server."""
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
                connection.request(method, self.path, data, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                body = answer.read()
                connection.close()
                return answer.status, body

            def head(self, status, length=None, retry_after=None):
                self.send_response(status)
                if length is not None:
                    self.send_header("Content-Length", str(length))
                if retry_after is not None:
                    self.send_header("Retry-After", str(retry_after))
                self.send_header("Connection", "close")
                self.end_headers()

            def reply(self, status, body, length=None, retry_after=None):
                self.head(status, len(body) if length is None else length, retry_after)
                try:
                    self.wfile.write(body)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.handle_error = lambda *_: None  # a client that leaves is what some tests want
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def respond(self, handler, method, data):
        handler.reply(*handler.ask(method, data))

    def stop(self):
        self.http.shutdown()
        self.http.server_close()


class ServedCase(Case):
    def serve(self, *words, updates=True, **options):
        server = Serve(self.model, *(["--enable_weight_updates"] if updates else []), *words, **options)
        self.addCleanup(server.kill)
        return server

    @staticmethod
    def by(*servers):
        """The options of a run that samples with them."""
        return ["--use_vllm", "true", "--vllm_server_base_url", *(s if isinstance(s, str) else s.url for s in servers)]

    def train(self, out, *words, ranks=1, code=0):
        """Runs to the end; returns stdout and stderr of rank 0."""
        port = free_port()
        environments = [{**os.environ, **({"RANK": str(r), "WORLD_SIZE": str(ranks), "MASTER_PORT": str(port)} if ranks > 1 else {})} for r in range(ranks)]
        processes = [subprocess.Popen(self.command(out, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=e)
                     for e in environments]
        said = [p.communicate(timeout=300) for p in processes]
        self.assertEqual([p.returncode for p in processes], [code] * ranks, said)
        return said[0]

    def completions(self, out):
        """What every step trained on: (prompt, ids, text, log-probs), and the versions of the weights that drew them."""
        seen, versions = [], []
        for path in sorted((out / "completions").glob("step-*.jsonl")):
            groups = [json.loads(line) for line in path.read_text().splitlines()]
            for group in groups:
                for c in group["completions"]:
                    seen.append((path.name, group["prompt"], c["ids"], c["text"], c["old_logprobs"], c["rewards"], c["advantage"]))
                    versions.append(c.get("weight_version"))
        return seen, versions

    def until(self, good, seconds=60):
        end = time.monotonic() + seconds
        while not good():
            self.assertLess(time.monotonic(), end, "it did not happen")
            time.sleep(0.02)

    def steps(self, out):
        path = out / "metrics.jsonl"
        return path.read_text().count("\n") if path.exists() else 0
