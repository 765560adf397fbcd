"""grpo_train and its siblings, run as a user runs them; what they measured is read from metrics.jsonl and the printed profile."""

import dataclasses
import json
import pathlib
import re
import shutil

import child
import peers

SYSTEM = "Answer the question. Put only the final number inside <answer> and </answer> tags."
EXAMPLE = ("What is 3 + 4?", "<answer>7</answer>")


@dataclasses.dataclass
class Training:
    steps: list          # one dictionary of metrics per step
    peak_bytes: float
    wall: float
    lines: list          # (seconds since the start, printed line)
    command: str

    def seconds(self, first=1):
        """Of each step from number `first` on; step 0 warms up."""
        return [step["time/step"] for step in self.steps[first:]]

    def phase(self, name, first=1):
        return [step.get(f"time/{name}", 0.0) for step in self.steps[first:]]

    def first_step_at(self):
        """Seconds from the start of the process to the end of its first optimizer step."""
        return next(at for at, line in self.lines if line.lstrip().startswith("step ") and "tok/s" in line)

    def profiled(self, phase):
        """Seconds per step of a line of the printed profile; "between steps" is outside of steps, "after the last" behind the last."""
        for _, line in self.lines:
            if found := re.match(rf"{phase}\s+([\d.]+)", line):
                return float(found.group(1))
        raise child.Failed(f"no profile was printed, or none with {phase}")


class Ours:
    def __init__(self, bin_folder, work, threads):
        self.bin, self.work, self.threads = pathlib.Path(bin_folder), pathlib.Path(work), threads

    def train(self, options, threads=None, program="grpo_train", limit=None):
        """One run in a fresh output folder, which is removed afterwards."""
        threads = threads or self.threads
        folder = self.work / "run"
        shutil.rmtree(folder, ignore_errors=True)
        words = {"output_dir": folder, "num_threads": threads, "profile": "true", **options}
        command = [self.bin / program]
        for name, value in words.items():
            command += [f"--{name}", *([str(v) for v in value] if isinstance(value, (list, tuple)) else [str(value)])]
        done = child.run(command, threads, limit=limit)
        steps = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        shutil.rmtree(folder, ignore_errors=True)
        return Training([step for step in steps if "time/step" in step], done.peak_bytes, done.seconds, done.lines, peers.show(command))

    def program(self, name, *words, threads=None, limit=None):
        """(lines it printed, command)"""
        command = [self.bin / name, *map(str, words)]
        done = child.run(command, threads or self.threads, limit=limit)
        return [line for _, line in done.lines], peers.show(command)


def step_options(model, rows, *, beta, tokens, steps, prompts=4, generations=8, micro=None, reward="answer_accuracy"):
    """A step of fixed size: the work of peers/trl_step.py."""
    micro = micro or generations
    return {"model_name_or_path": model, "dataset_name": rows, "dataset_prompt_column": "question", "dataset_solution_column": "answer",
            "shuffle_dataset": "false", "num_generations": generations, "min_completion_length": tokens, "max_completion_length": tokens,
            "temperature": 1.0, "beta": beta, "loss_type": "dapo", "learning_rate": 1e-6, "reward_funcs": reward,
            "per_device_train_batch_size": micro, "gradient_accumulation_steps": prompts * generations // micro, "max_steps": steps,
            "save_strategy": "no", "resume_from_checkpoint": "no"}


def groups_with_signal(step, prompts):
    """How many groups of the step had rewards that differ."""
    return round((1.0 - step.get("frac_reward_zero_std", 0.0)) * prompts)
