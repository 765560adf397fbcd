"""Runs that are killed again and again, and what their end must equal. Standard library only."""

import os
import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from case import Case  # noqa: E402
from ranks import Ranks  # noqa: E402
from served import Serve  # noqa: E402

STEPS = 40
EVERYTHING = ["--maxent_objective", "hybrid", "--maxent_hybrid_coef_final", 0.1, "--maxent_hybrid_horizon", 10, "--kl_target", 0.01,
              "--maxent_target_weight_entropy", 1.0, "--maxent_tau_lr", 0.3, "--maxent_reference_ema_enabled",
              "--maxent_reference_ema_update_interval", 3, "--maxent_reference_ema_warmup_steps", 2, "--num_iterations", 2,
              "--steps_per_generation", 2, "--dynamic_sampling"]
# name: program, words, ranks, with a server
KINDS = {"one rank": ("grpo_train", [], 1, False),
         "MaxEnt": ("maxent_grpo_train", EVERYTHING, 1, False),
         "two ranks": ("grpo_train", ["--per_device_train_batch_size", 4], 2, False),
         "async": ("grpo_train", ["--async_generation", "true", "--max_staleness_steps", 0], 1, True)}


class Courses(Case):
    """Undisturbed runs of each kind, and disturbed ones beside them."""

    def runTest(self):
        pass

    def __init__(self, steps=STEPS):
        super().__init__()
        self.setUpClass()
        self.steps, self.straight, self.spans, self.server, self.count = steps, {}, {}, None, 0

    def close(self):
        if self.server:
            self.server.kill()
        self.tearDownClass()

    def fresh(self):
        self.count += 1
        return self.dir / f"run{self.count}"

    def words(self, kind):
        _, words, _, served = KINDS[kind]
        if served and self.server is None:
            self.server = Serve(self.model, "--enable_weight_updates")
        by = ["--use_vllm", "true", "--vllm_server_base_url", self.server.url] if served else []
        return ["--max_steps", self.steps, "--save_steps", 3, *words, *by]

    def start(self, kind, out, *more, **how):
        """The processes of one run; standard error goes to a file beside `out`."""
        program, _, ranks, _ = KINDS[kind]
        self.program = program
        command = self.command(out, *self.words(kind), *more)
        if ranks > 1:
            return Ranks([command] * ranks).processes
        self.said = pathlib.Path(f"{out}.stderr")
        with open(self.said, "w") as said:
            return [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, cwd=ROOT, **how)]

    def start_beside(self, kind, out, **how):
        """As start(), where `out` may lie on a disk that is full or not ours: what is said goes elsewhere."""
        self.program = KINDS[kind][0]
        self.said = self.dir / f"said{time.monotonic_ns()}"
        with open(self.said, "w") as said:
            return [subprocess.Popen(self.command(out, *self.words(kind)), stdout=subprocess.DEVNULL, stderr=said, **{"cwd": ROOT, **how})]

    def to_the_end(self, kind, out, *more, code=0, **how):
        processes = self.start(kind, out, *more, **how)
        for process in processes:
            process.communicate(timeout=300)
        codes = [process.returncode for process in processes]
        assert codes == [code] * len(processes), f"{kind}: exit codes {codes}; {self.errors(kind)}"

    def errors(self, kind):
        return self.said.read_text()[-800:] if KINDS[kind][2] == 1 else ""

    def undisturbed(self, kind):
        if kind not in self.straight:
            out, begun = self.fresh(), time.monotonic()
            self.to_the_end(kind, out)
            self.straight[kind], self.spans[kind] = out, time.monotonic() - begun
        return self.straight[kind]

    def differences(self, kind, out):
        """Files whose contents differ from the undisturbed run's, timings aside; empty if all is equal."""
        straight = self.undisturbed(kind)
        wrong = [] if self.metrics(out) == self.metrics(straight) else ["metrics.jsonl"]
        return wrong + ([] if (out / "model.safetensors").read_bytes() == (straight / "model.safetensors").read_bytes() else ["model.safetensors"])

    # ---- kills -------------------------------------------------------------------------------------------------------

    def phase(self, out, before):
        """Where a stopped run is, as its folder tells. `before`: identity() of it when it was started."""
        if began(out) == before[0]:
            return "start"
        if saves(out) - before[1]:
            return "save"
        return "end" if self.lines(out) >= self.steps else "step"

    @staticmethod
    def lines(out):
        path = out / "metrics.jsonl"
        return path.read_text().count("\n") if path.exists() else 0

    def strike(self, kind, out, processes, before, chance):
        """Sends a signal at a random moment. Returns (signal, phase), or nothing if the run ended before."""
        number, early, in_save = chance.choice([signal.SIGKILL, signal.SIGTERM]), chance.random() < 0.12, chance.random() < 0.5
        more, moment = chance.randint(1, 5), chance.uniform(0.0, 1.0)
        base = newest(out)
        runs = lambda: all(process.poll() is None for process in processes)  # noqa: E731
        if early:
            time.sleep(0.4 * moment)
        else:
            while runs() and (began(out) == before[0] or self.lines(out) < min(base + more, self.steps)):
                time.sleep(0.001)
            while in_save and runs() and not saves(out) - before[1]:
                time.sleep(0.0002)
            time.sleep(moment * (0.003 if in_save else self.spans[kind] / self.steps))
        if any(process.poll() is not None for process in processes):
            return None
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        phase = self.phase(out, before)
        everybody = number == signal.SIGKILL or phase == "start"  # before it listens, a signal is a kill
        for process in processes if everybody else [chance.choice(processes)]:
            process.send_signal(number)
        for process in processes:
            process.send_signal(signal.SIGCONT)
        try:
            for process in processes:
                process.communicate(timeout=40)
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
        codes = {process.returncode for process in processes}
        fine = {-9} if number == signal.SIGKILL else {-15, 75} if phase == "start" else {75, 0}
        assert codes <= fine, f"{kind}: exit codes {codes} after signal {int(number)} in phase {phase}; {self.errors(kind)}"
        return None if codes == {0} else (number.name, phase)

    def course(self, kind, most, chance):
        """One run with at most so many kills. Returns the kills."""
        out, kills = self.fresh(), []
        self.undisturbed(kind)
        while len(kills) < most:
            before = identity(out)
            processes = self.start(kind, out)
            kill = self.strike(kind, out, processes, before, chance)
            if kill is None:
                for process in processes:
                    process.communicate(timeout=300)
                codes = [process.returncode for process in processes]
                assert codes == [0] * len(codes), f"{kind}: exit codes {codes}; {self.errors(kind)}"
                break
            kills.append(kill)
        else:
            self.to_the_end(kind, out)
        wrong = self.differences(kind, out)
        assert not wrong, f"{kind}: {', '.join(wrong)} differ after {kills}"
        return kills


def began(out):
    """Of metrics.jsonl, which a run replaces when it begins."""
    path = out / "metrics.jsonl"
    return path.stat().st_ino if path.exists() else None


def saves(out):
    """Checkpoints that are being written, or that a killed save left."""
    found = set()
    for path in out.glob(".checkpoint-*.partial"):
        try:
            found.add((path.name, path.stat().st_ino))
        except FileNotFoundError:
            pass
    return found


def identity(out):
    return began(out), saves(out)


def newest(out):
    """The step of the newest checkpoint."""
    return max((int(path.name.split("-")[1]) for path in out.glob("checkpoint-*")), default=0)


def until(good, processes, seconds=60):
    end = time.monotonic() + seconds
    while not good():
        assert time.monotonic() < end, "it did not happen"
        assert all(process.poll() is None for process in processes), f"the run ended: {[process.returncode for process in processes]}"
        time.sleep(0.003)


def with_faults(library, **faults):
    return {"env": {**os.environ, "LD_PRELOAD": str(library), **{name: str(value) for name, value in faults.items()}}}


def flip(path, bit):
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def last_checkpoint(out):
    return max(out.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
