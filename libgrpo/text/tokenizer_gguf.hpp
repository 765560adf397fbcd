/// The tokenizer inside a GGUF file (tokenizer.ggml.*, models "gpt2" and "llama") -> Tokenizer.
///
/// "gpt2" is byte-level BPE. The file names its pre-tokenizer (tokenizer.ggml.pre) instead of spelling it out; the names
/// known here are those of GPT-2, SmolLM, Llama 3 and Qwen 2. "default" means GPT-2's. "llama" is SentencePiece's BPE, as
/// of Llama 2 and Mistral: of two neighbours the pair whose token has the highest score is joined first, characters
/// without token are spelled as <0xNN>. Control tokens (type 3) become special tokens, user-defined ones (type 4) added
/// tokens. files() writes an equivalent tokenizer.json and tokenizer_config.json. Refused by name: "t5", "bert" and
/// others, remove_extra_whitespaces and precompiled_charsmap.
#pragma once

#include "libgrpo/text/tokenizer.hpp"

#include <filesystem>
#include <memory>

namespace grpo {

/// throws: Error{data} naming file, key and value. cost: about 30 ms for 50,000 tokens
std::unique_ptr<Tokenizer> tokenizer_from_gguf(const std::filesystem::path& path);

}  // namespace grpo
