"""Sampling by transformers' generate, float32, behind one prompt: python hf_generate.py MODEL_DIR PROMPT_TOKENS THREADS"""

import sys

import torch
from served import prompt_ids, serve
from transformers import AutoModelForCausalLM


def main():
    torch.set_num_threads(int(sys.argv[3]))
    model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
    prompt = torch.tensor([prompt_ids(int(sys.argv[2]), model.config.vocab_size)])

    @torch.inference_mode()
    def generate(rows, tokens):
        inputs = prompt.repeat(rows, 1)
        out = model.generate(inputs, attention_mask=torch.ones_like(inputs), do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
                             min_new_tokens=tokens, max_new_tokens=tokens, pad_token_id=0)
        assert out.shape == (rows, inputs.shape[1] + tokens), out.shape

    serve(generate)


if __name__ == "__main__":
    main()
