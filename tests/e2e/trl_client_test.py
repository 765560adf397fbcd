#!/usr/bin/env python3
"""TRL's own client against grpo_serve: python3 tests/e2e/trl_client_test.py FOLDER_WITH_THE_PROGRAMS

`trl.generation.vllm_client.VLLMClient` of TRL 1.10, the last version with that protocol, as the package has it. The client wants vLLM
installed, for the NCCL classes it moves weights with; modules that only have the names it imports stand in for that. Skipped where trl is not
installed (tests/oracle/requirements.txt).
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from served import ServedCase  # noqa: E402

STAND_IN = {
    "vllm/__init__.py": "class LLM: pass\nclass RequestOutput: pass\nclass SamplingParams: pass\n",
    "vllm/sampling_params.py": "class StructuredOutputsParams: pass\n",
    "vllm/distributed/__init__.py": "",
    "vllm/distributed/utils.py": "class StatelessProcessGroup: pass\n",
    "vllm/distributed/device_communicators/__init__.py": "",
    "vllm/distributed/device_communicators/pynccl.py": "class PyNcclCommunicator: pass\n",
    "vllm-0.26.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: vllm\nVersion: 0.26.0\n",
    "vllm-0.26.0.dist-info/RECORD": "vllm/__init__.py,,\n",
    "vllm-0.26.0.dist-info/top_level.txt": "vllm\n",
}

# Runs in a process of its own, because of the stand-in.
CLIENT = """
import json, sys
from trl.generation.vllm_client import VLLMClient
client = VLLMClient(base_url=sys.argv[1], connection_timeout=10)
done = {}
done["text"] = client.generate(["Once", "Twice"], n=3, max_tokens=12, temperature=0.9, generation_kwargs={"seed": 5})
done["ids"] = client.generate([[79, 110, 99, 101]], n=2, max_tokens=12, temperature=0.9, generation_kwargs={"seed": 5})
done["chat"] = client.chat([[{"role": "user", "content": "hi"}]], n=2, max_tokens=6)
client.reset_prefix_cache()
try:
    client.generate(["x"], structured_outputs_regex="[0-9]+")
except Exception as error:
    done["refused"] = str(error)
print(json.dumps(done))
"""


class TrlClient(ServedCase):
    def test_it_generates(self):
        if subprocess.run([sys.executable, "-c", "import trl"], capture_output=True).returncode != 0:
            self.skipTest("trl is not installed (tests/oracle/requirements.txt)")
        server = self.serve(updates=False)
        with tempfile.TemporaryDirectory() as folder:
            for name, text in STAND_IN.items():
                path = pathlib.Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            done = subprocess.run([sys.executable, "-W", "ignore", "-c", CLIENT, server.url], capture_output=True, text=True, timeout=200,
                                  env={**os.environ, "PYTHONPATH": folder})
        self.assertEqual(done.returncode, 0, done.stderr)
        said = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual(said["text"]["prompt_ids"], [list(b"Once"), list(b"Twice")])
        self.assertEqual(len(said["text"]["completion_ids"]), 6)
        for kind in ("text", "ids", "chat"):
            for ids, values in zip(said[kind]["completion_ids"], said[kind]["logprobs"], strict=True):
                self.assertEqual([len(v) for v in values], [1] * len(ids))
        self.assertEqual(said["ids"]["completion_ids"], said["text"]["completion_ids"][:2], "a text and its ids draw alike")
        self.assertEqual(len(said["chat"]["completion_ids"]), 2)
        self.assertIn("structured_outputs_regex", said["refused"])

    def test_curl(self):
        curl = shutil.which("curl")
        if not curl:
            self.skipTest("curl is not installed")
        server = self.serve(updates=False)
        body = json.dumps({"prompt": "One, two,", "max_tokens": 8, "seed": 1, "return_token_ids": True})
        ask = lambda *words: subprocess.run([curl, "-sS", "--noproxy", "*", *words], capture_output=True, text=True, timeout=30, check=True).stdout
        plain = json.loads(ask(f"{server.url}/v1/completions", "-d", body))  # curl sends -d as a form: the body is JSON all the same
        self.assertEqual(len(plain["choices"][0]["token_ids"]), 8)
        streamed = ask("-N", f"{server.url}/v1/completions", "-H", "Content-Type: application/json", "-d", body[:-1] + ', "stream": true}')
        events = [line[6:] for line in streamed.split("\n\n") if line]
        self.assertEqual(events[-1], "[DONE]")
        ids = [i for event in events[:-1] for choice in json.loads(event)["choices"] for i in choice["token_ids"]]
        self.assertEqual(ids, plain["choices"][0]["token_ids"])
        self.assertIn("grpo_serve_requests_total", ask(f"{server.url}/metrics"))


if __name__ == "__main__":
    unittest.main()
