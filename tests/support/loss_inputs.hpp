/// Scored tokens of a few completions, as an objective's loss sees them, in float64.
#pragma once

#include "libgrpo/objective/objective.hpp"

#include <ATen/ATen.h>

namespace grpo::testing {

/// Completions of 1, 4, 2 and 5 tokens; ratios on both sides of any clip range; both signs of the advantage.
inline LossInput loss_input(std::uint64_t seed = 4, double spread = 0.4) {
  at::manual_seed(seed);
  const auto options = at::TensorOptions().dtype(at::kDouble);
  LossInput in;
  in.completion = at::tensor({0, 1, 1, 1, 1, 2, 2, 3, 3, 3, 3, 3}, at::kLong);
  in.completions = 4;
  const std::int64_t n = in.completion.numel();
  in.old_log_probs = -at::rand({n}, options) * 3 - 0.1;
  in.scores.log_probs = in.old_log_probs + at::randn({n}, options) * spread;
  in.scores.entropies = at::rand({n}, options) * 2;
  in.ref_log_probs = in.old_log_probs + at::randn({n}, options) * 0.3;
  in.sampler_log_probs = in.old_log_probs + at::randn({n}, options) * 0.2;
  in.advantages = at::tensor({1.3, -0.7, 0.4, -1.1}, options).index_select(0, in.completion);
  in.token_weights = at::rand({n}, options) / static_cast<double>(n);
  return in;
}

}  // namespace grpo::testing
