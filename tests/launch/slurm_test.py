#!/usr/bin/env python3
"""sbatch training.sh on a real Slurm over loopback: python3 tests/launch/slurm_test.py FOLDER_WITH_THE_PROGRAMS

The GPUs are names and the cluster is this machine; scheduling, steps, signals and requeueing are Slurm's own. The server is a stub;
where training itself matters (requeue, resume) the trainer is the real one, on a tiny model. Standard library only.
"""

import pathlib
import sys
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / name) for name in ("launch", "e2e")]
import slurm_cluster  # noqa: E402
from case import BIN, Case  # noqa: E402
from stubs import Checkout  # noqa: E402

MISSING = slurm_cluster.missing()
if MISSING:
    print(f"skipped: {MISSING} is not installed (Debian: slurmctld slurmd slurm-client munge)")
    sys.exit(77)


class Slurm(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster = slurm_cluster.Cluster(nodes=3)
        cls.addClassCleanup(cls.cluster.stop)

    def checkout(self):
        made = Checkout(programs=("vllm",))
        self.addCleanup(made.remove)
        return made

    def submit(self, made, options, *words, **variables):
        environment = {k: v for k, v in made.environment(**variables).items() if k not in ("SLURM_CONF", "PATH")}
        environment |= {"PATH": f"{made.dir / 'path'}:{slurm_cluster.PATH}", "OMP_NUM_THREADS": "1"}
        done = self.cluster.call("bash", made.dir / "training.sh", "--submit", *options, "--", *words, env=environment, cwd=made.dir)
        self.assertIn("Submitted batch job", done.stdout, done.stderr)
        return done.stdout.split()[-1]

    def said(self, made, number):
        return "".join((made.dir / f"logs/slurm_{number}.{end}").read_text() for end in ("out", "err"))

    def ended(self, made, number, *states):
        job = self.cluster.wait(number, *(states or ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")))
        return job, self.said(made, number)

    def test_seven_gpus_one_serves_and_two_ranks_train(self):
        made = self.checkout()
        job, text = self.ended(made, number := self.submit(made, [], "--run_name", "seven", NPROC=2))
        self.assertEqual((job["JobState"], job["ExitCode"], job["Account"]), ("COMPLETED", "0:0", "mltheory"), text)
        self.assertRegex(text, rf"Slurm       job {number} on 127.0.0.[123], restarted 0 times")
        self.assertIn("GPUs        0,1,2,3,4,5,6", text)
        (server,), ranks = made.calls("vllm"), made.calls("grpo_train")
        self.assertEqual(server["env"]["CUDA_VISIBLE_DEVICES"], "0")
        self.assertEqual(sorted(r["env"]["RANK"] for r in ranks), ["0", "1"])
        self.assertEqual({r["env"]["CUDA_VISIBLE_DEVICES"] for r in ranks}, {"1,2"})
        self.assertIn("rank 1 trains", made.log("train").read_text())
        self.assertIn("loading weights", made.log("vllm").read_text())
        self.assertEqual(made.processes(), [])

    def test_our_own_server_gets_healthy_and_is_ended(self):
        made = self.checkout()
        (made.bin / "grpo_serve").unlink()
        (made.bin / "grpo_serve").symlink_to(BIN / "grpo_serve")
        job, text = self.ended(made, self.submit(made, [], "--model_name_or_path", self.model, NPROC=2, VLLM_SERVER_IMPL="grpo_serve"))
        self.assertEqual(job["JobState"], "COMPLETED", text + made.log("vllm").read_text())
        self.assertIn("the server is healthy after", text)
        self.assertEqual({rank["argv"][-1] for rank in made.calls("grpo_train")}, {f"http://127.0.0.1:{made.port}"})
        self.assertEqual(made.processes(), [])

    def test_our_own_server_samples_for_two_ranks(self):
        out = self.dir / "served"
        options, variables = self.real(out)
        made = self.checkout()
        number = self.submit(made, [], *options, "--max_steps", 3, "--run_name", "served", **(variables | {"VLLM_SERVER_IMPL": "grpo_serve", "NPROC": 2}))
        job, text = self.ended(made, number)
        self.assertEqual((job["JobState"], job["ExitCode"]), ("COMPLETED", "0:0"), text)
        self.assertIn(f"at http://127.0.0.1:{made.port}, on GPU 0", text)
        self.assertIn("the server is healthy after", text)
        self.assertIn("2 rank(s)", text)
        self.assertEqual([line["sampling/weight_version"] for line in self.metrics(out)], [0, 1, 2], "weights of every step")
        self.assertIn("listening on http://127.0.0.1", made.log("vllm").read_text())
        self.assertIn("trained    3 steps", made.log("train").read_text())
        self.assertRegex(made.log("train").name, r"^liv_train_served_\d+_\d+\.log$")
        self.assertEqual(made.processes(), [])

    def test_a_server_that_fails_fails_the_job(self):
        made = self.checkout()
        made.tell(server="die")
        job, text = self.ended(made, self.submit(made, []))
        self.assertEqual((job["JobState"], job["ExitCode"]), ("FAILED", "4:0"))
        self.assertIn("the generation server died before it was healthy (exit code 3)", text)

    def real(self, out):
        """What makes training.sh run the real trainer."""
        return self.command(out)[1:], {"GRPO_BIN": BIN, "VLLM_SERVER_IMPL": "none", "NPROC": 1}

    def steps(self, out):
        path = out / "metrics.jsonl"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def test_stopped_jobs_resume_to_the_numbers_of_one_that_was_not(self):
        straight = self.dir / "straight"
        code, _, err = self.run_train(straight, "--max_steps", 150)
        self.assertEqual(code, 0, err)
        ways = {"usr1": ["scancel", "--batch", "--signal=USR1"], "term": ["scancel", "--full", "--signal=TERM"], "requeue": ["scontrol", "requeue"]}
        jobs = {}
        for name in ways:
            options, variables = self.real(self.dir / name)
            made = self.checkout()
            jobs[name] = made, self.submit(made, [], *options, "--max_steps", 150, **variables)
        waiting = set(ways)
        while waiting:  # each as soon as it is under way
            self.cluster.until(lambda: any(self.steps(self.dir / name) >= 3 for name in waiting))
            name = next(name for name in waiting if self.steps(self.dir / name) >= 3)
            self.assertEqual(self.cluster.call(*ways[name], jobs[name][1]).returncode, 0)
            waiting.remove(name)
        for name, (made, number) in jobs.items():
            with self.subTest(name):
                out = self.dir / name
                self.cluster.until(lambda: self.cluster.job(number)["Restarts"] == "1")
                job, text = self.ended(made, number, "COMPLETED", "FAILED", "CANCELLED")
                self.assertEqual((job["JobState"], job["Restarts"]), ("COMPLETED", "1"), text)
                for words in ("the ranks save and stop", "Run the same command again", "restarted 1 times", "resuming"):
                    self.assertIn(words, text)
                self.assertEqual(self.metrics(out), self.metrics(straight))
                self.assertEqual((out / "model.safetensors").read_bytes(), (straight / "model.safetensors").read_bytes())

    def test_a_cancelled_job_saves_and_stays_cancelled(self):
        made, out = self.checkout(), self.dir / "cancelled"
        options, variables = self.real(out)
        number = self.submit(made, [], *options, "--max_steps", 5000, **variables)
        self.cluster.until(lambda: self.steps(out) >= 3)
        self.cluster.call("scancel", number)
        job, text = self.ended(made, number)
        self.cluster.until(lambda: f"job {number} is not requeued: its state is" in self.said(made, number))
        self.assertEqual(job["JobState"], "CANCELLED", text)
        newest = max(int(path.name.split("-")[1]) for path in out.glob("checkpoint-*"))
        self.assertEqual(newest, self.steps(out), "nothing was lost")

    def test_the_last_node_serves_and_the_others_train(self):
        made = self.checkout()
        job, text = self.ended(made, self.submit(made, ["--nodes=3"], NPROC=2))
        self.assertEqual((job["JobState"], job["NumNodes"]), ("COMPLETED", "3"), text)
        (server,), ranks = made.calls("vllm"), made.calls("grpo_train")
        self.assertEqual((server["env"]["SLURMD_NODENAME"], server["env"]["CUDA_VISIBLE_DEVICES"]), ("127.0.0.3", "0"))
        self.assertEqual(server["argv"][2:4], ["--host", "0.0.0.0"])
        self.assertEqual(sorted((r["env"]["SLURM_PROCID"], r["env"]["SLURM_LOCALID"], r["env"]["SLURMD_NODENAME"]) for r in ranks),
                         [("0", "0", "127.0.0.1"), ("1", "1", "127.0.0.1"), ("2", "0", "127.0.0.2"), ("3", "1", "127.0.0.2")])
        for rank in ranks:
            self.assertEqual((rank["env"]["SLURM_NTASKS"], rank["env"]["MASTER_ADDR"], rank["env"]["MASTER_PORT"]),
                             ("4", "127.0.0.1", str(made.master_port)))
            self.assertEqual(rank["argv"][-1], f"http://127.0.0.3:{made.port}")
        self.assertEqual(made.processes(), [])

    def test_ranks_of_two_nodes_stop_resume_and_train_as_two_here(self):
        made, here, there = self.checkout(), self.dir / "two-here", self.dir / "two-there"
        options, variables = self.real(here)
        code, out, err, _ = made.run(*options, "--max_steps", 60, **(variables | {"NPROC": 2}))
        self.assertEqual(code, 0, out + err)
        self.assertIn("2 rank(s) on the CPU", out)
        options, variables = self.real(there)
        number = self.submit(made, ["--nodes=2"], *options, "--max_steps", 60, **variables)
        self.cluster.until(lambda: self.steps(there) >= 3)
        self.cluster.call("scancel", "--batch", "--signal=USR1", number)
        self.cluster.until(lambda: self.cluster.job(number)["Restarts"] == "1")
        job, text = self.ended(made, number, "COMPLETED", "FAILED", "CANCELLED")
        self.assertEqual((job["JobState"], job["NumNodes"], job["Restarts"]), ("COMPLETED", "2", "1"), text)
        self.assertIn("resuming", text)
        self.assertEqual(self.metrics(there), self.metrics(here))

    def test_a_signal_reaches_ranks_on_all_nodes(self):
        made = self.checkout()
        made.tell(trainer="long")
        number = self.submit(made, ["--nodes=3"], NPROC=1, REQUEUE=0)
        made.wait_for_ranks(2)
        self.cluster.call("scancel", "--batch", "--signal=USR1", number)
        job, text = self.ended(made, number)
        self.assertEqual(job["ExitCode"], "75:0", text)
        for rank in (0, 1):
            self.assertIn(f"rank {rank} saved", made.log("train").read_text())


if __name__ == "__main__":
    unittest.main(verbosity=1)
