"""Writes families.json and families/<case>/: tiny random models of every supported family, and what transformers computes with them.

    python tests/oracle/families_oracle.py [CASE...]

    families/<case>/   config.json, generation_config.json and model.safetensors (bfloat16, so that a case takes 30 to 90 kB).
                       Cases named *_v4 have config.json as transformers 4 wrote it (rope_theta, rope_scaling at the top)
    prompts            two prompts with a common beginning, each with completions; for each completion the logits that follow
                       the prompt and each of its tokens, of one pass over the whole text (a pass token by token with the
                       cache is checked to give the same)
    gradients          of the sum of all completions' log-probs, per tensor: the norm, and the dot product with cos(0.7 i)

float32, one thread, fixed seeds. Weights are large enough for soft caps, windows and frequencies to show.
"""

import json
import os
import pathlib
import shutil
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from transformers import AutoModelForCausalLM, AutoConfig

HERE = pathlib.Path(__file__).parent
SHARED, QUESTIONS, COMPLETIONS = 6, [(9,), (4,)], [(11, 3), (8,)]
SIZES = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4,
         "num_key_value_heads": 2, "max_position_embeddings": 128, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
ROPE = {"rope_theta": 10000.0}

CASES = {
    "llama2": {"model_type": "llama", "num_key_value_heads": 4, "rms_norm_eps": 1e-5},
    "llama3_v4": {"model_type": "llama", "tie_word_embeddings": True, "head_dim": 16, "eos_token_id": [2, 5],
                  "rope_parameters": {"rope_theta": 500.0, "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                                      "high_freq_factor": 4.0, "original_max_position_embeddings": 64}},
    "llama_linear": {"model_type": "llama", "rope_parameters": {**ROPE, "rope_type": "linear", "factor": 4.0}},
    "llama_dynamic": {"model_type": "llama", "rope_parameters": {**ROPE, "rope_type": "dynamic", "factor": 2.0}},
    "llama_yarn": {"model_type": "llama", "rope_parameters": {"rope_theta": 100.0, "rope_type": "yarn", "factor": 4.0, "beta_fast": 8.0,
                                                              "original_max_position_embeddings": 32}},
    "llama_bias": {"model_type": "llama", "attention_bias": True, "mlp_bias": True},
    "smollm3": {"model_type": "smollm3", "num_hidden_layers": 4, "no_rope_layer_interval": 2, "use_sliding_window": True,
                "sliding_window": 6},
    "qwen2": {"model_type": "qwen2"},
    "qwen2_sliding": {"model_type": "qwen2", "tie_word_embeddings": True, "use_sliding_window": True, "sliding_window": 6,
                      "max_window_layers": 1,
                      "rope_parameters": {**ROPE, "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}},
    "qwen3": {"model_type": "qwen3", "tie_word_embeddings": True, "head_dim": 16},
    "mistral": {"model_type": "mistral", "sliding_window": 7, "head_dim": 12},
    "gemma2": {"model_type": "gemma2", "num_hidden_layers": 4, "head_dim": 16, "sliding_window": 5, "query_pre_attn_scalar": 24,
               "attn_logit_softcapping": 2.0, "final_logit_softcapping": 6.0},
    "gemma3": {"model_type": "gemma3_text", "num_hidden_layers": 3, "head_dim": 16, "sliding_window": 5, "query_pre_attn_scalar": 16,
               "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
               "rope_parameters": {"full_attention": {"rope_theta": 1000.0, "rope_type": "linear", "factor": 8.0},
                                   "sliding_attention": {"rope_theta": 100.0, "rope_type": "default"}}},
    "gemma3_v4": {"model_type": "gemma3_text", "num_hidden_layers": 4, "head_dim": 8, "sliding_window": 4, "query_pre_attn_scalar": 8,
                  "sliding_window_pattern": 2, "final_logit_softcapping": 9.0,
                  "rope_parameters": {"full_attention": {"rope_theta": 1000.0, "rope_type": "linear", "factor": 8.0},
                                      "sliding_attention": {"rope_theta": 100.0, "rope_type": "default"}}},
    "phi3": {"model_type": "phi3", "sliding_window": 9},
    "phi3_longrope_v4": {"model_type": "phi3", "max_position_embeddings": 256, "original_max_position_embeddings": 64,
                         "rope_parameters": {**ROPE, "rope_type": "longrope", "partial_rotary_factor": 0.5,
                                             "short_factor": [1.0, 1.3], "long_factor": [2.0, 7.0]}},
    "olmo2": {"model_type": "olmo2"},
    "granite": {"model_type": "granite", "tie_word_embeddings": True, "embedding_multiplier": 3.0, "residual_multiplier": 0.4,
                "attention_multiplier": 0.2, "logits_scaling": 2.5},
}


def as_version_4(folder):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    if "full_attention" in rope:
        config.pop("layer_types")
        config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        rope = rope["full_attention"]
    for key in ("rope_theta", "partial_rotary_factor"):
        if key in rope:
            config[key] = rope.pop(key)
    config.update(rope_scaling=rope, torch_dtype=config.pop("dtype"), transformers_version="4.51.0")
    path.write_text(json.dumps(config, indent=2) + "\n")


def make(name, values, folder):
    config = AutoConfig.for_model(**{**SIZES, **values})
    config._attn_implementation = "eager"
    torch.manual_seed(sum(map(ord, name)))
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for key, p in model.named_parameters():
            p.normal_(0.0, 0.25)
            if "norm" in key and not values["model_type"].startswith("gemma"):
                p.add_(1.0)
            if "embed" in key and values["model_type"].startswith("gemma"):
                p.mul_(0.5)
    model.to(torch.bfloat16).save_pretrained(folder)
    if name.endswith("_v4"):
        as_version_4(folder)
    (folder / "README.md").unlink(missing_ok=True)


def token_by_token(model, prompt, completion):
    out = model(torch.tensor([prompt]), use_cache=True)
    logits, cache = [out.logits[0, -1]], out.past_key_values
    for token in completion:
        out = model(torch.tensor([[token]]), past_key_values=cache, use_cache=True)
        logits.append(out.logits[0, -1])
    return torch.stack(logits)


def projection(grad):
    flat = grad.double().flatten()
    return float((flat * torch.cos(0.7 * torch.arange(flat.numel(), dtype=torch.float64))).sum())


def run(name, values):
    folder = HERE / "families" / name
    shutil.rmtree(folder, ignore_errors=True)
    make(name, values, folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    random = torch.Generator().manual_seed(7)

    def draw(n):
        return torch.randint(3, SIZES["vocab_size"], (n,), generator=random).tolist()

    start, prompts, total, worst = draw(SHARED), [], 0.0, 0.0
    for (question,), lengths in zip(QUESTIONS, COMPLETIONS):
        prompt = start + draw(question)
        case = {"ids": prompt, "completions": []}
        for length in lengths:
            completion = draw(length)
            logits = model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 :]
            with torch.no_grad():
                worst = max(worst, float((token_by_token(model, prompt, completion) - logits).abs().max()))
            log_probs = torch.log_softmax(logits[:-1], -1)[range(length), completion]
            total = total + log_probs.sum()
            case["completions"].append({"ids": completion, "log_probs": [round(x, 6) for x in log_probs.tolist()],
                                        "logits": [[round(x, 5) for x in row] for row in logits.tolist()]})
        prompts.append(case)
    assert worst < 2e-5, worst
    total.backward()
    gradients = {key: [float(p.grad.norm()), projection(p.grad)] for key, p in model.named_parameters()}
    print(f"{name}: logits to {max(abs(x) for p in prompts for c in p['completions'] for row in c['logits'] for x in row):.1f}, "
          f"with the cache within {worst:.1e}, {sum(p.numel() for p in model.parameters())} parameters", flush=True)
    return {"name": name, "model_type": values["model_type"], "parameters": sum(p.numel() for p in model.parameters()),
            "prompts": prompts, "gradients": gradients}


def main():
    torch.set_num_threads(1)
    wanted = sys.argv[1:] or list(CASES)
    target = HERE / "families.json"
    results = {} if wanted == list(CASES) else {c["name"]: c for c in json.loads(target.read_text())["cases"]}
    for name in wanted:
        results[name] = run(name, CASES[name])
    cases = ",\n".join(json.dumps(results[name], separators=(",", ":")) for name in CASES if name in results)
    target.write_text('{"source": "transformers, tiny random models, float32",\n"cases": [\n%s\n]}\n' % cases, encoding="utf-8")
    print(target, target.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
