/// Per-token estimators of KL(policy || reference) from log-probs of sampled tokens (Schulman 2020, "Approximating KL").
#pragma once

#include <ATen/core/Tensor.h>

namespace grpo {

/// k3 = exp(ref - lp) - (ref - lp) - 1: unbiased in value, never negative, low variance.
/// The exponent is capped at 20 before exp, so a token that the reference likes e^20 times more cannot overflow.
/// shape: [T], [T] -> [T]   unit: nats   grad: to log_probs (and ref if it has any)
at::Tensor kl_k3(const at::Tensor& log_probs, const at::Tensor& ref_log_probs);

}  // namespace grpo
