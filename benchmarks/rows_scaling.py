"""Rows that compare libgrpo with itself: what a step costs as its sizes double, with a larger vocabulary, with more threads."""

import statistics

import machine
import models
import ours as own
import plot
from result import Result
from stats import line_fit, ratios, sample


def vocabulary(setting):
    small, large = 1024, 4096 if setting.quick else 49152
    result = Result(f"Peak memory with a vocabulary of {large} against one of {small}, same tokens")
    width, tokens = 512, setting.tokens(128)
    rows = models.write_fixed_rows(setting.work / "rows" / "vocabulary.jsonl", 64)
    peaks = {}
    for _ in range(setting.rounds):
        for size in (small, large):
            folder = models.write_model(setting.work / "models" / f"v{size}", models.Shape(width, 4, size))
            run = setting.ours.train(own.step_options(folder, rows, beta=0.04, tokens=tokens, steps=2))
            result.command(run.command)
            peaks.setdefault(size, []).append(run.peak_bytes)
    embedding = 4.0 * width * (large - small)
    # The weight, its gradient, two moments, and the reference's copy, which the KL term asks for.
    expected = 5.0 * embedding
    difference = sample(b - a for a, b in zip(peaks[small], peaks[large]))
    result.table(["vocabulary", "peak memory, MB"], [[size, sample(values).show(1, 1e-6)] for size, values in peaks.items()])
    share = sample(value / expected for value in difference.values)
    result.goal("the difference is the embedding's own size (weight, gradient, two moments, reference) within 5 %",
                f"{share.show(3)} of {expected / 1e6:.1f} MB", abs(share.median - 1.0) <= 0.05)
    return result


BASE = {"tokens": 64, "generations": 8, "prompt": 64, "layers": 4}


def step_seconds(setting, result, sizes):
    """Median seconds of a step of these sizes, of a random model of width 256 that each layer makes larger by the same amount."""
    rows = models.write_fixed_rows(setting.work / "rows" / f"fixed-{sizes['prompt']}.jsonl", sizes["prompt"])
    model = models.write_model(setting.work / "models" / f"l{sizes['layers']}", models.Shape(256, sizes["layers"]))
    run = setting.ours.train(own.step_options(model, rows, beta=0.04, tokens=sizes["tokens"], generations=sizes["generations"],
                                              steps=2 if setting.quick else 4))
    result.command(run.command)
    return statistics.median(run.seconds())


def scaling(setting):
    result = Result("What a step costs as its sizes double")
    factors = (1, 2) if setting.quick else (1, 2, 4, 8)
    names = {"tokens": "completion tokens", "generations": "completions per prompt", "prompt": "prompt tokens", "layers": "layers of the model"}
    base = dict(BASE, tokens=8) if setting.quick else BASE
    seconds, curves, rows = {}, {}, []
    for _ in range(setting.rounds):
        for name in names:
            for factor in factors:
                seconds.setdefault((name, factor), []).append(step_seconds(setting, result, {**base, name: factor * base[name]}))
    for name, title in names.items():
        taken = [sample(seconds[name, factor]) for factor in factors]
        curves[title] = [(factor, one.median) for factor, one in zip(factors, taken)]
        rows.append([f"{title}: {base[name]} to {factors[-1] * base[name]}", *(one.show(3) for one in taken)])
    result.table(["", *(f"x {factor}" for factor in factors)], rows, f"Seconds a step; the base is {', '.join(f'{v} {names[k]}' for k, v in base.items())}, "
                 "4 prompts, beta 0.04, width 256.")
    if len(factors) > 2:
        *_, worst = line_fit(*zip(*curves[names["tokens"]]))
        result.goal("time is linear in completion tokens within 15 %", f"at most {100 * worst:.1f} % from a straight line", worst <= 0.15)
    prompt_cost(setting, result, base)
    plot.write(setting.work / "scaling.svg", curves, "times the base", "seconds a step")
    if not setting.quick:
        plot.write(machine.ROOT / "benchmarks" / "scaling.svg", curves, "times the base", "seconds a step")
        result.notes.append("Plot: [scaling.svg](scaling.svg).")
    return result


def prompt_cost(setting, result, base):
    """What 8 times the prompt adds to a step, with G and with 2 G completions: shared, so the prompt's own work is the same. What grows with G is that
    every completion token looks at more keys, so completions are kept short."""
    longer = 8 * base["prompt"]
    added = {}
    for _ in range(setting.rounds):
        for generations in (base["generations"], 2 * base["generations"]):
            sizes = {**base, "generations": generations, "tokens": 8}
            short, long = step_seconds(setting, result, sizes), step_seconds(setting, result, {**sizes, "prompt": longer})
            added.setdefault(generations, []).append(long - short)
    few, many = added.values()
    ratio = ratios(many, few)
    result.goal(f"the cost of a prompt does not depend on G (within 15 %): what {longer - base['prompt']} more prompt tokens add at G = "
                f"{2 * base['generations']}, divided by the same at G = {base['generations']}", ratio.show(), abs(ratio.median - 1.0) <= 0.15)


def threads(setting):
    result = Result("One thread against two")
    if machine.cores() < 2:
        result.goal("two threads are at least 1.8 times as fast", "this machine has one core", None)
        return result
    options = own.step_options(setting.model, setting.rows, beta=0.04, tokens=setting.tokens(128), steps=2)
    runs = {1: [], 2: []}
    for _ in range(setting.rounds):
        for count, taken in runs.items():
            taken.append(setting.ours.train(options, threads=count))
            result.command(taken[-1].command)
    seconds = {count: [statistics.median(run.seconds()) for run in taken] for count, taken in runs.items()}
    rows = []
    for name in ("step", "sample", "reference", "train", "optimizer"):
        one, two = ([statistics.median(run.phase(name)) for run in runs[count]] for count in (1, 2))
        rows.append([name, sample(one).show(3), sample(two).show(3), ratios(one, two).show() if min(two) > 0 else ""])
    result.table(["", "one thread, s", "two threads, s", "times as fast"], rows)
    result.at_least("two threads are at least 1.8 times as fast", 1.8, ratios(seconds[1], seconds[2]))
    return result
