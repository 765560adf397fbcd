/// Frequencies of rotary position embeddings: theta^(-2i/d) for i < d/2, and what context extensions make of them.
///
///     linear     f / factor                                                        (Chen et al. 2023, position interpolation)
///     llama3     f where the wave is short, f / factor where it is long, a blend between   (Grattafiori et al. 2024, Llama 3.1)
///     yarn       a blend of f and f / factor by rotations over the context, cos and sin times attention_factor
///                                                                                  (Peng et al. 2023, YaRN, section 3.2 and 3.4)
///     dynamic    f up to the trained context
///     longrope   f / short_factor_i up to the trained context, cos and sin times attention_factor (Ding et al. 2024, LongRoPE)
///     factors    f / short_factor_i, of a .gguf file whose numbers fit none of the above
///
/// Beyond the trained context, dynamic and longrope change the frequencies of the whole text when it grows, so that cached
/// keys would no longer be valid; such positions are refused, see `limit`.
#pragma once

#include "libgrpo/policy/model_config.hpp"

#include <ATen/core/Tensor.h>

namespace grpo {

struct Rope {
  at::Tensor inverse_frequencies;  ///< [rotary_dim / 2] f32
  double attention_factor = 1.0;   ///< multiplies cos and sin
};

/// Positions from here on have no frequencies; 0: no limit.
std::int64_t rope_limit(const ModelConfig& config);
/// throws: Error{data} if the model's rotary embedding has no frequencies for this position
void check_position(const ModelConfig& config, std::int64_t position);

/// Of layers that attend to everything; with `local`, of sliding layers.
Rope make_rope(const ModelConfig& config, bool local = false);

}  // namespace grpo
