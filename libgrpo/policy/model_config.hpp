/// What a model is, apart from its weights: sizes, constants, end tokens. One description for every supported family
/// (families.hpp lists them): a family is a set of values of these fields, and the decoder in causal_lm.hpp reads nothing else.
///
/// A field that would change the result and is not handled here is an error, never ignored.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace grpo {

/// Frequencies of the rotary embedding, as `rope_scaling` / `rope_parameters` say. rope.hpp has the formulas.
struct RopeScaling {
  std::string type = "default";  ///< default, linear, dynamic, yarn, llama3, longrope, factors
  double factor = 1.0;
  std::int64_t original_context = 0;                     ///< original_max_position_embeddings
  double low_freq_factor = 1.0, high_freq_factor = 4.0;  ///< llama3
  double beta_fast = 32.0, beta_slow = 1.0;              ///< yarn
  bool truncate = true;                                  ///< yarn
  double attention_factor = 1.0;                         ///< yarn, longrope: multiplies cos and sin
  std::vector<double> short_factor;                      ///< longrope, factors: one per frequency
};

/// What may change from layer to layer.
struct LayerKind {
  bool sliding = false;  ///< attends within sliding_window
  bool rotates = true;   ///< false: no position embedding (NoPE)
};

/// How weights are held in memory and in saved files. Arithmetic is in float32.
enum class WeightType { float32, bfloat16, float16 };

enum class Activation { silu, gelu_tanh };
enum class QkNorm { none, head, width };  ///< RMS norm of q and k: over each head, or over all heads together

struct ModelConfig {
  std::string model_type = "llama";  ///< a family's name in config.json
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t num_layers = 0;
  std::int64_t num_heads = 0;
  std::int64_t num_kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t context_length = 0;
  double rms_norm_eps = 1e-5;
  bool tie_word_embeddings = false;

  double rope_theta = 10000.0;
  double rope_local_theta = 0.0;  ///< of sliding layers, never scaled; 0: as the others
  RopeScaling rope_scaling;
  std::int64_t rotary_dim = 0;  ///< entries of a head that turn; 0: all

  bool qkv_bias = false, o_bias = false, mlp_bias = false;
  QkNorm qk_norm = QkNorm::none;
  bool pre_norms = true;     ///< norms before attention and MLP
  bool post_norms = false;   ///< norms after attention and MLP, before they are added
  double norm_offset = 0.0;  ///< norms multiply by offset + weight
  Activation activation = Activation::silu;

  double embedding_multiplier = 1.0;
  double residual_multiplier = 1.0;
  double attention_multiplier = 0.0;  ///< scale of attention scores; 0: 1 / sqrt(head_dim)
  double logits_divisor = 1.0;
  double attention_softcap = 0.0;  ///< 0: none
  double logits_softcap = 0.0;     ///< 0: none
  std::int64_t sliding_window = 0;
  std::vector<LayerKind> layers;  ///< [num_layers]; empty: all alike, attending to everything

  WeightType dtype = WeightType::float32;         ///< the caller's choice, whatever the files hold
  WeightType stored_dtype = WeightType::float32;  ///< what config.json says of the files
  bool fused_tensors = false;                     ///< files hold qkv_proj and gate_up_proj
  std::int32_t bos_token_id = -1;                 ///< -1: none
  std::vector<std::int32_t> eos_token_ids;        ///< every id that ends a completion, from config and generation config
  std::string source_json;                        ///< config.json as it was read, so that saving loses no field; may be empty
  std::string generation_json;                    ///< generation_config.json likewise

  /// Floats in all weights; a tied head counts once.
  [[nodiscard]] std::int64_t num_parameters() const;
  [[nodiscard]] LayerKind layer(std::int64_t index) const { return layers.empty() ? LayerKind{} : layers[static_cast<std::size_t>(index)]; }
};

/// From a folder's config.json (and generation_config.json), or from a .gguf file's metadata.
/// throws: Error{data} naming file and field: missing, of another type, out of range, or not supported
ModelConfig read_model_config(const std::filesystem::path& model);

/// config.json / generation_config.json of a Hugging Face folder. What was read from a config.json is written back with all
/// its fields; generation_config.json as it was, unless it lacks an end token that config.json names and training goes by.
std::string to_config_json(const ModelConfig& config);
std::string to_generation_config_json(const ModelConfig& config);

}  // namespace grpo
