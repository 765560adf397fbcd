/// The tokenizer inside a GGUF file (tokenizer.ggml.*, model "gpt2") -> Tokenizer.
///
/// A GGUF names its pre-tokenizer (tokenizer.ggml.pre) instead of spelling it out; the names known here are those of
/// GPT-2, SmolLM, Llama 3 and Qwen 2. "default" means GPT-2's. Control tokens (type 3) become special tokens,
/// user-defined ones (type 4) added tokens. files() writes an equivalent tokenizer.json and tokenizer_config.json.
#pragma once

#include "libgrpo/text/tokenizer.hpp"

#include <filesystem>
#include <memory>

namespace grpo {

/// throws: Error{data} naming file, key and value. cost: about 30 ms for 50,000 tokens
std::unique_ptr<Tokenizer> tokenizer_from_gguf(const std::filesystem::path& path);

}  // namespace grpo
