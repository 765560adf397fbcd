/// CISPO: the importance weight is clipped, never the token's gradient.
///
///     term_t = -sg[min(w_t, cap)] A log pi(t)
///
/// Every token keeps a gradient, also the rare "wait" and "however" whose ratio a clipped surrogate would cut off first.
/// `cap` is epsilon_high, and it bounds the ratio itself: about 5, where GRPO's epsilon_high of 0.2 is a distance from 1.
/// Source: MiniMax 2025, "MiniMax-M1", section 3.1; no lower bound, as recommended there.
#pragma once

#include <ATen/core/Tensor.h>

namespace grpo {

/// shape: [T] each -> [T]   grad: to log_probs alone
at::Tensor cispo_term(const at::Tensor& ratio, const at::Tensor& log_probs, const at::Tensor& advantages, double cap);

}  // namespace grpo
