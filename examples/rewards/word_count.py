#!/usr/bin/env python3
"""A reward as a program: JSON lines in, JSON lines out. Standard library only.

    grpo_train --reward_funcs word_count --reward_command '{"word_count": "python3 examples/rewards/word_count.py --most 40"}' ...

It is started once and kept: load models and tables before the loop. Print nothing else to standard output; standard error is free.
"""

import argparse
import json
import sys


def judge(item, most):
    """A verdict on one completion: a number, not applicable, or an error."""
    if not item["completion"].strip():
        return {"not_applicable": True}
    words = len(item["completion"].split())
    return {"reward": min(1.0, most / words) if words else 0.0, "reason": f"{words} words"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=int, default=40, help="words that still get the full reward")
    most = parser.parse_args().most
    for line in sys.stdin:
        item = json.loads(line)  # prompt, messages, completion, solution, columns, source, tokens, finish
        try:
            verdict = judge(item, most)
        except Exception as problem:  # this completion failed; the next may not
            verdict = {"error": f"{type(problem).__name__}: {problem}"}
        print(json.dumps({"id": item["id"], **verdict}), flush=True)


if __name__ == "__main__":
    main()
