"""Rows that compare optimizer steps with TRL's: same model, same questions in the same order, same sizes."""

import statistics

import machine
import ours as own
import peers as others
from result import Result
from stats import ratios, sample, time_until

# 512 tokens of SmolLM2's tokenizer
LONG_SYSTEM = 28 * "The teacher checks every single step of the work with great care and asks for clear reasons. " + "Be brief and exact in every answer."
GOALS = {"beta": (0.42, 0.42), "no_beta": (0.22, None), "system": (0.15, None)}


def prompt_words(system, example):
    """The same beginning of every question for ours and for TRL."""
    mine, theirs = {}, []
    if system:
        mine["system_prompt"], theirs = system, ["--system", system]
    if example:
        mine["few_shot"] = list(own.EXAMPLE)
        theirs += ["--example", *own.EXAMPLE]
    return mine, theirs


def take_turns(setting, result, *, beta, steps, system=None, example=False):
    """Ours, TRL, ours, TRL ...: (runs of ours, [seconds of steps, peak bytes] of TRL); the latter empty if it is not installed."""
    tokens = setting.tokens(128)
    mine, theirs = prompt_words(system, example)
    options = {**own.step_options(setting.model, setting.rows, beta=beta, tokens=tokens, steps=1 + steps), **mine}
    runs, peer_runs = [], []
    for _ in range(setting.rounds):
        runs.append(setting.ours.train(options))
        result.command(runs[-1].command)
        if not setting.peers.python("trl"):
            continue
        seconds, _, peak, command = others.trl(setting.peers, "trl_step.py", setting.peer_model, setting.rows, "--beta", beta, "--tokens", tokens,
                                               "--steps", 2, *theirs, threads=setting.threads)
        result.command(command)
        peer_runs.append((seconds[1:], peak))
    if not peer_runs:
        result.missing.append((f"TRL's side of \"{result.title}\"", "TRL is not installed in the peers' environment"))
    return runs, peer_runs


def phases_table(result, runs):
    names = sorted({key[5:] for run in runs for key in run.steps[-1] if key.startswith("time/") and key.count("/") == 1} - {"step", "tokens_per_second"})
    every = [step for run in runs for step in run.steps[1:]]
    whole = statistics.fmean(step["time/step"] for step in every)
    rows = []
    for name in names:
        values = sample(step.get(f"time/{name}", 0.0) for step in every)
        rows.append([name, values.show(3), f"{100 * values.mean / whole:.1f} %"])
    result.table(["phase of ours", "seconds", "share"], rows)


def compare(setting, result, goal, runs, peer_runs, middle=statistics.median):
    """Tables and verdicts. `middle` makes one number of the steps of a round."""
    seconds = sample(middle(run.seconds()) for run in runs)
    memory = sample(run.peak_bytes for run in runs)
    table = [["libgrpo", seconds.show(), memory.show(2, 1e-9)]]
    time_goal, memory_goal = GOALS[goal]
    if peer_runs:
        peer_seconds = sample(middle(steps) for steps, _ in peer_runs)
        peer_memory = sample(peak for _, peak in peer_runs)
        table.append(["TRL", peer_seconds.show(), peer_memory.show(2, 1e-9)])
        result.at_most(f"at most {time_goal} of TRL's time", time_goal, ratios(seconds.values, peer_seconds.values), 3)
        if memory_goal:
            result.at_most(f"at most {memory_goal} of TRL's peak memory", memory_goal, ratios(memory.values, peer_memory.values), 3)
    else:
        result.goal(f"at most {time_goal} of TRL's time", "TRL is not installed", None)
    result.table(["", "seconds a step", "peak memory, GB"], table)
    phases_table(result, runs)


def step_beta(setting):
    result = Result("A step: 4 prompts x 8 completions x 128 forced tokens, beta 0.04")
    runs, peer_runs = take_turns(setting, result, beta=0.04, steps=2)
    compare(setting, result, "beta", runs, peer_runs)
    result.notes.append("The KL term trains every completion, so the reward does not change the amount of work; it is answer_accuracy on both sides.")
    return result


def step_no_beta(setting):
    result = Result("The same with beta 0")
    runs, peer_runs = take_turns(setting, result, beta=0.0, steps=8, system=own.SYSTEM, example=True)
    compare(setting, result, "no_beta", runs, peer_runs, statistics.fmean)
    by_signal = {}
    for run in runs[:1]:  # the same seed: every round repeats the same steps
        for number, step in enumerate(run.steps[1:], 1):
            seconds = sample(other.steps[number]["time/step"] for other in runs)
            by_signal.setdefault(own.groups_with_signal(step, 4), []).append(seconds.median)
    result.table(["groups with signal, of 4", "steps", "seconds a step"], [[k, len(v), sample(v).show()] for k, v in sorted(by_signal.items())])
    result.notes.append("A group whose rewards are all equal has no gradient here and costs no forward and no backward pass; TRL computes it. The figure "
                        "of ours is therefore the mean over 8 steps. Both sides have the system prompt and the example of the quick start in front of "
                        "each question, without which this model never writes the tags that the reward looks for.")
    return result


def step_system(setting):
    result = Result("The same with a 512-token system prompt in front of every question, beta 0.04")
    runs, peer_runs = take_turns(setting, result, beta=0.04, steps=2, system=LONG_SYSTEM[: 300 if setting.quick else None])
    compare(setting, result, "system", runs, peer_runs)
    return result


def quickstart(setting):
    """The recipe of the quick start on both sides, several seeds; minutes for each of TRL's."""
    result = Result("Time until the quick start's training accuracy holds at least 0.9")
    steps = 3 if setting.quick else 32
    seeds = range(1, 1 + max(1, setting.rounds))
    rows, share = [], []
    for seed in seeds:
        run = setting.ours.train({"config": machine.ROOT / "recipes/smollm2-135m/quickstart.toml", "model_name_or_path": setting.model, "seed": seed,
                                  "max_steps": steps, "save_strategy": "no", "eval_on_start": "false", "resume_from_checkpoint": "no"})
        result.command(run.command)
        mine = time_until([step["rewards/answer_accuracy/mean"] for step in run.steps], run.seconds(0), 0.9)
        theirs = None
        if setting.peers.python("trl"):
            seconds, values, _, command = others.trl(setting.peers, "trl_addition.py", setting.peer_model, "--steps", steps, "--seed", seed,
                                                     threads=setting.threads)
            result.command(command)
            theirs = time_until([step["accuracy"] for step in values], seconds, 0.9)
        rows.append([seed, *(f"not within {steps} steps" if t is None else f"{t:.1f} s" for t in (mine, theirs))])
        if mine is not None and theirs is not None:
            share.append(mine / theirs)
    result.table(["seed", "libgrpo", "TRL"], rows)
    if share:
        result.at_most("at most 0.12 of TRL's time", 0.12, sample(share), 3)
    else:
        result.goal("at most 0.12 of TRL's time", "no pair of runs that both held 0.9", None)
    result.notes.append("Holds: two steps in a row with at least 0.9 of 64 answers right; the time is that of all steps up to the first of the two. Start "
                        "and evaluation are left out on both sides.")
    return result
