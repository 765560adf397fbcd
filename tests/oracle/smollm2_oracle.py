"""Writes smollm2.json: what transformers computes with the quick start's model, in float32, on real GSM8K questions.

    python tests/oracle/smollm2_oracle.py GSM8K_TEST_JSONL [models/SmolLM2-135M-Instruct.Q4_1.gguf]

    vocabulary   the ids whose logits are written
    logits       8 prompts: logits that follow the prompt at those ids, their maximum, argmax and logsumexp over the whole
                 vocabulary, and the log-probs of the first 48 tokens of the gold answer
    greedy       20 prompts: the 64 most likely tokens one after the other (fewer if an end token comes), and by how much
                 each was ahead of the second (where that is nothing, two programs may differ)

Prompts are chat-templated questions, given as ids: the tokenizer has oracles of its own.
"""

import json
import os
import pathlib
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

SCORED, GREEDY = 8, 20
ANSWER_TOKENS, NEW_TOKENS = 48, 64


def rounded(values, digits=6):
    return [round(float(v), digits) for v in values]


def logits_case(model, prompt, answer, vocabulary):
    logits = model(torch.tensor([prompt + answer])).logits[0].double()
    last = logits[len(prompt) - 1]
    log_probs = torch.log_softmax(logits[len(prompt) - 1 : -1], dim=-1)
    return {
        "prompt_ids": prompt,
        "completion_ids": answer,
        "logits": rounded(last[vocabulary]),
        "max": round(float(last.max()), 6),
        "argmax": int(last.argmax()),
        "logsumexp": round(float(last.logsumexp(0)), 6),
        "logprobs": rounded(log_probs[range(len(answer)), answer]),
    }


def greedy_case(model, prompt):
    ids = torch.tensor([prompt])
    out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=NEW_TOKENS,
                         output_logits=True, return_dict_in_generate=True)
    print(f"greedy: {out.sequences.shape[1] - len(prompt)} tokens", flush=True)
    top = torch.stack(out.logits)[:, 0].double().topk(2).values
    return {
        "prompt_ids": prompt,
        "completion_ids": out.sequences[0, len(prompt) :].tolist(),
        "gaps": rounded(top[:, 0] - top[:, 1]),
    }


def main():
    rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")][:GREEDY]
    path = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "models/SmolLM2-135M-Instruct.Q4_1.gguf")
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
    vocabulary = sorted((i * 769 + 13) % model.config.vocab_size for i in range(64))

    def ids_of(question):
        text = tokenizer.apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True,
                                             tokenize=False)
        return tokenizer(text, add_special_tokens=False).input_ids

    prompts = [ids_of(row["question"]) for row in rows]
    answers = [tokenizer(row["answer"], add_special_tokens=False).input_ids[:ANSWER_TOKENS] for row in rows]
    with torch.no_grad():
        result = {
            "source": "GSM8K test.jsonl (MIT), first rows; transformers on SmolLM2-135M-Instruct.Q4_1.gguf, float32",
            "vocabulary": vocabulary,
            "logits": [logits_case(model, p, a, vocabulary) for p, a in zip(prompts[:SCORED], answers)],
            "greedy": [greedy_case(model, p) for p in prompts],
        }
    target = pathlib.Path(__file__).with_name("smollm2.json")
    cases = ["  %s: [\n    %s\n  ]" % (json.dumps(k), ",\n    ".join(json.dumps(c) for c in v)) if k in ("logits", "greedy")
             else "  %s: %s" % (json.dumps(k), json.dumps(v)) for k, v in result.items()]
    target.write_text("{\n" + ",\n".join(cases) + "\n}\n", encoding="utf-8")
    print(target, target.stat().st_size, "bytes; smallest gap",
          min(min(case["gaps"]) for case in result["greedy"]))


if __name__ == "__main__":
    main()
