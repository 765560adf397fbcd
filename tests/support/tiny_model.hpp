/// A random two-layer model of a few thousand parameters, and a tokenizer that maps bytes to ids.
#pragma once

#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <ATen/ATen.h>

namespace grpo::testing {

inline ModelConfig tiny_config() {
  ModelConfig c;
  c.vocab_size = 300;
  c.hidden_size = 24;
  c.intermediate_size = 40;
  c.num_layers = 2;
  c.num_heads = 4;
  c.num_kv_heads = 2;
  c.head_dim = 8;
  c.context_length = 128;
  c.tie_word_embeddings = true;
  c.eos_token_ids = {257, 258};
  return c;
}

/// `scale` is the standard deviation of the weights: large ones make the model opinionated.
inline std::unique_ptr<CausalLm> tiny_model(std::int64_t seed = 1, double scale = 0.3, at::Device device = at::kCPU) {
  at::manual_seed(static_cast<std::uint64_t>(seed));
  const ModelConfig c = tiny_config();
  const Weights w = Weights::allocate(c);
  for (const Parameter& p : CausalLm(c, w).parameters()) {
    if (p.decays) {
      p.tensor.normal_(0.0, scale);
    } else {
      p.tensor.fill_(1.0);
    }
  }
  return std::make_unique<CausalLm>(c, w.to(device));
}

/// Byte b is id b; 256 to 299 are special and print nothing.
class ByteTokenizer final : public Tokenizer {
 public:
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const override {
    std::vector<std::int32_t> ids;
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids, bool /*skip_special*/) const override {
    std::string text;
    for (const std::int32_t id : ids) text += token_bytes(id);
    return text;
  }
  [[nodiscard]] std::string token_bytes(std::int32_t id) const override {
    return id < 256 ? std::string(1, static_cast<char>(id)) : std::string();
  }
  [[nodiscard]] std::int64_t vocab_size() const override { return 300; }
  [[nodiscard]] std::int32_t id_of(std::string_view /*token*/) const override { return -1; }
  [[nodiscard]] bool is_special(std::int32_t id) const override { return id >= 256; }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> files() const override { return {{"tokenizer.json", "{}\n"}}; }
};

inline Prompt make_prompt(std::uint64_t id, const std::string& text) {
  Prompt p;
  p.id = id;
  p.text = text;
  p.ids = ByteTokenizer().encode(text);
  p.source = "test:" + std::to_string(id);
  return p;
}

}  // namespace grpo::testing
