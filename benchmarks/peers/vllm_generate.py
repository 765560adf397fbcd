"""Sampling by vLLM on a CPU, float32, behind one prompt: python vllm_generate.py MODEL_DIR PROMPT_TOKENS THREADS

Threads are vLLM's own matter: VLLM_CPU_OMP_THREADS_BIND is set here, before it is imported. Its prefix cache is off, since
every measurement of every peer counts its prompt.
"""

import os
import sys


def main():
    threads = int(sys.argv[3])
    os.environ.update(VLLM_CPU_KVCACHE_SPACE="2", HF_HUB_OFFLINE="1", VLLM_NO_USAGE_STATS="1", DO_NOT_TRACK="1",
                      VLLM_CPU_OMP_THREADS_BIND=f"0-{threads - 1}" if threads > 1 else "0", VLLM_LOGGING_LEVEL="ERROR")
    from served import prompt_ids, serve
    from transformers import AutoConfig
    from vllm import LLM, SamplingParams

    model = LLM(sys.argv[1], dtype="float32", enforce_eager=True, max_model_len=2048, enable_prefix_caching=False)
    prompt = {"prompt_token_ids": prompt_ids(int(sys.argv[2]), AutoConfig.from_pretrained(sys.argv[1]).vocab_size)}

    def generate(rows, tokens):
        params = SamplingParams(n=rows, temperature=1.0, top_p=1.0, max_tokens=tokens, min_tokens=tokens, ignore_eos=True, detokenize=False)
        answer = model.generate([prompt], params, use_tqdm=False)[0]
        assert [len(one.token_ids) for one in answer.outputs] == [tokens] * rows

    serve(generate)


if __name__ == "__main__":
    main()
