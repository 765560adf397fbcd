/// A tokenizer as the metadata of a GGUF file (tokenizer.ggml.*), the way back from tokenizer_gguf.hpp.
///
/// Byte-level BPE becomes model "gpt2" with its merges and the name under which llama.cpp knows how text is cut (gpt-2, smollm,
/// llama-bpe, qwen2); SentencePiece's BPE becomes "llama" with scores that rank the same merges. What llama.cpp has no name for
/// is refused: it would cut text differently without a word. What it reads is files(), so every kind of source will do.
/// Not written: ids of the beginning and the end (the model's: policy/config_gguf.hpp).
#pragma once

#include "libgrpo/format/gguf_write.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace grpo {

struct GgufTokenizer {
  GgufEntries entries;
  std::int32_t eos = -1;  ///< the end token that the tokenizer itself names; -1: none
};

/// `rows`: tokens that the model has; ids without a token are written as unused ones, for llama.cpp wants them all.
/// throws: Error{data} for a tokenizer that GGUF has no form for here, saying which part of it; for ids beyond `rows`
GgufTokenizer gguf_tokenizer(const Tokenizer& tokenizer, std::int64_t rows, const std::optional<std::string>& chat_template);

}  // namespace grpo
