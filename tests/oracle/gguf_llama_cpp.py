"""Our GGUF files, read by llama.cpp: the same text, token by token.

    python tests/oracle/gguf_llama_cpp.py GGUF_GREEDY_PROGRAM GRPO_EXPORT_PROGRAM [--types f32,f16,bf16,q8_0]

  families   tests/oracle/families/<case> exported as F32: llama.cpp's logits equal those of transformers (families.json)
  greedy     models/SmolLM2-135M-Instruct.Q4_1.gguf exported as each type: 20 prompts have the same ids in llama.cpp, and it goes
             on with the same 64 greedy tokens as our sampler on the same file. With F32 weights and cache the arithmetic is the
             same up to the order of sums, so all must agree. With the other types llama.cpp rounds activations too (to F16, BF16,
             or eight bits), so a near tie may fall the other way, and from there on the texts differ: what is asked is that most
             tokens before the first difference agree, and the share of whole texts is shown.

llama-cpp-python is built from source by pip (five minutes on two cores), so it is not among requirements.txt: put it where this
Python finds it (pip install -r tests/oracle/requirements-llama.txt), or name a Python that has it in GRPO_LLAMA_CPP_PYTHON.
Ends with "N passed, N failed"; exit code 77 (skipped, the last line says why) without llama-cpp-python or the model.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
MODEL = pathlib.Path("models/SmolLM2-135M-Instruct.Q4_1.gguf")
TOKENS, THREADS = 64, 1  # threads that wait for each other take minutes on a busy machine
QUESTIONS = ["What is 17 + 25?", "Name three colours.", "Why is the sky blue?", "Write a haiku about rain.", "Who wrote Hamlet?",
             "Translate 'good morning' into French.", "A train goes 60 miles in 1.5 hours. How fast is it?", "What is photosynthesis?",
             "List the days of the week.", "Natalia sold 48 clips in April and half as many in May. How many in all?"]
TEXTS = ["The capital of France is", "Once upon a time there was a", "def fibonacci(n):\n    ", "1, 2, 3, 4, 5,", "Water boils at",
         "SELECT name FROM users WHERE", "The three laws of thermodynamics", "na\u00efve caf\u00e9 \u4f60\u597d \U0001f986 means",
         "   leading blanks and\n\n\ttabs 12345.678 don't", "In 1969, Neil Armstrong"]
PROMPTS = TEXTS + [f"<|im_start|>user\n{q}<|im_end|>\n<|im_start|>assistant\n" for q in QUESTIONS]
FAMILIES = ["llama2", "llama3_v4", "llama_linear", "llama_yarn", "qwen2", "qwen3"]
# Share of tokens before the first difference, over all prompts.
AGREE = {"f32": 1.0, "f16": 0.8, "bf16": 0.5, "q8_0": 0.4}


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


def find_llama_cpp():
    try:
        import llama_cpp
        return llama_cpp
    except ImportError as error:
        other = os.environ.pop("GRPO_LLAMA_CPP_PYTHON", "")
        if other:
            os.execve(other, [other, *sys.argv], os.environ)
        skip(f"{error} in {sys.executable}; pip install -r tests/oracle/requirements-llama.txt (builds for five minutes), or name a "
             "Python that has it in GRPO_LLAMA_CPP_PYTHON")


def open_model(llama_cpp, path, context, **options):
    # The cache in F32, attention as written: no rounding that we do not do.
    return llama_cpp.Llama(str(path), n_ctx=context, n_threads=THREADS, type_k=0, type_v=0, verbose=False, flash_attn=False, **options)


def export(program, model, output, outtype):
    done = subprocess.run([program, "--model_name_or_path", str(model), "--output", str(output), "--outtype", outtype],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"grpo_export: {done.stderr}")


def with_tokenizer(case, folder):
    """The case as a folder that has a tokenizer: 64 single bytes, the first three of them special."""
    shutil.copytree(HERE / "families" / case, folder)
    special = ["<pad>", "<s>", "</s>"]
    vocabulary = {**{t: i for i, t in enumerate(special)}, **{chr(33 + i): 3 + i for i in range(61)}}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    added = [{"id": i, "content": t, "special": True} for i, t in enumerate(special)]
    (folder / "tokenizer.json").write_text(json.dumps(
        {"added_tokens": added, "normalizer": None, "pre_tokenizer": level, "post_processor": None, "decoder": level,
         "model": {"type": "BPE", "vocab": vocabulary, "merges": []}}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}))
    return folder


def check_families(llama_cpp, program, folder, results):
    import numpy as np
    cases = {case["name"]: case for case in json.loads((HERE / "families.json").read_text())["cases"]}
    for name in FAMILIES:
        path = folder / f"{name}.gguf"
        export(program, with_tokenizer(name, folder / name), path, "f32")
        model = open_model(llama_cpp, path, 128, logits_all=True)
        worst = 0.0
        for prompt in cases[name]["prompts"]:
            for completion in prompt["completions"]:
                ids = prompt["ids"] + completion["ids"]
                model.reset()
                model.eval(ids)
                ours = np.array(model.scores[len(prompt["ids"]) - 1:len(ids)])
                worst = max(worst, float(np.abs(ours - np.array(completion["logits"])).max()))
        print(f"{name}: llama.cpp's logits differ from transformers' by at most {worst:.1e}")
        results[f"{name}: logits"] = worst < 2e-3


def check_greedy(llama_cpp, greedy, program, folder, outtype, results):
    import numpy as np
    path = folder / f"smollm2-{outtype}.gguf"
    export(program, MODEL, path, outtype)
    done = subprocess.run([greedy, str(path), str(TOKENS)], input=json.dumps(PROMPTS), capture_output=True, text=True, check=True)
    ours = [json.loads(line) for line in done.stdout.splitlines()]
    model = open_model(llama_cpp, path, 512)
    same_ids = same_text = agreed = total = 0
    for text, line in zip(PROMPTS, ours):
        same_ids += model.tokenize(text.encode(), add_bos=False, special=True) == line["prompt"]
        model.reset()
        model.eval(line["prompt"])
        theirs = []
        for _ in line["ids"]:
            logits = np.ctypeslib.as_array(model._ctx.get_logits_ith(-1), shape=(model.n_vocab(),))
            theirs.append(int(np.argmax(logits)))
            model.eval(theirs[-1:])
        first = next((i for i, (a, b) in enumerate(zip(theirs, line["ids"])) if a != b), len(theirs))
        agreed, total, same_text = agreed + first, total + len(theirs), same_text + (first == len(theirs))
    print(f"{outtype}: {same_ids} of {len(PROMPTS)} prompts have the same ids, {same_text} texts are the same, {agreed} of {total} tokens "
          "before a difference")
    results[f"{outtype}: prompt ids"] = same_ids == len(PROMPTS)
    results[f"{outtype}: tokens"] = agreed >= AGREE[outtype] * total
    results[f"{outtype}: chat template"] = "<|im_start|>" in model.metadata.get("tokenizer.chat_template", "")
    path.unlink()


def main():
    llama_cpp = find_llama_cpp()
    greedy, program = sys.argv[1:3]
    types = sys.argv[4].split(",") if len(sys.argv) > 4 else list(AGREE)
    results = {}
    with tempfile.TemporaryDirectory() as scratch:
        check_families(llama_cpp, program, pathlib.Path(scratch), results)
        if not MODEL.exists():
            skip(f"{MODEL} is not there; bash training.sh --setup-only brings it")
        for outtype in types:
            check_greedy(llama_cpp, greedy, program, pathlib.Path(scratch), outtype, results)
    failed = [name for name, good in results.items() if not good]
    for name in failed:
        print("FAILED " + name)
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
