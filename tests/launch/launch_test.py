#!/usr/bin/env python3
"""training.sh with made-up GPUs, servers and trainers: python3 tests/launch/launch_test.py

What it starts, word by word; what it refuses before anything starts; how it ends when a part fails. Standard library only.
"""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from stubs import ROOT, Checkout  # noqa: E402

QWEN = "Qwen/Qwen2.5-1.5B-Instruct"


class Case(unittest.TestCase):
    def checkout(self, **options):
        made = Checkout(**options)
        self.addCleanup(made.remove)
        return made

    def assert_nothing_left(self, made, seconds=3):
        deadline = time.time() + seconds
        while made.processes() and time.time() < deadline:
            time.sleep(0.1)
        self.assertEqual(made.processes(), [])


class Commands(Case):
    def served(self, server, words, variables, **more):
        """Three GPUs: the server on the first, two ranks on the others."""
        made = self.checkout(gpus=3)
        code, out, err, _ = made.run("--max_steps", 3, "--run_name", "sums", VLLM_SERVER_IMPL=server, **more)
        self.assertEqual(code, 0, out + err)
        (call,) = made.calls("vllm", "trl", "grpo_serve")
        self.assertEqual([call["name"], *call["argv"]], [str(word).format(port=made.port) for word in words])
        for name, value in (variables | {"CUDA_VISIBLE_DEVICES": "0"}).items():
            self.assertEqual(call["env"].get(name), value, name)
        ranks = sorted(made.calls("grpo_train"), key=lambda call: call["env"]["RANK"])
        for i, rank in enumerate(ranks):
            for name, value in {"RANK": i, "LOCAL_RANK": i, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1",
                                "MASTER_PORT": made.master_port, "CUDA_VISIBLE_DEVICES": "1,2"}.items():
                self.assertEqual(rank["env"].get(name), str(value), name)
        self.assertEqual(len(ranks), 2)
        self.assertRegex(made.log("vllm").name, r"^liv_vllm_sums_\d{8}_\d{6}\.log$")
        self.assertRegex(made.log("train").name, r"^liv_train_sums_\d{8}_\d{6}\.log$")
        self.assertIn("loading weights", made.log("vllm").read_text())
        self.assertIn("rank 1 trains", made.log("train").read_text())
        self.assertIn("rank 1 trains", out)
        self.assert_nothing_left(made)
        return made, ranks[0]["argv"]

    def test_vllm(self):
        words = ["vllm", "serve", QWEN, "--host", "127.0.0.1", "--port", "{port}", "--dtype", "float16", "--tensor-parallel-size", 1,
                 "--max-model-len", 2048, "--gpu-memory-utilization", "0.90", "--logprobs-mode", "processed_logprobs", "--max-logprobs",
                 -1, "--weight-transfer-config", '{{"backend":"nccl"}}']
        variables = {"VLLM_SERVER_DEV_MODE": "1", "VLLM_WORKER_MULTIPROC_METHOD": "spawn"}
        for choice in ("vllm", None):  # None: it is there, and so are the GPUs
            made, argv = self.served(choice, words, variables)
            self.assertEqual(argv, ["--max_steps", "3", "--run_name", "sums", "--model_name_or_path", QWEN, "--use_vllm", "true",
                                    "--vllm_server_base_url", f"http://127.0.0.1:{made.port}"])

    def test_trl(self):
        self.served("trl", ["trl", "vllm-serve", "--model", QWEN, "--host", "127.0.0.1", "--port", "{port}", "--dtype", "float16",
                            "--tensor_parallel_size", 1, "--max_model_len", 1024, "--gpu_memory_utilization", "0.5", "--trust_remote_code"],
                    {}, VLLM_MAX_LEN=1024, VLLM_MEM_UTIL="0.5", VLLM_EXTRA_ARGS="--trust_remote_code")

    def test_grpo_serve(self):
        self.served("grpo_serve", ["grpo_serve", "--model_name_or_path", "org/other", "--host", "127.0.0.1", "--port", "{port}",
                                   "--enable_weight_updates"], {}, VLLM_MODEL="org/other")

    def test_grpo_serve_needs_no_gpu_and_serves_what_the_run_trains(self):
        made = self.checkout()
        (made.dir / "tiny").mkdir()
        (made.dir / "tiny/config.json").touch()
        code, out, err, _ = made.run("--model_name_or_path", "tiny", VLLM_SERVER_IMPL="grpo_serve", NPROC=2)
        self.assertEqual(code, 0, out + err)
        (call,) = made.calls("grpo_serve")
        self.assertEqual(call["argv"][:2], ["--model_name_or_path", "tiny"])
        self.assertEqual([c["env"].get("CUDA_VISIBLE_DEVICES") for c in made.calls("grpo_train")], [None, None])

    def test_several_gpus_for_the_server(self):
        made = self.checkout(gpus=4)
        _, out, _, _ = made.run("--dry-run", VLLM_TP_SIZE=2, VLLM_SERVER_IMPL="vllm", CUDA_VISIBLE_DEVICES="3,GPU-22,1,0")
        self.assertIn("CUDA_VISIBLE_DEVICES=3\\,GPU-22 ", out)
        self.assertIn("--tensor-parallel-size 2 ", out)
        self.assertIn("WORLD_SIZE=2 LOCAL_WORLD_SIZE=2 CUDA_VISIBLE_DEVICES=1\\,0 ", out)

    def test_trainer_recipe_name_and_seed(self):
        made = self.checkout()
        (made.dir / "mine.toml").touch()
        maxent = "maxent_grpo_train"
        for variables, name in (({}, "grpo_train"), ({"MAXENT": 1}, maxent), ({"TRAIN_ENTRYPOINT": maxent}, maxent),
                                ({"TRAIN_ENTRYPOINT": str(made.bin / maxent)}, maxent)):
            (made.dir / "calls").unlink(missing_ok=True)
            code, out, err, _ = made.run("--max_steps", 1, RECIPE="mine.toml", RUN_NAME="r", SEED=7, **variables)
            self.assertEqual(code, 0, err)
            (call,) = made.calls("grpo_train", "maxent_grpo_train")
            self.assertEqual((call["name"], call["argv"]),
                             (name, ["--config", "mine.toml", "--run_name", "r", "--seed", "7", "--max_steps", "1"]))
            self.assertIn("recipe      mine.toml", out)

    def test_plain_is_plain(self):
        made = self.checkout()
        code, out, _, seconds = made.run("--max_steps", "1")
        self.assertEqual(code, 0)
        (call,) = made.calls("grpo_train")
        self.assertEqual((call["argv"], call["env"].get("RANK")), (["--max_steps", "1"], None))
        self.assertEqual(list((made.dir / "logs").iterdir()), [])
        self.assertLess(seconds, 2)
        for line in ("GPUs        none", "Slurm       no job", "generation  no server is started", "1 rank(s) on the CPU"):
            self.assertIn(line, out)

    def test_it_falls_back_where_a_server_is_no_use(self):
        made = self.checkout(gpus=3)
        made.tell(options="ddp_timeout")
        code, out, _, _ = made.run()
        self.assertEqual((code, made.calls("vllm"), len(made.calls("grpo_train"))), (0, [], 3))
        self.assertIn("vLLM is installed, but grpo_train has no --vllm_server_base_url", out)
        for words in (("--use_vllm", "false"), ("--vllm_mode", "colocate"), ("--vllm_server_base_url", "http://there:8000")):
            made.tell(options="ddp_timeout vllm_server_base_url")
            self.assertNotIn("vllm serve", made.run("--dry-run", *words)[1])
        bare = self.checkout(gpus=3, programs=("nvidia-smi",))
        self.assertIn("no vLLM installed", bare.run("--dry-run")[1])

    def test_dry_run_starts_nothing(self):
        made = self.checkout(gpus=3)
        code, out, _, _ = made.run("--dry-run", "--max_steps", 3)
        self.assertEqual((code, made.calls("vllm", "grpo_train")), (0, []))
        self.assertEqual(len(re.findall(r"^env .*/vllm serve .*>>logs/liv_vllm_quickstart_.*&$", out, re.M)), 1)
        self.assertEqual(len(re.findall(r"^env .*RANK=[01] .*/grpo_train --max_steps 3 .*>>logs/liv_train_quickstart_.*&$", out, re.M)), 2)

    def test_submit(self):
        made = self.checkout()
        code, _, err, _ = made.run("--submit", "--account=me", "--nodes=3", "--", "--max_steps", 3)
        self.assertEqual(code, 0, err)
        (call,) = made.calls("sbatch")
        self.assertEqual(call["argv"], ["--account=me", "--nodes=3", "--ntasks=3", "training.sh", "--max_steps", "3"])
        self.assertEqual(call["env"]["PWD"], str(made.dir))
        self.assertTrue((made.dir / "logs").is_dir())

    def test_one_rank_of_torchrun_or_mpirun_is_just_that_rank(self):
        for variables in ({"RANK": 1, "WORLD_SIZE": 2}, {"OMPI_COMM_WORLD_RANK": 0, "OMPI_COMM_WORLD_SIZE": 2}, {"PMI_RANK": 1, "PMI_SIZE": 2},
                          {"SLURM_STEP_ID": 0, "SLURM_STEP_NUM_TASKS": 2}):
            made = self.checkout(gpus=3)
            code, out, err, _ = made.run("--max_steps", 1, **variables)
            self.assertEqual((code, len(made.calls("grpo_train")), made.calls("vllm")), (0, 1, []), out + err)


class Refusals(Case):
    def refused(self, made, code, pattern, *words, **variables):
        got, out, err, _ = made.run(*words, **variables)
        self.assertEqual(got, code, out + err)
        self.assertRegex(err, pattern)
        self.assertEqual(len(err.strip().splitlines()), 1, err)
        self.assertEqual(made.calls("vllm", "trl", "grpo_serve", "grpo_train", "sbatch"), [], "nothing was started")

    def test_before_anything_starts(self):
        made = self.checkout(gpus=3)
        for port in ("VLLM_PORT", "MASTER_PORT"):
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", 0))
                taken.listen()
                self.refused(made, 2, rf"{port}=\d+ is in use on 127.0.0.1", **{port: taken.getsockname()[1]})
        for code, pattern, variables in (
                (2, r"NPROC=0: not a whole number", {"NPROC": 0}),
                (2, r"NPROC=two: not a whole number", {"NPROC": "two"}),
                (2, r"VLLM_PORT=x: not a whole number", {"VLLM_PORT": "x"}),
                (2, r"GPU 1 is listed twice in CUDA_VISIBLE_DEVICES=0,1,1", {"CUDA_VISIBLE_DEVICES": "0,1,1"}),
                (2, r"GPU 5 of CUDA_VISIBLE_DEVICES=0,5 is absent: nvidia-smi shows 0,1,2", {"CUDA_VISIBLE_DEVICES": "0,5"}),
                (2, r"too few GPUs: NPROC=3 ranks, but 2 GPUs to train on", {"NPROC": 3}),
                (2, r"too few GPUs: vllm needs 1 .* there are 1$", {"CUDA_VISIBLE_DEVICES": "0", "VLLM_SERVER_IMPL": "vllm"}),
                (2, r"too few GPUs: vllm needs 3 .* there are 3$", {"VLLM_TP_SIZE": 3}),
                (2, r"VLLM_SERVER_IMPL=sglang: one of trl, vllm, grpo_serve, none", {"VLLM_SERVER_IMPL": "sglang"}),
                (2, r"recipe not found: nowhere.toml", {"RECIPE": "nowhere.toml"}),
                (2, r"no trainer .*/nowhere", {"TRAIN_ENTRYPOINT": "/nowhere"}),
                (3, r"model not found: /nowhere/model is no folder", {"VLLM_MODEL": "/nowhere/model"}),
                (3, r"model not found: cmake holds no config.json", {"VLLM_MODEL": "cmake"}),
                (3, r"model not found: cmake/model is no folder", {"VLLM_MODEL": "cmake/model"}),
                (3, r"model not found: HF_HUB_OFFLINE=1, and org/name is not in ", {"VLLM_MODEL": "org/name", "HF_HUB_OFFLINE": 1})):
            with self.subTest(pattern):
                self.refused(made, code, pattern, **variables)
        self.refused(made, 2, "VLLM_MODEL=a/b, but the run trains c/d", "--model_name_or_path", "c/d", VLLM_MODEL="a/b")
        self.refused(made, 1, "recipe error: --bad", "--bad")  # the trainer's own words and code
        (made.dir / "a.toml").touch()
        self.refused(made, 2, "two recipes: a.toml in the environment, and --config b.toml", "--config", "b.toml", RECIPE="a.toml")

    def test_what_is_not_there(self):
        made = self.checkout(gpus=3, programs=("nvidia-smi",))
        self.refused(made, 2, "trl is neither on PATH nor in .venv/bin", VLLM_SERVER_IMPL="trl")
        (made.bin / "grpo_serve").unlink()
        self.refused(made, 2, "there is no .*/grpo_serve", VLLM_SERVER_IMPL="grpo_serve")
        made.tell(options="ddp_timeout")
        self.refused(made, 2, "grpo_train cannot use a server", VLLM_SERVER_IMPL="grpo_serve")
        made.tell(options="nothing")
        self.refused(made, 2, "grpo_train trains on one rank only .* 2 are wanted", NPROC=2)

    def test_sbatch_from_the_wrong_folder(self):
        made = self.checkout()
        spool = made.dir / "spool"
        spool.mkdir()
        (made.dir / "training.sh").rename(spool / "slurm_script")
        command = ["bash", str(spool / "slurm_script")]
        done = subprocess.run(command, env=made.environment(SLURM_SUBMIT_DIR="/usr"), capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (2, "training.sh: /usr is not the repository: call sbatch from its root\n"))
        done = subprocess.run(command, env=made.environment(SLURM_SUBMIT_DIR=made.dir), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)


class Endings(Case):
    def test_a_server_that_dies_at_once(self):
        made = self.checkout(gpus=2)
        made.tell(server="die")
        code, out, err, seconds = made.run()
        self.assertEqual(code, 4, out + err)
        self.assertIn("the generation server died before it was healthy (exit code 3)", err)
        self.assertIn("CUDA out of memory", err)
        self.assertEqual(len(re.findall(r"^line \d+$", err, re.M)), 79, "the last 80 lines")
        self.assertLess(seconds, 6)
        self.assertEqual(made.calls("grpo_train"), [])
        self.assert_nothing_left(made)

    def test_a_server_that_never_gets_healthy(self):
        made = self.checkout(gpus=2)
        made.tell(server="deaf")
        code, out, err, seconds = made.run(VLLM_HEALTH_TIMEOUT=3)
        self.assertEqual(code, 4, out + err)
        self.assertIn("the generation server was not healthy after 3 s (VLLM_HEALTH_TIMEOUT)", err)
        self.assertIn("loading weights", err)
        self.assertTrue(3 <= seconds < 9, seconds)
        self.assertEqual(made.calls("grpo_train"), [])
        self.assert_nothing_left(made)

    def test_a_server_that_dies_in_the_middle_of_training(self):
        made = self.checkout(gpus=3)
        made.tell(server="die_later", trainer="long")
        code, out, err, seconds = made.run()
        self.assertEqual(code, 4, out + err)
        self.assertIn("the generation server died in the middle of training (exit code 9)", err)
        self.assertIn("an illegal memory access was encountered", err)
        self.assertIn("rank 1 saved", made.log("train").read_text())
        self.assertLess(seconds, 12)
        self.assert_nothing_left(made)

    def test_a_server_that_ignores_sigterm_is_killed_with_its_children(self):
        made = self.checkout(gpus=2)
        made.tell(server="stubborn")
        code, out, err, seconds = made.run()
        self.assertEqual(code, 0, out + err)
        self.assertLess(seconds, 20)
        self.assert_nothing_left(made)

    def test_signals_are_passed_on(self):
        for number in (signal.SIGTERM, signal.SIGUSR1):
            made = self.checkout(gpus=3)
            made.tell(trainer="long")
            process = made.start()
            made.wait_for_ranks(2)
            process.send_signal(number)
            out, err = process.communicate(timeout=20)
            self.assertEqual(process.returncode, 75, out + err)
            for rank in (0, 1):
                self.assertIn(f"rank {rank} saved after signal {int(number)}", made.log("train").read_text())
            self.assertIn("the ranks save and stop", out)
            self.assert_nothing_left(made)

    def test_a_signal_before_training_begins(self):
        made = self.checkout(gpus=3)
        made.tell(server="deaf")
        process = made.start()
        while not made.calls("vllm"):
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        self.assertEqual((process.returncode, made.calls("grpo_train")), (75, []), out + err)
        self.assert_nothing_left(made)

    def test_a_second_signal_cuts_the_grace_short(self):
        made = self.checkout()
        made.tell(trainer="stubborn")
        process = made.start(NPROC=2)
        made.wait_for_ranks(2)
        process.send_signal(signal.SIGTERM)
        time.sleep(2.5)
        begin = time.time()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 137, out + err)
        self.assertIn("10 s left", out)
        self.assertTrue(8 < time.time() - begin < 15)
        self.assert_nothing_left(made)

    def test_a_rank_that_fails(self):
        made = self.checkout()
        made.tell(trainer="crash 1 5")
        code, _, err, _ = made.run(NPROC=3)
        self.assertEqual(code, 5)
        self.assertIn("rank 1 ended with exit code 5", err)
        made.tell(trainer="crash 1 5 hang")
        code, _, err, seconds = made.run(NPROC=3, STOP_GRACE=2)
        self.assertEqual(code, 5)
        self.assertIn("rank 0 2 did not end in time: killed", err)
        self.assertLess(seconds, 8)
        self.assert_nothing_left(made)

    def test_a_killed_script_takes_its_processes_along(self):
        made = self.checkout(gpus=3)
        made.tell(trainer="long")
        process = made.start()
        made.wait_for_ranks(2)
        process.kill()
        process.communicate(timeout=10)
        self.assert_nothing_left(made, seconds=10)
        self.assertIn("rank 0 saved", made.log("train").read_text())


class Documentation(unittest.TestCase):
    def test_messages_of_the_troubleshooting_table_are_in_the_sources(self):
        table = (ROOT / "docs/slurm.md").read_text().split("## Troubleshooting")[1]
        rows = re.findall(r"^\| `([^`]+)` \|", table, re.M)
        self.assertGreaterEqual(len(rows), 10)
        files = [path for folder in ("apps", "libgrpo") for path in (ROOT / folder).rglob("*")]
        sources = [ROOT / "training.sh", *(path for path in files if path.suffix in (".sh", ".cpp", ".hpp"))]
        text = "\n".join(path.read_text() for path in sources)
        for message in rows:
            for piece in message.split("…"):  # what stands for a value
                self.assertTrue(piece.strip() in text, f"nothing prints '{piece.strip()}'")


if __name__ == "__main__":
    unittest.main(verbosity=1)
