/// SAPO: a soft gate in place of a hard clip.
///
///     term_t = -(4 / tau) sigmoid(tau (w_t - 1)) A,   tau = temperature_pos where A > 0, else temperature_neg
///
/// At w = 1 the slope is that of w A; away from 1 it fades smoothly, faster for bad completions (temperature_neg is larger).
/// Source: "Soft adaptive policy optimization", arXiv 2511.20347.
#pragma once

#include <ATen/core/Tensor.h>

namespace grpo {

/// shape: ratio, advantages [T] -> [T]   grad: to ratio
at::Tensor sapo_term(const at::Tensor& ratio, const at::Tensor& advantages, double temperature_pos, double temperature_neg);

}  // namespace grpo
