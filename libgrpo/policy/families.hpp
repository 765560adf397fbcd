/// The model families, as data: which config fields each one reads, what it assumes where a field is absent, and how its
/// decoder differs from Llama's. family_table.cpp is the table; a new family that needs no new arithmetic is one more row.
///
///     llama     Llama 2, 3, 3.1, 3.2, SmolLM2      Touvron et al. 2023; Grattafiori et al. 2024
///     smollm3   layers without positions           Bakouch et al. 2025, "SmolLM3"
///     qwen2     biases on q, k and v               Yang et al. 2024, "Qwen2 Technical Report", section 2
///     qwen3     norms on the heads of q and k      Yang et al. 2025, "Qwen3 Technical Report", section 2
///     mistral   sliding window                     Jiang et al. 2023, "Mistral 7B", section 2
///     gemma2    two norms around each block, bounded scores and logits, every other layer sliding
///                                                  Gemma Team 2024, "Gemma 2", section 2
///     gemma3_text  the same with q/k norms in place of bounds, five sliding layers to one   Gemma Team 2025, section 2
///     phi3      fused tensors, rotation of a part of each head, LongRoPE   Abdin et al. 2024, "Phi-3", section 2
///     olmo2     norms behind each block, norms over the whole width of q and k   OLMo Team 2024, "2 OLMo 2", section 2
///     granite   four multipliers                   IBM Granite Team 2024, "Granite 3.0 Language Models", section 2
///
/// Not supported: mixture-of-experts, multimodal and encoder models, quantized weights.
#pragma once

#include "libgrpo/policy/config_fields.hpp"
#include "libgrpo/policy/model_config.hpp"

#include <string>

namespace grpo {

/// Everything but end tokens. throws: Error{data} as read_model_config
ModelConfig read_family_config(const ConfigFields& fields);

/// rope_theta, rope_scaling or rope_parameters, partial_rotary_factor, into `config`, whose sizes are set.
/// throws: Error{data}
void read_rope(const ConfigFields& fields, ModelConfig& config);

/// "LlamaForCausalLM" for "llama"
std::string architecture_of(const std::string& model_type);

}  // namespace grpo
