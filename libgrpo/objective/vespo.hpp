/// VESPO: each completion's log-prob gradient is weighted by a smooth function of its sequence ratio.
///
///     x    = log of the product over the completion of w_t (and of the sampler correction, if there is one)
///     phi  = exp(lambda + k x - lambda e^x),   (k, lambda) by the sign of the advantage
///     term = -sg[phi] A log pi(t)
///
/// phi is 1 at x = 0, rises like a power and falls like an exponential: no threshold, and no length normalisation of the ratio.
/// Source: "VESPO: Variational sequence-level soft policy optimization", arXiv 2602.10693.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace grpo {

struct VespoShape {
  double k_pos = 2.0, lambda_pos = 3.0, k_neg = 3.0, lambda_neg = 2.0;
};

/// phi at each token. `log_ratio` [T] = log pi - log pi_old per token, capped here at +-20; `correction` [T] or undefined.
/// shape: -> [T]   grad: none
at::Tensor vespo_weight(const at::Tensor& log_ratio, const at::Tensor& correction, const at::Tensor& advantages,
                        const at::Tensor& completion, std::int64_t completions, const VespoShape& shape);

/// shape: [T] each -> [T]   grad: to log_probs alone
at::Tensor vespo_term(const at::Tensor& weight, const at::Tensor& log_probs, const at::Tensor& advantages);

}  // namespace grpo
