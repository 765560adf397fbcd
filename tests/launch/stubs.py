"""A scratch checkout for training.sh on a machine that is made up: programs that only write down how they were called.

The checkout has the repository's training.sh and apps/launch/. In front of PATH stand a server (as vllm, trl and grpo_serve), a
trainer (grpo_train, maxent_grpo_train), nvidia-smi and sbatch. What they do beyond taking notes is said by files in the checkout:
`server` holds ok, die, deaf, stubborn or die_later; `trainer` holds quick, long, stubborn, or crash N (rank N does). Standard library.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPTIONS = ("ddp_timeout", "use_vllm", "vllm_mode", "vllm_server_base_url", "vllm_server_host")

PRELUDE = f"""#!{sys.executable}
import http.server, json, os, pathlib, signal, subprocess, sys, time
home = pathlib.Path(os.environ["STUB_HOME"])
name = pathlib.Path(sys.argv[0]).name
def told(what): return (home / what).read_text().split()
def note():
    with open(home / "calls", "a") as calls:
        calls.write(json.dumps({{"name": name, "argv": sys.argv[1:], "env": dict(os.environ)}}) + "\\n")
"""

SERVER = PRELUDE + """
note()
how = told("server")[0]
print("loading weights", flush=True)
if how == "die":
    print("\\n".join(f"line {i}" for i in range(200)) + "\\nCUDA out of memory", flush=True)
    sys.exit(3)
if how == "deaf":
    time.sleep(600)
if how == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(["sleep", "600"])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer((sys.argv[sys.argv.index("--host") + 1], int(sys.argv[sys.argv.index("--port") + 1])), Handler)
if how == "die_later":
    server.timeout = 0.1
    while not (home / "training").exists(): server.handle_request()
    print("an illegal memory access was encountered", flush=True)
    sys.exit(9)
server.serve_forever()
"""

TRAINER = PRELUDE + f"""
if "--help" in sys.argv:
    print("\\n".join(f"  --{{o}} <text>   an option" for o in told("options")))
    sys.exit()
if "--print_config" in sys.argv:
    if "--bad" in sys.argv: sys.exit("grpo_train: recipe error: --bad")
    words = sys.argv[1:]
    given = {{words[i][2:]: words[i + 1] for i in range(len(words) - 1) if words[i].startswith("--")}}
    default = {{"model_name_or_path": "models/built-in.gguf"}}
    for option in ("run_name", "model_name_or_path", *{OPTIONS!r}):
        if option in given: print(f'{{option}} = "{{given[option]}}"    # command line')
        elif option in default: print(f'{{option}} = "{{default[option]}}"    # built-in recipe:3')
        else: print(f"# {{option}} is unset    # default")
    sys.exit()
def stop(number, frame):
    print(f"rank {{rank}} saved after signal {{number}}", flush=True)
    sys.exit(75)
how = told("trainer")
rank = os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))
for number in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, signal.SIG_IGN if how[0] == "stubborn" else stop)
note()
print(f"rank {{rank}} trains", flush=True)
(home / "training").touch()
if how[0] == "crash" and how[1] == rank: sys.exit(int(how[2]))
time.sleep(0.2 if how[0] in ("quick", "crash") and how[-1] != "hang" else 600)
"""

NVIDIA_SMI = PRELUDE + """
for i in range(int(told("gpus")[0])): print(f"{i}, GPU-{i}{i}{i}{i}")
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Checkout:
    def __init__(self, gpus=0, programs=("vllm", "trl", "nvidia-smi", "sbatch")):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="launch", dir="/tmp"))
        self.bin = self.dir / "programs"
        (self.dir / "cmake").mkdir()
        (self.dir / "cmake/setup.sh").write_text("exit 9\n")  # GRPO_BIN: it must not be called
        shutil.copy(ROOT / "training.sh", self.dir)
        shutil.copytree(ROOT / "apps/launch", self.dir / "apps/launch")
        self.bin.mkdir()
        (self.dir / "path").mkdir()
        for name in programs:
            self.add(self.dir / "path" / name, {"nvidia-smi": NVIDIA_SMI, "sbatch": PRELUDE + "note()"}.get(name, SERVER))
        for name in ("grpo_train", "maxent_grpo_train"):
            self.add(self.bin / name, TRAINER)
        self.add(self.bin / "grpo_serve", SERVER)
        self.tell(server="ok", trainer="quick", options=" ".join(OPTIONS), gpus=gpus)
        self.port, self.master_port = free_port(), free_port()

    @staticmethod
    def add(path, text):
        path.write_text(text)
        path.chmod(0o755)

    def tell(self, **files):
        for name, text in files.items():
            (self.dir / name).write_text(str(text))

    def environment(self, **variables):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH", "VLLM_", "CUDA_", "HF_", "OMP_", "RANK", "WORLD"))}
        kept |= {"PATH": f"{self.dir / 'path'}:{os.environ['PATH']}", "STUB_HOME": str(self.dir), "GRPO_BIN": str(self.bin),
                 "VLLM_PORT": str(self.port), "MASTER_PORT": str(self.master_port)}
        return {k: v for k, v in (kept | {k: None if v is None else str(v) for k, v in variables.items()}).items() if v is not None}

    def start(self, *words, **variables):
        return subprocess.Popen(["bash", str(self.dir / "training.sh"), *map(str, words)], cwd="/", env=self.environment(**variables),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *words, timeout=60, **variables):
        """(exit code, stdout, stderr, seconds)"""
        begin = time.time()
        process = self.start(*words, **variables)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"training.sh did not end within {timeout} s:\n{out}\n{err}") from None
        return process.returncode, out, err, time.time() - begin

    def calls(self, *names):
        path = self.dir / "calls"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [call for call in lines if call["name"] in names]

    def wait_for_ranks(self, count):
        deadline = time.time() + 20
        while len(self.calls("grpo_train")) < count:
            if time.time() > deadline:
                raise AssertionError("the ranks did not start")
            time.sleep(0.05)

    def processes(self):
        """What still runs of this checkout."""
        mark = f"STUB_HOME={self.dir}".encode()
        found = []
        for proc in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if mark in (proc / "environ").read_bytes().split(b"\0"):
                    found.append((int(proc.name), (proc / "cmdline").read_bytes().replace(b"\0", b" ").decode()))
            except OSError:
                continue
        return found

    def log(self, kind):
        (path,) = (self.dir / "logs").glob(f"liv_{kind}_*.log")
        return path

    def remove(self):
        for pid, _ in self.processes():
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.dir)
