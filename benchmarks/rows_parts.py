"""Rows about the small parts of a run: text, rewards, checkpoints, the start, tokenizing, loading."""

import re
import statistics
import subprocess

import machine
import models
import ours as own
import peers as others
from result import Result
from stats import sample


def waits(run):
    """Where a save can hold up a step: between steps, and in the optimizer, which waits for the save's end before it changes anything."""
    return run.profiled("between steps") + run.profiled("optimizer")


def parts(setting):
    result = Result("Tokenizing, rewards and checkpoints as a share of a step")
    options = own.step_options(setting.model, setting.rows, beta=0.04, tokens=setting.tokens(128), steps=3)
    plain, saving = [], []
    for _ in range(setting.rounds):
        plain.append(setting.ours.train(options))
        saving.append(setting.ours.train({**options, "save_strategy": "steps", "save_steps": 1, "save_total_limit": 1}))
        for run in (plain[-1], saving[-1]):
            result.command(run.command)
    step = sample(s for run in plain for s in run.seconds())
    shares = {name: sample(part / whole for run in plain for part, whole in zip(run.phase(name), run.seconds())) for name in ("prompts", "reward")}
    waited = sample(max(0.0, waits(with_save) - waits(without)) for without, with_save in zip(plain, saving))
    last = sample(run.profiled("after the last") * len(run.steps) for run in saving)
    slower = sample(statistics.median(b.seconds()) / statistics.median(a.seconds()) for a, b in zip(plain, saving))
    result.table(["", "median"], [["a step, s", step.show()], ["waiting for a checkpoint, s", waited.show(3)],
                                  ["the last checkpoint, behind which no step follows, s", last.show(3)],
                                  ["a step with a checkpoint every step, against one without", slower.show(3)]])
    result.goal("templates and tokenizing below 2 % of a step", shares["prompts"].show(3, 100) + " %", shares["prompts"].median < 0.02)
    result.goal("rewards below 1 % of a step", shares["reward"].show(3, 100) + " %", shares["reward"].median < 0.01)
    hidden = waited.median <= 0.02 * step.median
    result.goal("a checkpoint is hidden behind the next step: the run waits for less than 2 % of a step",
                f"{waited.show(3)} s, {100 * waited.median / step.median:.1f} % of a step", hidden)
    return result


def start(setting):
    result = Result("From the start of the process to the first optimizer step")
    tiny = models.write_model(setting.work / "models" / "tiny", models.Shape(64, 2, 320))
    rows = []
    for title, model, tokens, limit in (("a tiny model", tiny, 16, 1.0), ("SmolLM2-135M", setting.model, setting.tokens(16), 3.0)):
        options = own.step_options(model, setting.rows, beta=0.0, tokens=tokens, steps=1, prompts=1)
        whole, besides = [], []
        for _ in range(max(3, setting.rounds)):
            run = setting.ours.train(options)
            result.command(run.command)
            whole.append(run.first_step_at())
            besides.append(whole[-1] - run.steps[0]["time/step"])
        rows.append([title, sample(whole).show(3), sample(besides).show(3)])
        if model is tiny:
            result.at_most("a tiny model: under 1 s to the end of its first step", limit, sample(whole), 3, " s")
        else:
            result.at_most("SmolLM2-135M: under 3 s besides the step itself", limit, sample(besides), 3, " s")
    result.table(["", "to the end of the first step, s", "besides that step, s"], rows)
    if setting.quick:
        result.notes.append("With --quick the second line is the tiny model again.")
    return result


def tokenizer(setting):
    result = Result("Tokenizing against the package tokenizers")
    python = setting.peers.python("tokenizers")
    if not python or not setting.gsm8k:
        why = "GSM8K was not given" if python else "tokenizers is not installed in the peers' environment"
        result.missing.append(("tokenizing against the package tokenizers", why))
        result.goal("faster than the package tokenizers", why, None)
        return result
    for count in (1, setting.threads):
        command = [python, machine.ROOT / "benchmarks" / "tokenizer_speed.py", setting.ours.bin / "tokenizer_speed", setting.peer_model / "tokenizer.json",
                   setting.gsm8k.parent, max(3, setting.rounds), count]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
        result.command(others.show(command))
        lines = done.stdout.splitlines()
        ratio = re.search(r"libgrpo is ([\d.]+) times as fast \(per round ([\d.]+) to ([\d.]+)\)", done.stdout)
        result.table([lines[0]], [[line] for line in lines[1:3]])
        result.goal(f"at least as fast as the package tokenizers, {count} thread(s)", f"{ratio[1]} ({ratio[2]} to {ratio[3]}) times", float(ratio[1]) >= 1.0)
        if setting.threads == 1:
            break
    return result


def load(setting):
    result = Result("Loading a model")
    rows = []
    for title, words in (("mapped", []), ("mapped, and all of it read", ["--touch"]), ("copied, as for training", ["--copied"])):
        lines, command = setting.ours.program("load_speed", *words, "--rounds", 3 if setting.quick else 9, setting.model, setting.peer_model)
        result.command(command)
        for model, line in zip((setting.model, setting.peer_model), lines[-2:]):
            rows.append([title, "GGUF" if model.suffix == ".gguf" else "folder", line.rsplit(": ", 1)[-1]])
    result.table(["weights", "form", "seconds"], rows)
    return result
