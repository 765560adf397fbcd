/// Per-token estimators of KL(policy || reference) from log-probs of sampled tokens, d = ref - log_prob:
///
///     k1 = -d                  unbiased, may be negative
///     k2 = d^2 / 2             biased in value, never negative; its gradient is that of the KL
///     k3 = exp(d) - d - 1      unbiased, never negative, low variance
///
/// Source: Schulman 2020, "Approximating KL divergence". As a term of a loss, without an importance ratio in front, the
/// gradient of k1 is zero in expectation and that of k3 is the one of the reverse KL.
#pragma once

#include <ATen/core/Tensor.h>

namespace grpo {

/// shape: [T], [T] -> [T]   unit: nats   grad: to log_probs (and ref if it has any)
at::Tensor kl_k1(const at::Tensor& log_probs, const at::Tensor& ref_log_probs);
at::Tensor kl_k2(const at::Tensor& log_probs, const at::Tensor& ref_log_probs);
/// Beyond d = 20 the exponential goes on as its tangent: nothing overflows, and the gradient still points to the reference.
at::Tensor kl_k3(const at::Tensor& log_probs, const at::Tensor& ref_log_probs);

}  // namespace grpo
