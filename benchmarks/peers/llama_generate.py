"""Sampling by llama.cpp behind one prompt, computed once: python llama_generate.py MODEL.gguf PROMPT_TOKENS THREADS

Through the C interface of the package llama-cpp-python: sequence 0 takes the prompt, the others share its cache; each token of
all sequences is one batch, and llama.cpp's own samplers draw.
"""

import ctypes
import sys

import llama_cpp as llama
from served import prompt_ids, serve

MOST_ROWS, CONTEXT_PER_ROW = 64, 160


class Engine:
    def __init__(self, path, threads):
        llama.llama_backend_init()
        llama.llama_log_set(self._quiet, ctypes.c_void_p(0))
        self.model = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
        if not self.model:
            raise SystemExit(f"llama.cpp does not load {path}")
        params = llama.llama_context_default_params()
        params.n_ctx = MOST_ROWS * CONTEXT_PER_ROW + 1024
        params.n_batch = params.n_ubatch = 512
        params.n_seq_max = MOST_ROWS
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = True
        params.type_k = params.type_v = llama.GGML_TYPE_F32
        self.context = llama.llama_init_from_model(self.model, params)
        self.vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        self.batch = llama.llama_batch_init(1024, 0, 1)
        self.samplers = []
        for row in range(MOST_ROWS):
            self.samplers.append(llama.llama_sampler_init_dist(row + 1))

    @staticmethod
    @llama.llama_log_callback
    def _quiet(level, text, data):
        pass

    def _decode(self, entries):
        """entries: (token, position, sequence, whether its logits are wanted)"""
        for i, (token, position, sequence, wanted) in enumerate(entries):
            self.batch.token[i], self.batch.pos[i], self.batch.n_seq_id[i] = token, position, 1
            self.batch.seq_id[i][0], self.batch.logits[i] = sequence, wanted
        self.batch.n_tokens = len(entries)
        if llama.llama_decode(self.context, self.batch) != 0:
            raise SystemExit("llama_decode failed")

    def generate(self, prompt, rows, tokens):
        memory = llama.llama_get_memory(self.context)
        llama.llama_memory_clear(memory, True)
        self._decode([(token, i, 0, i + 1 == len(prompt)) for i, token in enumerate(prompt)])
        for row in range(1, rows):
            llama.llama_memory_seq_cp(memory, 0, row, -1, -1)
        drawn = [llama.llama_sampler_sample(self.samplers[row], self.context, -1) for row in range(rows)]
        for step in range(1, tokens):
            self._decode([(drawn[row], len(prompt) + step - 1, row, True) for row in range(rows)])
            drawn = [llama.llama_sampler_sample(self.samplers[row], self.context, row) for row in range(rows)]


def main():
    engine = Engine(sys.argv[1], int(sys.argv[3]))
    prompt = prompt_ids(int(sys.argv[2]), engine.vocabulary)
    serve(lambda rows, tokens: engine.generate(prompt, rows, tokens))


if __name__ == "__main__":
    main()
