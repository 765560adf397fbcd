"""What transformers and math-verify make of GSM8K's first test questions with SmolLM2:  gsm8k_oracle.py MODEL_FOLDER GSM8K/test.jsonl [COUNT] [SECONDS]

MODEL_FOLDER is the quick start's model in float32 (`grpo_export --model_name_or_path models/SmolLM2-135M-Instruct.Q4_1.gguf --output FOLDER`).
Greedy, at most 256 tokens, the system prompt of the preset gsm8k, on the CPU. Writes tests/oracle/gsm8k_smollm2.json: for each question
the completion, why it ended, whether math-verify finds it right, and the closest choice of all its tokens (position, and the difference of
the two largest logits): where another program rounds otherwise, that is where it may go another way.

Questions that build/gsm8k_oracle.jsonl has are not asked again, and it stops after SECONDS: run it again to go on.
"""
import json
import pathlib
import re
import sys
import time

import torch
from math_verify import parse, verify
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."
BATCH, TOKENS = 8, 256


def final_answer(text):
    """Where docs/guides/rewards.md says the answer is; None: nowhere. The package alone would take any last number of the text."""
    boxed = re.findall(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}", text)
    said = re.findall(r"[Aa]nswer\**(?: is:?|:| =)[\s*:]*(.+?)\**(?:\.(?=\s|$)|\n|$)", text)
    return boxed[-1] if boxed else said[-1] if said else None


def verdict(gold, text):
    answer = final_answer(text)
    return answer is not None and bool(verify(parse(gold), parse(f"${answer}$", parsing_timeout=None), timeout_seconds=None))


def answer(model, tokenizer, questions):
    """One dictionary per question. Padded on the left and masked."""
    chats = [[{"role": "system", "content": SYSTEM}, {"role": "user", "content": q}] for q in questions]
    texts = [tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False) for chat in chats]
    inputs = tokenizer(texts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False)
    with torch.inference_mode():
        out = model.generate(**inputs, max_new_tokens=TOKENS, do_sample=False, return_dict_in_generate=True, output_logits=True,
                             eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.eos_token_id)
    new = out.sequences[:, inputs["input_ids"].shape[1]:]
    margins = torch.stack([step.topk(2).values[:, 0] - step.topk(2).values[:, 1] for step in out.logits], 1)
    results = []
    for ids, margin in zip(new.tolist(), margins):
        length = ids.index(tokenizer.eos_token_id) + 1 if tokenizer.eos_token_id in ids else len(ids)
        at = int(margin[:length].argmin())
        results.append({"text": tokenizer.decode(ids[:length], skip_special_tokens=True), "tokens": length,
                        "finish_reason": "stop" if ids[length - 1] == tokenizer.eos_token_id else "length",
                        "closest": [at, round(float(margin[at]), 6)]})
    return results


def main(folder, rows, count=200, seconds=1e9):
    start = time.time()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    rows = [json.loads(line) for line in open(rows)][:int(count)]
    done_path = ROOT / "build" / "gsm8k_oracle.jsonl"
    done = {one["row"]: one for one in map(json.loads, done_path.read_text().splitlines())} if done_path.exists() else {}
    todo = sorted((i for i in range(len(rows)) if i + 1 not in done), key=lambda i: len(rows[i]["question"]))
    with done_path.open("a") as out:
        for at in range(0, len(todo), BATCH):
            if time.time() - start > float(seconds):
                break
            part = todo[at:at + BATCH]
            for i, result in zip(part, answer(model, tokenizer, [rows[i]["question"] for i in part])):
                gold = rows[i]["answer"].split("####")[-1].strip().replace(",", "")
                done[i + 1] = {"row": i + 1, "gold": gold, "right": verdict(gold, result["text"]), **result}
                out.write(json.dumps(done[i + 1]) + "\n")
            out.flush()
    result = {"system_prompt": SYSTEM, "max_completion_length": TOKENS, "torch": torch.__version__, "questions": [done[row] for row in sorted(done)]}
    (ROOT / "tests" / "oracle" / "gsm8k_smollm2.json").write_text(json.dumps(result, indent=0, ensure_ascii=True) + "\n")
    print(f"{len(done)} of {len(rows)} answered, {sum(q['right'] for q in result['questions'])} right")


if __name__ == "__main__":
    main(*sys.argv[1:])
