/// PPO's clipped surrogate, the policy term of GRPO, BNPO, Dr.GRPO, DAPO, GSPO and LUSPO, which differ in their normalisers
/// (normaliser.hpp) and in the level of the ratio (importance.hpp):
///
///     term_t = -min(u_t A, clip(w_t, 1 - low, 1 + high) A),   u_t = min(w_t, delta) with delta, else w_t
///
/// high > low is DAPO's clip-higher; delta bounds what a bad completion of low probability can do (two-sided clipping).
/// Source: Schulman et al. 2017, "PPO", equation 7; Yu et al. 2025, "DAPO", section 3.1; Prime Intellect 2025, "INTELLECT-2",
/// section 3.4 (delta).
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace grpo {

struct ClipRange {
  double low = 0.2, high = 0.2;  ///< distances from 1
  std::optional<double> delta = {};
};

/// shape: ratio, advantages [T] -> [T]   grad: to ratio
at::Tensor clipped_surrogate(const at::Tensor& ratio, const at::Tensor& advantages, const ClipRange& range);

}  // namespace grpo
