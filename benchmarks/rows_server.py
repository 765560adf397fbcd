"""The row about grpo_serve under load, beside llama.cpp's server."""

import json
import pathlib
import socket
import subprocess
import time
import urllib.request

import peers as others
import server_load
from result import Result
from stats import ratios, sample

CLIENTS = {1: 15, 16: 30, 64: 30, 200: 60}  # seconds
TOKENS = 64


class Started:
    """A server program with the model, healthy; ended by close()."""

    def __init__(self, command, health):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.command = [str(word).replace("PORT", str(self.port)) for word in command]
        self.child = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}{health}", timeout=2).close()
                return
            except OSError:
                if self.child.poll() is not None or time.monotonic() > end:
                    self.close()
                    raise RuntimeError(f"{self.command[0]} did not get healthy") from None
                time.sleep(0.1)

    def close(self):
        self.child.kill()
        self.child.wait()


def questions(setting):
    """Texts of 64 prompts with one beginning, as the recipes make them."""
    rows = [json.loads(line) for line in pathlib.Path(setting.rows).read_text().splitlines()]
    return [f"Question: What is 3 + 4?\nAnswer: 7\n\nQuestion: {row['question']}\nAnswer:" for row in rows[:64]]


def servers(setting, result):
    model = setting.model
    if model.suffix == ".gguf":
        model = setting.work / "smollm2-f32.gguf"
        if not model.exists():
            setting.ours.program("grpo_export", "--model_name_or_path", setting.model, "--output", model, "--outtype", "f32")
    commands = {"ours": ([setting.ours.bin / "grpo_serve", "--model_name_or_path", model, "--served_model_name", "model", "--port", "PORT", "--num_threads",
                         setting.threads], "/health")}
    python = setting.peers.python("llama")
    if python is None or model.suffix != ".gguf":
        result.missing.append(("the load of llama.cpp's server", "not installed in the peers' environment"))
    elif subprocess.run([python, "-c", "import llama_cpp.server.app"], capture_output=True, check=False).returncode != 0:
        result.missing.append(("the load of llama.cpp's server", "the package lacks its extra [server]"))
    else:
        commands["llama"] = ([python, "-m", "llama_cpp.server", "--model", model, "--host", "127.0.0.1", "--port", "PORT", "--n_ctx", 1024, "--n_threads",
                              setting.threads, "--model_alias", "model", "--interrupt_requests", "False"], "/v1/models")
    for command, _ in commands.values():
        result.command(others.show(command))
    return commands


def server_load_row(setting):
    result = Result(f"grpo_serve under load: every client asks for {TOKENS} tokens at most, again and again, float32")
    commands, prompts = servers(setting, result), questions(setting)
    speed, loads = {}, {}
    for clients, seconds in CLIENTS.items():
        for _ in range(1 if clients == 200 else setting.rounds):
            for name, (command, health) in commands.items():
                started = Started(command, health)
                try:
                    server_load.run(started.port, 1, 1, prompts, 4)  # warms up
                    load = server_load.run(started.port, clients, 3 if setting.quick else seconds, prompts, setting.tokens(TOKENS))
                finally:
                    started.close()
                loads.setdefault((name, clients), []).append(load)
                speed.setdefault((name, clients), []).append(load.speed)
    table = [[clients, "grpo_serve" if name == "ours" else others.TITLES[name] + "'s server", sample([run.speed for run in runs]).show(0),
              sample([run.percentile(0.5) for run in runs]).show(2), sample([run.percentile(0.99) for run in runs]).show(2),
              sum(len(run.latencies) for run in runs), sum(len(run.failures) for run in runs)] for (name, clients), runs in loads.items()]
    result.table(["clients", "server", "tokens/s", "p50, s", "p99, s", "answered", "failed"], table,
                 "Tokens and latencies are those of requests that were answered within the time; 200 clients for a minute.")
    failures = [failure for (name, _), runs in loads.items() if name == "ours" for run in runs for failure in run.failures]
    result.goal("grpo_serve answers every request", f"{len(failures)} failed, such as {failures[0]}" if failures else "none failed", not failures)
    if "llama" in commands:
        result.at_least("16 clients: at least 1.5 times the tokens/s of llama.cpp's server", 1.5, ratios(speed["ours", 16], speed["llama", 16]))
    return result
