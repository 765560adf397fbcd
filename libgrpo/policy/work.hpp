/// The arithmetic that a forward pass over packed rows cannot do without, for shares of what a machine can do.
///
///     2 (matrices of the layers) rows + 4 layers Hq head_dim (pairs of a token and a key that it sees) + 2 V D (tokens scored)
///
/// Each shared beginning counts once. A backward pass is twice that. What is computed a second time to save memory, norms, and adapters
/// do not count.
#pragma once

#include "libgrpo/policy/model_config.hpp"
#include "libgrpo/rollout/batch.hpp"

namespace grpo {

/// unit: floating-point operations, of which a multiplication with an addition is two
double forward_flops(const ModelConfig& config, const Part& part);

}  // namespace grpo
