#!/usr/bin/env python3
"""Weights over NCCL: python3 tests/e2e/server_nccl_test.py FOLDER_WITH_THE_PROGRAMS

grpo_train on one side, on the other the code of vLLM and of TRL that takes weights (nccl_worker.py), with a libnccl.so.2 and a libcuda.so.1
that need no GPU (tests/support/fakes): store keys, the pickled id, names, types and shapes that are announced, packed buffers. Needs the
Python of a vLLM (GRPO_VLLM names the program, or `vllm` is on PATH) and TRL 1.10 beside this one; skipped without. Not covered: real NCCL and CUDA.
"""

import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import threading
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from case import ROOT  # noqa: E402
from served import ServedCase, free_port  # noqa: E402

VLLM = os.environ.get("GRPO_VLLM") or shutil.which("vllm")
FAKES = os.environ.get("GRPO_FAKES", str(ROOT / "build/release/tests/fakes"))
TRL = subprocess.run([sys.executable, "-c", "import trl, pathlib; print(pathlib.Path(trl.__file__).parent)"], capture_output=True, text=True).stdout.strip()
MISSING = ("no vLLM (set GRPO_VLLM, or put vllm on PATH)" if not VLLM else "trl is not installed (tests/oracle/requirements.txt)" if not TRL else
           f"{FAKES} has no libnccl.so.2" if not (pathlib.Path(FAKES) / "libnccl.so.2").exists() else "")
if MISSING:
    print(f"skipped: {MISSING}")
    sys.exit(77)

STEPS = 4


def tensors(path):
    """name -> (dtype, shape, bytes) of a safetensors file."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    head = json.loads(data[8 : 8 + length])
    head.pop("__metadata__", None)
    return {name: (t["dtype"], t["shape"], data[8 + length + t["data_offsets"][0] : 8 + length + t["data_offsets"][1]]) for name, t in head.items()}


class Nccl(ServedCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.environ["LD_LIBRARY_PATH"] = FAKES  # of grpo_train
        cls.received = cls.dir / "received"
        cls.received.mkdir()
        (cls.dir / "packages").mkdir()
        (cls.dir / "packages/trl").symlink_to(TRL)

    def worker(self):
        """Started once: it takes half a minute to import vLLM."""
        if not hasattr(Nccl, "port"):
            Nccl.behind = ServedCase.serve(self)
            self._cleanups.pop()  # it serves the other tests as well
            Nccl.addClassCleanup(Nccl.behind.kill)
            Nccl.port = free_port()
            words = [str(pathlib.Path(VLLM).parent / "python"), "-W", "ignore", str(pathlib.Path(__file__).parent / "nccl_worker.py"), str(Nccl.port),
                     Nccl.behind.url, str(self.model), str(self.received)]
            process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(self.dir / "worker.log", "w"), text=True,
                                       env={**os.environ, "PYTHONPATH": str(self.dir / "packages"), "VLLM_NCCL_SO_PATH": f"{FAKES}/libnccl.so.2"})
            Nccl.addClassCleanup(process.stdout.close)
            Nccl.addClassCleanup(process.wait, 30)
            Nccl.addClassCleanup(process.stdin.close)
            for line in process.stdout:
                if line == "ready\n":
                    break
            else:
                raise AssertionError((self.dir / "worker.log").read_text()[-3000:])
        for folder in self.received.iterdir():
            shutil.rmtree(folder)
        self.stub(restart=True)
        return f"http://127.0.0.1:{Nccl.port}"

    def stub(self, **what):
        """What it was asked since the last time."""
        with urllib.request.urlopen(f"http://127.0.0.1:{Nccl.port}/stub", json.dumps(what).encode(), timeout=30) as answer:
            return json.load(answer)

    def run_and_compare(self, out, *words, kind="vllm", version="0.32.0"):
        url = self.worker()
        self.stub(kind=kind, version=version)
        self.train(out, *self.by(url), "--max_steps", STEPS, "--save_steps", 1, "--save_total_limit", 99, "--vllm_sync_method", "nccl", *words)
        lines = self.metrics(out)
        self.assertEqual([line["sampling/weight_version"] for line in lines], list(range(STEPS)))
        # The log-probs of what the server sampled are the policy's: by the weights that it was given at every step.
        self.assertLess(max(line["sampling/sampling_logp_difference/mean"] for line in lines), 1e-5)
        self.assertGreater(min(line["grad_norm"] for line in lines), 0.0)
        updates = self.updates()
        self.assertEqual(len(updates), STEPS)
        for step in range(1, STEPS):
            self.assertEqual(tensors(updates[step]), tensors(out / f"checkpoint-{step}/model.safetensors"), f"step {step}, byte for byte")
        return self.stub()

    def names(self, out):
        return tensors(out / "model.safetensors")

    def test_vllm_packed(self):
        out = self.dir / "packed"
        asked = self.run_and_compare(out)
        self.assertEqual([path for path, _ in asked], ["/init_weight_transfer_engine"] + STEPS * [
            "/start_weight_update", "/update_weights", "/finish_weight_update", "/reset_prefix_cache", "/update_weight_version"])
        info = asked[0][1]["init_info"]
        self.assertEqual((info["rank_offset"], info["world_size"], info["packed"], info["master_address"]), (1, 2, True, "127.0.0.1"))
        update = next(body["update_info"] for path, body in asked if path == "/update_weights")
        stored = self.names(out)
        self.assertEqual({n: s for n, s in zip(update["names"], update["shapes"], strict=True)}, {n: t[1] for n, t in stored.items()})
        self.assertEqual(set(update["dtype_names"]), {"float32"})

    def test_vllm_before_0_28_is_told_with_every_update(self):
        asked = self.run_and_compare(self.dir / "packed27", version="0.27.1")
        self.assertTrue(all("packed" not in body["init_info"] for path, body in asked if path == "/init_weight_transfer_engine"))
        self.assertTrue(all(body["update_info"]["packed"] for path, body in asked if path == "/update_weights"))

    def test_vllm_unpacked(self):
        asked = self.run_and_compare(self.dir / "unpacked", version="0.18.0")
        self.assertNotIn("/start_weight_update", [path for path, _ in asked])
        self.assertTrue(all("packed" not in body["update_info"] for path, body in asked if path == "/update_weights"))

    def test_vllm_bfloat16(self):
        out = self.dir / "bf16"
        url = self.worker()
        self.stub(kind="vllm", version="0.18.0")
        self.train(out, *self.by(url), "--max_steps", 2, "--save_steps", 1, "--vllm_sync_method", "nccl", "--torch_dtype", "bfloat16")
        self.assertEqual(tensors(self.updates()[-1]), tensors(out / "checkpoint-1/model.safetensors"))

    def updates(self):
        return [folder / "model.safetensors" for folder in sorted(self.received.iterdir(), key=lambda folder: int(folder.name.split("-")[1]))]

    def test_trl(self):
        out, port = self.dir / "trl", free_port()
        asked = self.run_and_compare(out, "--vllm_group_port", port, kind="trl")
        first = next(body for path, body in asked if path == "/init_communicator/")
        self.assertEqual(first, {"host": "0.0.0.0", "port": port, "world_size": 2, "client_device_uuid": "10111213-1415-1617-1819-1a1b1c1d1e1f"})
        stored = self.names(out)
        told = [body for path, body in asked if path == "/update_named_param/"]
        self.assertEqual(len(told), STEPS * len(stored))
        self.assertEqual({t["name"]: t["shape"] for t in told}, {n: t[1] for n, t in stored.items()})
        self.assertEqual({t["dtype"] for t in told}, {"torch.float32"})
        self.assertEqual(asked[-1][0], "/close_communicator/")

    def test_a_server_that_starts_anew_gets_the_newest_weights_first(self):
        out, url = self.dir / "anew", self.worker()
        self.stub(kind="vllm", version="0.32.0")
        process = subprocess.Popen(self.command(out, *self.by(url), "--max_steps", 30, "--vllm_sync_method", "nccl", "--vllm_group_port", 0), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True, cwd=ROOT)
        self.addCleanup(process.kill)
        self.until(lambda: self.steps(out) >= 4)
        self.stub(restart=True)
        _, err = process.communicate(timeout=200)
        self.assertEqual(process.returncode, 0, err)
        lines = self.metrics(out)
        self.assertEqual([line["sampling/weight_version"] for line in lines], list(range(30)))
        self.assertLess(max(line["sampling/sampling_logp_difference/mean"] for line in lines), 1e-5)
        self.assertEqual([path for path, _ in self.stub()].count("/init_weight_transfer_engine"), 1, "a new group")

    def test_what_cannot_work_is_said_at_once(self):
        server = self.serve()
        _, err = self.train(self.dir / "kind", *self.by(server), "--vllm_sync_method", "nccl", code=4)
        self.assertIn("takes no weights over NCCL", err)
        os.environ["LD_LIBRARY_PATH"] = ""
        try:
            _, err = self.train(self.dir / "none", *self.by(server), "--vllm_sync_method", "nccl", code=4)
        finally:
            os.environ["LD_LIBRARY_PATH"] = FAKES
        self.assertIn("the CUDA driver cannot be opened", err)
        self.assertIn("--vllm_sync_method files", err)


if __name__ == "__main__":
    unittest.main()
