/// Trades time for memory in the backward pass (Chen et al. 2016, "Training deep nets with sublinear memory cost", section 4).
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace grpo {

/// f(x), of which only x is kept for the backward pass: f runs again there. Leaves that f reads get their gradients as usual.
/// f must compute the same thing both times, and what it refers to must live until then.
/// grad: to x, and to whatever f reads   cost: one more run of f in the backward pass
at::Tensor recomputed(const at::Tensor& x, std::function<at::Tensor(const at::Tensor&)> f);

}  // namespace grpo
