"""Our saved folder, read by transformers: the same logits and token ids as the .gguf file it was made from.

    python tests/oracle/check_round_trip.py SAVE_FOLDER_PROGRAM [models/SmolLM2-135M-Instruct.Q4_1.gguf]

transformers' own reading of the .gguf tokenizer drops SmolLM2's split into single digits, which shows where white space of two
or more stands before a digit; the texts here have no such place (tokens.json has, against the published tokenizer).
Ends with "N passed, N failed"; exit code 77 (skipped, the last line says why) without transformers, gguf or the model.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

TEXTS = [
    "<|im_start|>user\nJanet\u2019s ducks lay 16 eggs per day.<|im_end|>\n<|im_start|>assistant\n",
    "What is 3 + 4?  <answer>7</answer>\n\n\tna\u00efve \u4f60\u597d \U0001f986 1234567 don't WON'T",
    "def f(x):\n    return x  # trailing spaces   \n",
    "",
]
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 3 + 4?"}]


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


def main():
    model = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "models/SmolLM2-135M-Instruct.Q4_1.gguf")
    if not model.exists():
        skip(f"{model} is not there; bash training.sh --setup-only brings it")
    try:
        import gguf  # noqa: F401  (transformers reads .gguf files through it)
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        skip(f"{error} in {sys.executable}; pip install -r tests/oracle/requirements.txt into an environment of its own, "
             "and configure with -DGRPO_ORACLE_PYTHON=<its python>")

    results = {}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.argv[1], str(model), folder], check=True)
        results["no file is left over"] = not any(name.startswith(".") for name in os.listdir(folder))
        theirs_text = AutoTokenizer.from_pretrained(model.parent, gguf_file=model.name)
        ours_text = AutoTokenizer.from_pretrained(folder)
        theirs = AutoModelForCausalLM.from_pretrained(model.parent, gguf_file=model.name, dtype=torch.float32).eval()
        ours, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
        ours.eval()
        results["no key is missing or unknown"] = not (set(report["missing_keys"]) | set(report["unexpected_keys"]))
        results["weights are float32"] = ours.dtype == torch.float32
        for i, text in enumerate(TEXTS):
            ids = theirs_text(text, add_special_tokens=False).input_ids
            results[f"text {i}: ids"] = ours_text(text, add_special_tokens=False).input_ids == ids
            results[f"text {i}: decoded"] = ours_text.decode(ids) == theirs_text.decode(ids)
            if not ids:
                continue
            with torch.no_grad():
                batch = torch.tensor([ids])
                worst = float((ours(batch).logits - theirs(batch).logits).abs().max())
            print(f"text {i}: {len(ids)} tokens, logits differ by at most {worst:.1e}")
            results[f"text {i}: logits"] = worst <= 1e-5
        render = {"add_generation_prompt": True, "tokenize": False}
        results["chat template"] = (ours_text.apply_chat_template(CHAT, **render)
                                    == theirs_text.apply_chat_template(CHAT, **render))
        results["end token"] = ours_text.eos_token_id == theirs_text.eos_token_id
        ids = torch.tensor([ours_text("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n").input_ids])
        greedy = {"attention_mask": torch.ones_like(ids), "do_sample": False, "max_new_tokens": 24}
        results["generate() ends alike"] = bool(torch.equal(ours.generate(ids, **greedy), theirs.generate(ids, **greedy)))
    failed = [name for name, good in results.items() if not good]
    for name in failed:
        print("FAILED: " + name)
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
