// A tokenizer of 26 letters, and the sizes of a model for it, for targets that need some.
#pragma once

#include "libgrpo/policy/model_config.hpp"
#include "libgrpo/text/tokenizer_json.hpp"

#include <memory>
#include <string>

namespace grpo::fuzz {

inline std::unique_ptr<Tokenizer> letters() {
  std::string vocabulary;
  for (char c = 'a'; c <= 'z'; ++c)
    vocabulary += (vocabulary.empty() ? "\"" : ", \"") + std::string(1, c) + "\": " + std::to_string(c - 'a');
  const std::string json = R"({"added_tokens": [], "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
      "decoder": {"type": "ByteLevel"}, "model": {"type": "BPE", "vocab": {)" +
                           vocabulary + R"(}, "merges": []}})";
  return tokenizer_from_json(json, "letters", {});
}

inline ModelConfig letters_config() {
  ModelConfig config;
  config.vocab_size = 26;
  config.context_length = 64;
  return config;
}

}  // namespace grpo::fuzz
