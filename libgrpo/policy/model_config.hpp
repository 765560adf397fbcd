/// What a model is, apart from its weights: sizes, constants, end tokens. Llama-architecture causal LMs.
///
/// A field that would change the result and is not handled here is an error, never ignored.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace grpo {

struct ModelConfig {
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t num_layers = 0;
  std::int64_t num_heads = 0;
  std::int64_t num_kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t context_length = 0;
  double rms_norm_eps = 1e-5;
  double rope_theta = 10000.0;
  bool tie_word_embeddings = false;
  std::int32_t bos_token_id = -1;            ///< -1: none
  std::vector<std::int32_t> eos_token_ids;   ///< every id that ends a completion, from config and generation config

  /// Floats in all weights; a tied head counts once.
  [[nodiscard]] std::int64_t num_parameters() const;
};

/// From a folder's config.json (and generation_config.json), or from a .gguf file's metadata.
/// throws: Error{data} naming file and field: missing, of another type, out of range, or not supported
ModelConfig read_model_config(const std::filesystem::path& model);

/// config.json / generation_config.json of a Hugging Face folder, float32 weights.
std::string to_config_json(const ModelConfig& config);
std::string to_generation_config_json(const ModelConfig& config);

}  // namespace grpo
