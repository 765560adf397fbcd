"""encode() against the `tokenizers` package, over GSM8K: interleaved runs on the same texts, and the same ids.

    python benchmarks/tokenizer_speed.py <tokenizer_speed program> <tokenizer.json> <gsm8k folder> [rounds] [threads]

Prints for both the median and the spread (fastest and slowest) of the rounds, in MB/s, and the ratio of the medians. With one
thread (the default) the package encodes text by text; with more it gets them as one batch. The package keeps a cache of
words between rounds; ours keeps nothing. Needs: tokenizers.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time


def main():
    program, model, data = sys.argv[1:4]
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 15
    threads = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    os.environ["RAYON_NUM_THREADS"] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
    from tokenizers import Tokenizer, __version__

    texts = []
    for split in ["train", "test"]:
        with open(pathlib.Path(data) / f"{split}.jsonl", encoding="utf-8") as rows:
            for row in map(json.loads, rows):
                texts += [row["question"], row["answer"]]
    size = sum(len(text.encode()) for text in texts) / 1e6
    peer = Tokenizer.from_file(model)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(texts, file)
        file.flush()
        ours = subprocess.Popen([program, model, file.name, str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        seconds = {"tokenizers": [], "libgrpo": []}
        for _ in range(rounds + 1):
            begin = time.perf_counter()
            if threads == 1:
                ids = [peer.encode(text, add_special_tokens=False).ids for text in texts]
            else:
                ids = [one.ids for one in peer.encode_batch(texts, add_special_tokens=False)]
            seconds["tokenizers"].append(time.perf_counter() - begin)
            ours.stdin.write("\n")
            ours.stdin.flush()
            answer = ours.stdout.readline().split()
            seconds["libgrpo"].append(float(answer[0]))
        ours.stdin.close()
        ours.wait()
    digest = 0
    for one in ids:
        for token in one:
            digest = (digest * 1_000_003 + token) & (2**64 - 1)
    if digest != int(answer[2]):
        raise SystemExit("the ids differ: nothing to compare")
    print(f"{len(texts)} texts, {size:.2f} MB, {answer[1]} tokens, {threads} thread(s), {rounds} rounds after one to warm up")
    speed = {}
    for name, times in seconds.items():
        times = times[1:]
        speed[name] = size / statistics.median(times)
        version = f" {__version__}" if name == "tokenizers" else ""
        print(f"{name + version:20} median {speed[name]:7.2f} MB/s   spread {size / max(times):.2f} to {size / min(times):.2f}")
    ratios = [a / b for a, b in zip(seconds["tokenizers"][1:], seconds["libgrpo"][1:])]
    print(f"libgrpo is {speed['libgrpo'] / speed['tokenizers']:.2f} times as fast (per round {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
