"""TRL on the task of recipes/smollm2-135m/quickstart.toml: a JSON line per step with its seconds and its training accuracy.

    python trl_addition.py MODEL_DIR [--steps 30] [--seed 1] [--threads 2]

Sums of two numbers from 1 to 9, one worked example, 8 prompts x 8 completions of at most 16 tokens, accuracy (weight 1) and
form (weight 0.2), loss dapo, beta 0, learning rate 1e-5.
"""

import argparse
import json
import random
import re
import time

import torch
from datasets import Dataset
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer

SYSTEM = "Answer the question. Put only the final number inside <answer> and </answer> tags."
ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
FORM = re.compile(r"\s*<answer>[^<]*</answer>\s*")


def questions(seed, count=2000):
    draw = random.Random(seed)
    start = [("system", SYSTEM), ("user", "What is 3 + 4?"), ("assistant", "<answer>7</answer>")]
    rows = []
    for _ in range(count):
        a, b = draw.randint(1, 9), draw.randint(1, 9)
        turns = [*start, ("user", f"What is {a} + {b}?")]
        rows.append({"prompt": [{"role": role, "content": text} for role, text in turns], "answer": str(a + b)})
    return Dataset.from_list(rows)


class Accuracy:
    """A reward that keeps its last mean."""

    __name__ = "accuracy"
    last = 0.0

    def __call__(self, completions, answer, **_):
        found = [ANSWER.search(one[0]["content"]) for one in completions]
        values = [1.0 if match and match.group(1).strip() == gold else 0.0 for match, gold in zip(found, answer)]
        self.last = sum(values) / len(values)
        return values


def form(completions, **_):
    return [1.0 if FORM.fullmatch(one[0]["content"]) else 0.0 for one in completions]


class Clock(TrainerCallback):
    def __init__(self, accuracy):
        self.accuracy = accuracy

    def on_step_begin(self, *_, **__):
        self.begin = time.perf_counter()

    def on_step_end(self, *_, **__):
        print(json.dumps({"seconds": time.perf_counter() - self.begin, "accuracy": self.accuracy.last}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    accuracy = Accuracy()
    config = GRPOConfig(
        output_dir="trl_addition_output", max_steps=options.steps, seed=options.seed, per_device_train_batch_size=64, num_generations=8,
        max_completion_length=16, temperature=1.0, beta=0.0, loss_type="dapo", reward_weights=[1.0, 0.2], learning_rate=1e-5,
        lr_scheduler_type="constant", use_cpu=True, bf16=False, gradient_checkpointing=False, model_init_kwargs={"dtype": "float32"},
        save_strategy="no", report_to=[], logging_steps=1, disable_tqdm=True)
    GRPOTrainer(model=options.model, reward_funcs=[accuracy, form], args=config, train_dataset=questions(options.seed),
                callbacks=[Clock(accuracy)]).train()


if __name__ == "__main__":
    main()
