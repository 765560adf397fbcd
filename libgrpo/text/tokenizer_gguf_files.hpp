/// What a GGUF file says beside tokens and merges, and the Hugging Face files made from it.
#pragma once

#include "libgrpo/text/text_tokenizer.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace grpo {

struct GgufExtras {
  std::string pipeline;  ///< JSON with normalizer, pre_tokenizer and decoder
  bool add_bos = false;
  std::optional<std::string> bos, eos, unknown, padding;
  std::optional<std::string> chat_template;
  std::optional<std::int64_t> context_length;
};

/// tokenizer.json and tokenizer_config.json of a tokenizer whose model is a BpeModel.
TextTokenizer::Files gguf_tokenizer_files(const GgufExtras& extras, const TextTokenizer& tokenizer);

}  // namespace grpo
