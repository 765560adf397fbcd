"""The loop of a peer that samples: for each line "<rows> <tokens>" of standard input one measurement, answered by "= <seconds>"."""

import sys
import time


def prompt_ids(length, vocabulary):
    """The ids that decode_speed takes."""
    return [(i * 7919 + 11) % vocabulary for i in range(length)]


def serve(generate):
    """`generate(rows, tokens)` samples so many completions of exactly so many tokens."""
    for line in sys.stdin:
        rows, tokens = map(int, line.split())
        begin = time.perf_counter()
        generate(rows, tokens)
        print(f"= {time.perf_counter() - begin:.6f}", flush=True)
