"""TRL's GRPO trainer on work that is the same in every step: a JSON line per step with its seconds.

    python trl_step.py MODEL_DIR ROWS_JSONL [--beta 0.04] [--tokens 128] [--steps 2] [--threads 2] [--system TEXT] ...

Rows hold "question" and "answer" (GSM8K's form, "#### 72" at the end, or the bare answer) and are taken in their order. Each
step: 4 prompts x 8 completions of exactly `tokens` tokens, float32, loss dapo, learning rate 1e-6.
"""

import argparse
import json
import re
import time

import torch
from datasets import Dataset
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer

ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("rows")
    parser.add_argument("--beta", type=float, default=0.04)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--generations", type=int, default=8)
    parser.add_argument("--micro", type=int, default=8, help="completions per forward and backward pass")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--system", help="system message in front of every question")
    parser.add_argument("--example", nargs=2, metavar=("QUESTION", "ANSWER"), help="one worked example in front of it")
    return parser.parse_args()


def prompts(options):
    before = [{"role": "system", "content": options.system}] if options.system else []
    if options.example:
        before += [{"role": role, "content": text} for role, text in zip(("user", "assistant"), options.example)]
    with open(options.rows, encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return Dataset.from_list([{"prompt": [*before, {"role": "user", "content": row["question"]}],
                               "answer": row["answer"].rsplit("####", 1)[-1].strip()} for row in rows])


def in_tags(completions, answer, **_):
    """1 where the first <answer> holds the gold text."""
    found = [ANSWER.search(one[0]["content"]) for one in completions]
    return [1.0 if match and match.group(1).strip() == gold else 0.0 for match, gold in zip(found, answer)]


class Clock(TrainerCallback):
    def on_step_begin(self, *_, **__):
        self.begin = time.perf_counter()

    def on_step_end(self, *_, **__):
        print(json.dumps({"seconds": time.perf_counter() - self.begin}), flush=True)


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    completions = options.prompts * options.generations
    config = GRPOConfig(
        output_dir="trl_step_output", max_steps=options.steps, per_device_train_batch_size=options.micro,
        gradient_accumulation_steps=completions // options.micro, num_generations=options.generations,
        max_completion_length=options.tokens, generation_kwargs={"min_new_tokens": options.tokens}, temperature=1.0, beta=options.beta,
        loss_type="dapo", learning_rate=1e-6, shuffle_dataset=False, use_cpu=True, bf16=False, gradient_checkpointing=False,
        model_init_kwargs={"dtype": "float32"}, save_strategy="no", report_to=[], logging_steps=1, disable_tqdm=True)
    GRPOTrainer(model=options.model, reward_funcs=in_tags, args=config, train_dataset=prompts(options), callbacks=[Clock()]).train()


if __name__ == "__main__":
    main()
